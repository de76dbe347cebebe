package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/backup"
	"github.com/coderflow/coderflow/internal/queue"
)

// ErrNotEmpty is a database that has tables already: what is in it is not overwritten.
var ErrNotEmpty = errors.New("the database is not empty")

// Load fills an empty database in one transaction, so that it is filled whole or not at
// all. fill hands over the rows; after it the schema is brought up to this program's,
// and then settle writes what belongs to the restored state. It fails with
// [ErrNotEmpty], a *[NewerSchemaError], or what fill and settle failed with.
func (s *Store) Load(ctx context.Context, fill func(*Loader) error, settle func(*Loaded) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin to restore: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if s.dialect == queue.Postgres {
		prepare := fmt.Sprintf("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '5min'; "+
			"SET LOCAL idle_in_transaction_session_timeout = 0; SELECT pg_advisory_xact_lock(%d)", int64(migrationLock))
		if _, err := tx.Tx.ExecContext(ctx, prepare); err != nil {
			return fmt.Errorf("wait for other processes: %w", err)
		}
	}
	names, err := tableNames(ctx, tx.Tx, s.dialect)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return fmt.Errorf("%w: it has the table %s and %d more", ErrNotEmpty, names[0], len(names)-1)
	}
	l := &Loader{s: s, tx: tx.Tx}
	if err := fill(l); err != nil {
		return err
	}
	if err := l.end(ctx); err != nil {
		return err
	}
	if err := s.migrateOwn(ctx, tx.Tx); err != nil {
		return err
	}
	after := &Loaded{Tx: &Tx{tx: tx, dialect: s.dialect, now: s.now, deadline: time.Now().Add(migrateTimeout)}}
	for more := true; more; { // a log that is older than its tree
		if more, err = after.plant(ctx); err != nil {
			return err
		}
	}
	if err := settle(after); err != nil {
		return err
	}
	if err := after.writeAudit(ctx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit what was restored: %w", err)
	}
	return nil
}

// Loader takes the rows of a backup.
type Loader struct {
	s      *Store
	tx     *sql.Tx
	tables []*loading
}

// loading is a table that is being filled.
type loading struct {
	backup.Table
	types   []string
	insert  string
	counter string // column that numbers by itself; empty: none
}

// Begin makes the schema that the backup was taken of, and compares its tables with
// those of the backup: neither has one more, nor a column more.
func (l *Loader) Begin(ctx context.Context, schema int, tables []backup.Table) error {
	known, err := knownMigrations(l.s.dialect)
	if err != nil {
		return err
	}
	if newest := known[len(known)-1].version; schema > newest {
		return &NewerSchemaError{Schema: "coderflow", Known: newest, Found: schema}
	}
	if !slices.ContainsFunc(known, func(m migration) bool { return m.version == schema }) {
		return &SchemaHoleError{Version: schema, Unknown: true, Newest: schema}
	}
	if err := l.s.migrateTo(ctx, l.tx, schema); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	names, err := tableNames(ctx, l.tx, l.s.dialect)
	if err != nil {
		return err
	}
	want, err := describe(ctx, l.tx, l.s.dialect, names)
	if err != nil {
		return err
	}
	if len(want) != len(tables) {
		return fmt.Errorf("%w: it has %d tables, schema version %d has %d", backup.ErrDamaged, len(tables), schema, len(want))
	}
	for _, t := range want {
		i := slices.IndexFunc(tables, func(o backup.Table) bool { return o.Name == t.Name })
		if i < 0 || !slices.Equal(t.Columns, tables[i].Columns) {
			return fmt.Errorf("%w: its table %s is not the one of schema version %d", backup.ErrDamaged, t.Name, schema)
		}
		one, err := l.prepare(ctx, t)
		if err != nil {
			return err
		}
		l.tables = append(l.tables, one)
	}
	return nil
}

func (l *Loader) prepare(ctx context.Context, t backup.Table) (*loading, error) {
	columns, err := columnsOf(ctx, l.tx, l.s.dialect, t.Name)
	if err != nil {
		return nil, err
	}
	one := &loading{Table: t}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = quoted(c.name)
		one.types = append(one.types, c.is)
	}
	overriding := ""
	if l.s.dialect == queue.Postgres {
		counters, err := texts(ctx, l.tx, `SELECT column_name::text FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = $1 AND is_identity = 'YES'`, t.Name)
		if err != nil {
			return nil, err
		}
		if len(counters) > 0 {
			one.counter, overriding = counters[0], " OVERRIDING SYSTEM VALUE"
		}
	}
	one.insert = "INSERT INTO " + quoted(t.Name) + " (" + strings.Join(names, ", ") + ")" + overriding + " VALUES "
	return one, nil
}

// maxBound is how many values one statement has at most; SQLite takes 32766.
const maxBound = 20_000

// Rows inserts rows of a table.
func (l *Loader) Rows(ctx context.Context, table string, rows [][]any) error {
	i := slices.IndexFunc(l.tables, func(o *loading) bool { return o.Name == table })
	if i < 0 {
		return fmt.Errorf("%w: it has rows of an unknown table", backup.ErrDamaged)
	}
	t := l.tables[i]
	for batch := range slices.Chunk(rows, min(200, maxBound/len(t.Columns))) {
		statement := strings.Builder{}
		statement.WriteString(t.insert)
		var values []any
		for n, row := range batch {
			if n > 0 {
				statement.WriteByte(',')
			}
			statement.WriteByte('(')
			for c, value := range row {
				native, err := t.native(c, value)
				if err != nil {
					return err
				}
				if values = append(values, native); c > 0 {
					statement.WriteByte(',')
				}
				statement.WriteString("$" + strconv.Itoa(len(values)))
			}
			statement.WriteByte(')')
		}
		if _, err := l.tx.ExecContext(ctx, statement.String(), values...); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("the database does not take rows of the table %s as the backup has them: %w", table, err)
		}
	}
	return nil
}

// native is a value for the database's own column.
func (t *loading) native(column int, value any) (any, error) {
	bad := func() (any, error) {
		return nil, fmt.Errorf("%w: a value of %s.%s is not of the column's type", backup.ErrDamaged, t.Name, t.Columns[column].Name)
	}
	switch v := value.(type) {
	case int64:
		if t.types[column] != "boolean" {
			return v, nil
		}
		if v != 0 && v != 1 {
			return bad()
		}
		return v == 1, nil
	case string:
		if strings.ContainsRune(v, 0) {
			return bad()
		}
		if !isTime(t.Columns[column].Name) {
			return v, nil
		}
		when, err := time.Parse(instantFormat, v)
		if err != nil || when.UTC().Format(instantFormat) != v {
			return bad()
		}
		if t.types[column] == "timestamp with time zone" {
			return when, nil
		}
		return v, nil
	}
	return value, nil
}

// isTime reports whether a column of the name holds a time. In SQLite it is text, so
// that the name is all there is.
func isTime(column string) bool {
	return column == "at" || strings.HasSuffix(column, "_at") || strings.HasSuffix(column, "_until")
}

// end lets counters go on after the restored rows.
func (l *Loader) end(ctx context.Context) error {
	if len(l.tables) == 0 {
		return errors.New("nothing was restored")
	}
	for _, t := range l.tables {
		if t.counter == "" {
			continue
		}
		statement := fmt.Sprintf("SELECT setval(pg_get_serial_sequence('%s', '%s'), COALESCE(MAX(%s), 1), MAX(%s) IS NOT NULL) FROM %s",
			quoted(t.Name), t.counter, quoted(t.counter), quoted(t.counter), quoted(t.Name))
		if _, err := l.tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("let the numbers of %s go on: %w", t.Name, err)
		}
	}
	return nil
}

// Loaded is the restored database before it is committed.
type Loaded struct{ *Tx }
