package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	_ "modernc.org/sqlite"             // registers the driver "sqlite"
)

// floorEnv makes the test binary the floor: a handler that verifies a signature and inserts one row. Its value is the
// database, "sqlite:PATH" or an address of PostgreSQL.
const floorEnv = "BENCH_FLOOR"

const secret = "it is the same for both"

// serveFloor prints its address and serves until it is killed.
func serveFloor(database string) error {
	db, insert, err := openFloor(database)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // it is the barest there is
		body, err := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if err != nil || r.Header.Get("X-Hub-Signature-256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if _, err := db.ExecContext(r.Context(), insert, r.Header.Get("X-GitHub-Delivery"), r.Header.Get("X-GitHub-Event"), body, time.Now().UTC().String()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
}

// openFloor opens a database as durably and with as many connections as CoderFlow does (internal/store).
func openFloor(database string) (db *sql.DB, insert string, err error) {
	table, insert := `CREATE TABLE deliveries (id TEXT PRIMARY KEY, event TEXT NOT NULL, body BYTEA NOT NULL, at TEXT NOT NULL)`, `INSERT INTO deliveries VALUES ($1, $2, $3, $4)`
	if path, is := strings.CutPrefix(database, "sqlite:"); is {
		db, err = sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
		if err == nil {
			db.SetMaxOpenConns(1)
		}
		table = strings.ReplaceAll(table, "BYTEA", "BLOB")
	} else if db, err = sql.Open("pgx", database); err == nil {
		db.SetMaxOpenConns(16)
		db.SetMaxIdleConns(16)
	}
	if err == nil {
		_, err = db.Exec(table)
	}
	return db, insert, err
}

// startFloor starts this binary as the floor and returns its address.
func startFloor(b *testing.B, database string) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), floorEnv+"="+database)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var address string
	if _, err := fmt.Fscan(out, &address); err != nil {
		b.Fatalf("the floor did not start: %v", err)
	}
	return "http://" + address + "/"
}
