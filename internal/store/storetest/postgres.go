package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"

	"github.com/coderflow/coderflow/internal/store"
)

// shared is the one PostgreSQL server of the test binary. It is started by the
// first test that needs it and ends with the process, see [Server].
var shared = struct {
	sync.Mutex
	server *Server
	err    error
}{}

// Main runs a package's tests and removes the shared server afterwards. Without
// it the server still ends with the process, but its directory stays until the
// next run:
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		if err := shared.server.remove(); err != nil {
			fmt.Fprintln(os.Stderr, "remove the test database server:", err)
			return max(code, 1)
		}
	}
	return code
}

// PostgresOptions names a fresh, migrated PostgreSQL database on the server that
// all tests of the binary share.
func PostgresOptions(t testing.TB) store.Options {
	t.Helper()
	return sharedServer(t).database(t, template)
}

// EmptyPostgres names a fresh database without a schema on the shared server.
func EmptyPostgres(t testing.TB) store.Options {
	t.Helper()
	return sharedServer(t).database(t, "template0")
}

// template is the migrated database of which the shared server makes copies.
const template = "migrated"

func startShared() (*Server, error) {
	s, err := start(serverSettings)
	if err != nil {
		return nil, err
	}
	if err := s.admin("CREATE DATABASE " + template + " TEMPLATE template0"); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	if err := migrate(store.Options{DSN: s.DSN(template)}); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

func sharedServer(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = startShared()
	}
	if shared.err != nil {
		t.Fatalf("start PostgreSQL for the tests: %v", shared.err)
	}
	return shared.server
}

// NewServer starts a PostgreSQL server for one test, which may stop it and start
// it again. It keeps its promises about durability, unlike the shared one.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s, err := start(durableSettings)
	if err != nil {
		t.Fatalf("start PostgreSQL for the test: %v", err)
	}
	t.Cleanup(func() {
		if err := s.remove(); err != nil {
			t.Errorf("remove the test database server: %v", err)
		}
	})
	return s
}

// Database creates an empty database and drops it when the test ends, if the
// server still runs then.
func (s *Server) Database(t testing.TB) store.Options {
	t.Helper()
	return s.database(t, "template0")
}

func (s *Server) database(t testing.TB, template string) store.Options {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text()[:10])
	if err := s.admin("CREATE DATABASE " + name + " TEMPLATE " + template); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		if !s.running() {
			return
		}
		if err := s.admin("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	return store.Options{DSN: s.DSN(name)}
}

// DSN is the address of one of the server's databases.
func (s *Server) DSN(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password),
		Host: fmt.Sprintf("127.0.0.1:%d", s.port), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

func (s *Server) admin(statement string) error {
	db, err := sql.Open("pgx", s.DSN("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // nothing is lost
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err = db.ExecContext(ctx, statement)
	return err
}
