package store

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// openSQLite opens the file twice.
//
// Writing goes through one connection. SQLite lets one transaction write at a
// time anyway; with several connections the others would fail with "database is
// locked" instead of waiting in order, and River asks for exactly this
// (riversqlite, package comment). Transactions begin IMMEDIATE, so that none of
// them fails half-way because it read before it wrote.
//
// Reading goes through connections of its own, so that a reader never waits for
// a transaction: in WAL mode it sees the last commit.
func openSQLite(path string) (write, read *sql.DB, err error) {
	if path == "" {
		return nil, nil, errors.New("the SQLite database needs a file path")
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("find the database file: %w", err)
	}
	if err := createPrivate(path); err != nil {
		return nil, nil, fmt.Errorf("create the database file: %w", err)
	}
	write, err = sql.Open("sqlite", sqliteDSN(path, writePragmas))
	if err != nil {
		return nil, nil, fmt.Errorf("open the database file: %w", err)
	}
	write.SetMaxOpenConns(1)
	write.SetMaxIdleConns(1)
	read, err = sql.Open("sqlite", sqliteDSN(path, readPragmas))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open the database file: %w", err), write.Close())
	}
	readers := max(4, runtime.NumCPU())
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	return write, read, nil
}

// createPrivate makes the file, if there is none, before SQLite would with the
// umask's mode; SQLite gives its other files the same mode. A file that exists
// is not even opened: closing it would release the locks that another
// connection of this process holds (https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
func createPrivate(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// busyTimeout, in ms, is below the store's own deadline, so that a lock held by
// another program is reported as such.
const busyTimeout = "busy_timeout(5000)"

var (
	writePragmas = []string{
		busyTimeout,
		"journal_mode(WAL)",
		// FULL, not NORMAL: in WAL mode NORMAL may lose the last commits with the power.
		"synchronous(FULL)",
		"foreign_keys(ON)",
		// So that INSERT OR REPLACE meets the triggers that refuse a DELETE.
		"recursive_triggers(ON)",
		"trusted_schema(OFF)",
	}
	readPragmas = []string{busyTimeout, "query_only(ON)", "trusted_schema(OFF)"}
)

func sqliteDSN(path string, pragmas []string) string {
	query := url.Values{"_txlock": {"immediate"}, "_pragma": pragmas}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}
