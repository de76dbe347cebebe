package store

import (
	"context"
	"database/sql"
)

// MigrateTo makes CoderFlow's own tables as a version had them.
func (s *Store) MigrateTo(ctx context.Context, version int) error {
	return inTx(ctx, s.write.DB, func(tx *sql.Tx) error { return s.migrateTo(ctx, tx, version) })
}

// Versions are those of this program.
func (s *Store) Versions() (versions []int, err error) {
	known, err := knownMigrations(s.dialect)
	for _, m := range known {
		versions = append(versions, m.version)
	}
	return versions, err
}

// IsTime is how a backup tells times from other texts.
var IsTime = isTime
