package store

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/coderflow/coderflow/internal/queue"
)

// migration is one step of the schema. The number in its file's name is its version;
// a number that was never used is none.
type migration struct {
	version int
	file    string
}

// knownMigrations are this program's, in their order.
func knownMigrations(dialect queue.Dialect) ([]migration, error) {
	files, err := fs.Glob(migrations, "migrations/"+string(dialect)+"/*.sql") // sorted by name
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	list := make([]migration, len(files))
	for i, file := range files {
		number, _, _ := strings.Cut(path.Base(file), "_")
		version, err := strconv.Atoi(number)
		if err != nil || len(number) != 4 || i > 0 && version <= list[i-1].version {
			return nil, fmt.Errorf("the migration %s has no number of its own", file)
		}
		list[i] = migration{version, file}
	}
	return list, nil
}

// appliedVersions are those that the database has.
func appliedVersions(ctx context.Context, db rower) (versions []int, err error) {
	rows, err := db.QueryContext(ctx, "SELECT version FROM schema_versions ORDER BY version")
	if err != nil {
		return nil, fmt.Errorf("read the schema version: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err has told
	for rows.Next() {
		var v int
		if err := rows.Scan(&v); err != nil {
			return nil, fmt.Errorf("read the schema version: %w", err)
		}
		versions = append(versions, v)
	}
	return versions, rows.Err()
}

// SchemaHoleError is a database that has a later step of the schema without an earlier
// one, or a step that no version of CoderFlow made. Nobody knows what it looks like.
type SchemaHoleError struct {
	Version int
	Unknown bool // this program has no such step; otherwise the database has not
	Newest  int  // that the database has
}

// Error implements error.
func (e *SchemaHoleError) Error() string {
	const next = "it was changed by hand, or by a build that was never released. Restore a backup; nothing was changed"
	if e.Unknown {
		return fmt.Sprintf("the database has schema version %d, which this program does not know among those up to %d: %s", e.Version, e.Newest, next)
	}
	return fmt.Sprintf("the database has schema version %d but not version %d before it: %s", e.Newest, e.Version, next)
}

// pending are the migrations that are to be applied. It fails with a
// *[NewerSchemaError] or a *[SchemaHoleError].
func pending(known []migration, applied []int) ([]migration, error) {
	if len(applied) == 0 {
		return known, nil
	}
	newest, last := applied[len(applied)-1], known[len(known)-1].version
	if newest > last {
		return nil, &NewerSchemaError{Schema: "coderflow", Known: last, Found: newest}
	}
	for _, v := range applied {
		if !slices.ContainsFunc(known, func(m migration) bool { return m.version == v }) {
			return nil, &SchemaHoleError{Version: v, Unknown: true, Newest: newest}
		}
	}
	var missing []migration
	for _, m := range known {
		switch {
		case slices.Contains(applied, m.version):
		case m.version < newest:
			return nil, &SchemaHoleError{Version: m.version, Newest: newest}
		default:
			missing = append(missing, m)
		}
	}
	return missing, nil
}
