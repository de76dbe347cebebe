package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// Manifest is one version of the admin's environments, profiles and bindings, as
// it was applied.
type Manifest struct {
	// Seq numbers the applications; applying old content again makes a new one.
	Seq int64
	// Version names the content. The same version always has the same content.
	Version   string
	Content   []byte
	AppliedAt time.Time
	AppliedBy string // forge.Subject in text form, or audit.System
}

type manifestRow struct {
	bun.BaseModel `bun:"table:manifests,alias:m"`

	Seq       int64 `bun:",pk"`
	Version   string
	Content   []byte
	AppliedAt instant
	AppliedBy string
}

// ManifestConflictError is a version that is known with other content.
type ManifestConflictError struct{ Version string }

// Error implements error.
func (e *ManifestConflictError) Error() string {
	return fmt.Sprintf("manifest version %s exists with other content", e.Version)
}

// ManifestStaleError is another version in force than the one that a change was
// made for.
type ManifestStaleError struct {
	Seq     int64  // of the application that is in force
	Version string // of it; empty: none is in force
}

// Error implements error.
func (e *ManifestStaleError) Error() string {
	if e.Version == "" {
		return "no manifests are in force"
	}
	return fmt.Sprintf("manifest version %s is in force (application %d)", e.Version, e.Seq)
}

// InsertManifest makes a version the active one. It reports false, and stores
// nothing, if it is active already. Seq is given by the store, AppliedAt too
// unless it is set.
func (t *Tx) InsertManifest(ctx context.Context, m Manifest) (fresh bool, err error) {
	return t.checkedInsert(ctx, m, nil)
}

// ReplaceManifest is [Tx.InsertManifest] for a change that was decided on with
// the application seq in force, 0 for none. If another is by now, it stores
// nothing and fails with a *[ManifestStaleError]; of two at once one succeeds.
func (t *Tx) ReplaceManifest(ctx context.Context, seq int64, m Manifest) (fresh bool, err error) {
	return t.checkedInsert(ctx, m, &seq)
}

func (t *Tx) checkedInsert(ctx context.Context, m Manifest, replaces *int64) (fresh bool, err error) {
	if m.Version == "" || m.AppliedBy == "" {
		return false, fmt.Errorf("insert manifest %q by %q: version and author are needed", m.Version, m.AppliedBy)
	}
	fresh, err = t.insertManifest(ctx, m, replaces)
	if err != nil {
		return false, fmt.Errorf("insert manifest %s: %w", m.Version, err)
	}
	return fresh, nil
}

// manifestLock is the key of the advisory lock under which PostgreSQL transactions
// look at the last version and add the next. SQLite has one writer anyway.
const manifestLock = 0x636f6465_6d616e69

func (t *Tx) insertManifest(ctx context.Context, m Manifest, replaces *int64) (bool, error) {
	if t.dialect == queue.Postgres {
		if _, err := t.exec(ctx, t.tx.NewRaw("SELECT pg_advisory_xact_lock(?)", int64(manifestLock))); err != nil {
			return false, err
		}
	}
	var last, same []manifestRow
	if err := t.scan(ctx, t.tx.NewSelect().Model(&last).Column("seq", "version").Order("seq DESC").Limit(1)); err != nil {
		return false, err
	}
	if err := stale(last, replaces); err != nil {
		return false, err
	}
	if err := t.scan(ctx, t.tx.NewSelect().Model(&same).Where("version = ?", text(m.Version)).Limit(1)); err != nil {
		return false, err
	}
	if len(same) > 0 && string(same[0].Content) != string(m.Content) {
		return false, &ManifestConflictError{Version: m.Version}
	}
	row := &manifestRow{
		Seq: 1, Version: text(m.Version), Content: append([]byte{}, m.Content...),
		AppliedAt: at(orTime(m.AppliedAt, t.now())), AppliedBy: text(m.AppliedBy),
	}
	if len(last) > 0 {
		if last[0].Version == row.Version {
			return false, nil
		}
		row.Seq = last[0].Seq + 1
	}
	// Two at once get the same number; the primary key lets one of them in.
	n, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (seq) DO NOTHING"))
	if err == nil && n == 0 {
		err = task.ErrStale
	}
	return err == nil, err
}

// stale compares the last application with the one that is to be replaced.
func stale(last []manifestRow, replaces *int64) error {
	if replaces == nil || len(last) == 0 && *replaces == 0 || len(last) > 0 && last[0].Seq == *replaces {
		return nil
	}
	if len(last) == 0 {
		return &ManifestStaleError{}
	}
	return &ManifestStaleError{Seq: last[0].Seq, Version: last[0].Version}
}

// ActiveManifest is the version applied last, or task.ErrNotFound.
func (s *Store) ActiveManifest(ctx context.Context) (Manifest, error) {
	var row manifestRow
	if err := s.fetch(ctx, s.read.NewSelect().Model(&row).Order("seq DESC").Limit(1)); err != nil {
		return Manifest{}, fmt.Errorf("read the active manifest: %w", err)
	}
	return row.manifest(), nil
}

// ManifestVersion is the given version as it was applied last, or task.ErrNotFound.
func (s *Store) ManifestVersion(ctx context.Context, version string) (Manifest, error) {
	var row manifestRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("version = ?", text(version)).Order("seq DESC").Limit(1))
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest %s: %w", version, err)
	}
	return row.manifest(), nil
}

// ManifestHistory lists the applications, newest first, without their content.
func (s *Store) ManifestHistory(ctx context.Context, length int) ([]Manifest, error) {
	var rows []manifestRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).ExcludeColumn("content").Order("seq DESC").Limit(limit(length)))
	if err != nil {
		return nil, fmt.Errorf("list the manifests: %w", err)
	}
	list := make([]Manifest, len(rows))
	for i := range rows {
		list[i] = rows[i].manifest()
	}
	return list, nil
}

func (r *manifestRow) manifest() Manifest {
	return Manifest{Seq: r.Seq, Version: r.Version, Content: r.Content, AppliedAt: r.AppliedAt.Time, AppliedBy: r.AppliedBy}
}
