package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/backup"
	"github.com/coderflow/coderflow/internal/queue"
)

// What the databases tell of their own schema. A question about a table takes its name.
var (
	tablesSQL = map[queue.Dialect]string{
		queue.SQLite:   "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
		queue.Postgres: "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY table_name",
	}
	columnsSQL = map[queue.Dialect]string{
		queue.SQLite: "SELECT name, type FROM pragma_table_info($1) ORDER BY name",
		queue.Postgres: `SELECT column_name::text, data_type::text FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = $1 ORDER BY column_name COLLATE "C"`,
	}
	keySQL = map[queue.Dialect]string{
		queue.SQLite: "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk",
		queue.Postgres: `SELECT a.attname::text FROM pg_index i
			JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
			WHERE i.indisprimary AND n.nspname = current_schema() AND c.relname = $1
			ORDER BY array_position(i.indkey::int2[], a.attnum)`,
	}
	refersSQL = map[queue.Dialect]string{
		queue.SQLite: `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1)`,
		queue.Postgres: `SELECT DISTINCT f.relname::text FROM pg_constraint k
			JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class f ON f.oid = k.confrelid
			WHERE k.contype = 'f' AND n.nspname = current_schema() AND c.relname = $1`,
	}
)

// kinds are what the types of both databases are in a backup.
var kinds = map[string]backup.Kind{
	"INTEGER": backup.Int, "TEXT": backup.Text, "BLOB": backup.Bytes,
	"bigint": backup.Int, "boolean": backup.Int, "text": backup.Text, "timestamp with time zone": backup.Text, "bytea": backup.Bytes,
}

func tableNames(ctx context.Context, db rower, dialect queue.Dialect) ([]string, error) {
	return texts(ctx, db, tablesSQL[dialect])
}

func keyOf(ctx context.Context, db rower, dialect queue.Dialect, table string) ([]string, error) {
	key, err := texts(ctx, db, keySQL[dialect], table)
	for i := range key {
		key[i] = quoted(key[i])
	}
	return key, err
}

// texts is the one column of a query.
func texts(ctx context.Context, db rower, query string, args ...any) (list []string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err has told
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("read the schema: %w", err)
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

// typed is a column with the database's own type.
type typed struct{ name, is string }

func columnsOf(ctx context.Context, db rower, dialect queue.Dialect, table string) (list []typed, err error) {
	rows, err := db.QueryContext(ctx, columnsSQL[dialect], table)
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", table, err)
	}
	defer func() { _ = rows.Close() }() // Err has told
	for rows.Next() {
		var c typed
		if err := rows.Scan(&c.name, &c.is); err != nil {
			return nil, fmt.Errorf("read the columns of %s: %w", table, err)
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

// describe tells what a backup has of each table, each after those that it refers to.
func describe(ctx context.Context, db rower, dialect queue.Dialect, names []string) ([]backup.Table, error) {
	refers := map[string][]string{}
	var waiting []string
	for _, name := range names {
		if !backedUp(name) {
			continue
		}
		to, err := texts(ctx, db, refersSQL[dialect], name)
		if err != nil {
			return nil, err
		}
		refers[name] = slices.DeleteFunc(to, func(other string) bool { return other == name })
		waiting = append(waiting, name)
	}
	var tables []backup.Table
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, func(name string) bool { return len(refers[name]) == 0 })
		if i < 0 {
			return nil, fmt.Errorf("the tables %s refer to each other in a circle, or to one that a backup leaves out", strings.Join(waiting, ", "))
		}
		name := waiting[i]
		waiting = slices.Delete(waiting, i, i+1)
		for other := range refers {
			refers[other] = slices.DeleteFunc(refers[other], func(to string) bool { return to == name })
		}
		t, err := describeOne(ctx, db, dialect, name)
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, nil
}

func describeOne(ctx context.Context, db rower, dialect queue.Dialect, name string) (backup.Table, error) {
	t := backup.Table{Name: name}
	columns, err := columnsOf(ctx, db, dialect, name)
	if err != nil {
		return t, err
	}
	for _, c := range columns {
		kind, known := kinds[c.is]
		if !known {
			return t, fmt.Errorf("the column %s.%s has the type %s, which a backup cannot hold", name, c.name, c.is)
		}
		t.Columns = append(t.Columns, backup.Column{Name: c.name, Kind: kind})
	}
	return t, nil
}
