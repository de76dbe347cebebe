package store

import (
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// maxPostgresConns bounds the connections of one process. A transaction holds
// one only while it runs, which is milliseconds.
const maxPostgresConns = 16

// postgresSettings hold for every session, whatever the server's defaults are.
var postgresSettings = map[string]string{
	"application_name":                    "coderflow",
	"client_encoding":                     "UTF8",
	"standard_conforming_strings":         "on", // bun quotes values for this setting
	"timezone":                            "UTC",
	"synchronous_commit":                  "on",
	"lock_timeout":                        "5s",
	"statement_timeout":                   "30s",
	"idle_in_transaction_session_timeout": "60s",
}

// openPostgres prepares a pool; it does not connect yet.
func openPostgres(dsn string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// pgx's error repeats parts of the DSN, which may hold a password.
		return nil, errors.New("the database address is not a valid postgres:// URL")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	// bun writes values into the statement, so that preparing would fill the
	// server with statements that never come again.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	for name, value := range postgresSettings {
		config.RuntimeParams[name] = value
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(maxPostgresConns)
	pool.SetMaxIdleConns(maxPostgresConns / 2)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return pool, nil
}
