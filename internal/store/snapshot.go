package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/backup"
	"github.com/coderflow/coderflow/internal/queue"
)

// rower runs queries: a pool, a connection or a transaction.
type rower interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// notBackedUp are tables whose rows are of the moment: what they held is made anew, or
// began and cannot go on. A table that is not here is in every backup.
var notBackedUp = []backup.Left{
	{What: "sign_ins", Why: "sign-ins that were under way begin anew; their codes are secrets"},
	{What: "heartbeats", Why: "they say that a server runs"},
	{What: "nodes", Why: "a node says that it is there when it starts"},
	{What: "river_*", Why: "jobs are hints; the server makes them anew when it starts"},
	{What: "schema_versions", Why: "the header has the version"},
}

func backedUp(table string) bool {
	return !strings.HasPrefix(table, "river_") && !strings.HasPrefix(table, "sqlite_") &&
		!slices.ContainsFunc(notBackedUp, func(l backup.Left) bool { return l.What == table })
}

// Snapshot is the database as it was at one moment. It is good while the function runs
// that [Store.Snapshot] gave it to.
type Snapshot struct {
	// Schema is the version that the database has.
	Schema int
	// Tables are those of a backup, each after those that its rows refer to.
	Tables []backup.Table
	// LeftOut is what is not among them, and why.
	LeftOut []backup.Left

	s    *Store
	conn bun.Conn
}

// ErrNoSchema is a database in which nobody has made the tables.
var ErrNoSchema = errors.New("the database has no tables of CoderFlow: no server has run with it yet")

// Snapshot lets f read one moment of the database, while others go on writing. It is
// not bounded by the store's own deadline, and changes nothing, the schema included.
func (s *Store) Snapshot(ctx context.Context, f func(*Snapshot) error) error {
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }() // it was only read
	begin := []string{"BEGIN"}
	if s.dialect == queue.Postgres {
		begin = []string{
			"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
			"SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0",
		}
	}
	for _, statement := range begin {
		if _, err := conn.Conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("begin to read: %w", err)
		}
	}
	defer func() { _, _ = conn.Conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") }() // it was only read
	x := &Snapshot{s: s, conn: conn, LeftOut: notBackedUp}
	if err := x.look(ctx); err != nil {
		return err
	}
	return f(x)
}

// look reads the schema, by which SQLite fixes the moment too.
func (x *Snapshot) look(ctx context.Context) error {
	names, err := tableNames(ctx, x.conn.Conn, x.s.dialect)
	if err != nil {
		return err
	}
	if !slices.Contains(names, "schema_versions") {
		return ErrNoSchema
	}
	applied, err := appliedVersions(ctx, x.conn.Conn)
	if err != nil {
		return err
	}
	known, err := knownMigrations(x.s.dialect)
	if err != nil {
		return err
	}
	if _, err := pending(known, applied); err != nil {
		return err
	}
	if len(applied) == 0 {
		return ErrNoSchema
	}
	x.Schema = applied[len(applied)-1]
	x.Tables, err = describe(ctx, x.conn.Conn, x.s.dialect, names)
	return err
}

// Rows hands over every row of a table, in the order of its key.
func (x *Snapshot) Rows(ctx context.Context, t backup.Table, yield func([]any) error) error {
	key, err := keyOf(ctx, x.conn.Conn, x.s.dialect, t.Name)
	if err != nil {
		return err
	}
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quoted(c.Name)
	}
	query := "SELECT " + strings.Join(names, ", ") + " FROM " + quoted(t.Name)
	if len(key) > 0 {
		query += " ORDER BY " + strings.Join(key, ", ")
	}
	rows, err := x.conn.Conn.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("read the table %s: %w", t.Name, err)
	}
	defer func() { _ = rows.Close() }() // Err has told
	for rows.Next() {
		values, dest := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return fmt.Errorf("read the table %s: %w", t.Name, err)
		}
		for i := range values {
			values[i] = plain(values[i])
		}
		if err := yield(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// plain is a value in the form of a backup, which is that of SQLite.
func plain(value any) any {
	switch v := value.(type) {
	case time.Time:
		return v.UTC().Format(instantFormat)
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case int32:
		return int64(v)
	}
	return value
}

// Audit is the log at that moment: how many entries, their root, and the newest
// checkpoint.
func (x *Snapshot) Audit(ctx context.Context) (size int64, root tlog.Hash, note []byte, err error) {
	read := func(ctx context.Context, q scanner, dest ...any) error { return found(q.Scan(ctx, dest...)) }
	if err := x.conn.NewRaw("SELECT COALESCE(MAX(seq), 0) FROM audit").Scan(ctx, &size); err != nil {
		return 0, root, nil, fmt.Errorf("read the end of the audit log: %w", err)
	}
	hashed := slices.ContainsFunc(x.Tables, func(t backup.Table) bool { return t.Name == "audit_hashes" })
	if size == 0 || !hashed { // a log that is older than its tree
		root, err = tlog.TreeHash(0, nil) // it reads nothing
		return size, root, nil, err
	}
	if root, err = tlog.TreeHash(size, &stored{ctx: ctx, db: x.conn, read: read}); err != nil {
		return size, root, nil, fmt.Errorf("compute the root of %d audit entries: %w", size, err)
	}
	var last []checkpointRow
	if err := x.conn.NewSelect().Model(&last).Order("size DESC").Limit(1).Scan(ctx); err != nil {
		return size, root, nil, fmt.Errorf("read the last checkpoint: %w", err)
	}
	if len(last) > 0 {
		note = last[0].Note
	}
	return size, root, note, nil
}

// quoted is a name in a statement. All of them come from the database's own schema.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
