package store

import (
	"context"
	"fmt"
)

// ManifestHistoryBefore is [Store.ManifestHistory] from the application before
// seq on; 0 is the newest.
func (s *Store) ManifestHistoryBefore(ctx context.Context, seq int64, length int) ([]Manifest, error) {
	var rows []manifestRow
	query := s.read.NewSelect().Model(&rows).ExcludeColumn("content").Order("seq DESC").Limit(limit(length))
	if seq > 0 {
		query.Where("seq < ?", seq)
	}
	if err := s.fetch(ctx, query); err != nil {
		return nil, fmt.Errorf("list the manifests: %w", err)
	}
	list := make([]Manifest, len(rows))
	for i := range rows {
		list[i] = rows[i].manifest()
	}
	return list, nil
}
