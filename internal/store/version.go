package store

import (
	"context"
	"fmt"

	"github.com/coderflow/coderflow/internal/queue"
)

// KnownSchema returns CoderFlow's own schema version that this program brings; it is the same for both databases.
func KnownSchema() (int, error) {
	list, err := knownMigrations(queue.SQLite)
	if err != nil {
		return 0, err
	}
	return list[len(list)-1].version, nil
}

// SchemaVersion returns CoderFlow's own schema version as the database has it, 0 for a database that nobody has
// migrated, and the one that this program brings. It changes nothing.
func (s *Store) SchemaVersion(ctx context.Context) (found, known int, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	list, err := knownMigrations(s.dialect)
	if err != nil {
		return 0, 0, err
	}
	known = list[len(list)-1].version
	var tables int
	const named = "SELECT COUNT(*) FROM %s WHERE %s = 'schema_versions'"
	query := fmt.Sprintf(named, "sqlite_master", "name")
	if s.dialect == "postgres" {
		query = fmt.Sprintf(named, "information_schema.tables", "table_name")
	}
	if err := s.read.QueryRowContext(ctx, query).Scan(&tables); err != nil {
		return 0, 0, fmt.Errorf("look for the table of versions: %w", err)
	}
	if tables == 0 {
		return 0, known, nil
	}
	if err := s.read.QueryRowContext(ctx, "SELECT COALESCE(MAX(version), 0) FROM schema_versions").Scan(&found); err != nil {
		return 0, 0, fmt.Errorf("read the schema version: %w", err)
	}
	return found, known, nil
}
