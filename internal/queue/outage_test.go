package queue_test

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

func TestFault19JobsGoOnAfterPostgresWasAway(t *testing.T) {
	t.Parallel()
	server := storetest.NewServer(t)
	s := storetest.Open(t, server.Database(t))
	outage(t, s, func() {
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
	}, func() {
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFault19JobsGoOnAfterTheSQLiteFileWasLocked(t *testing.T) {
	t.Parallel()
	o := storetest.SQLiteOptions(t)
	s := storetest.Open(t, o)
	other, err := sql.Open("sqlite", o.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	other.SetMaxOpenConns(1)
	do := func(statement string) func() {
		return func() {
			deadline := time.Now().Add(10 * time.Second)
			for {
				_, err := other.ExecContext(t.Context(), statement)
				if err == nil {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s: %v", statement, err)
				}
			}
		}
	}
	outage(t, s, do("BEGIN EXCLUSIVE"), do("ROLLBACK"))
}

// outage takes the database away while one job runs and another waits, and
// brings it back.
func outage(t *testing.T, s *store.Store, away, back func()) {
	t.Helper()
	var ran keys
	var log lines
	proceed := make(chan struct{})
	run(t, s, queue.Options{
		Workers: 1, LostAfter: 2 * time.Second, JobTimeout: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Handlers: handlers(func(_ context.Context, key string) error {
			if n := ran.add(key); n == 1 && key == "running" {
				<-proceed
			}
			return nil
		}),
	})
	enqueue(t, s, advance("running"))
	await(t, "the first job", func() bool { return ran.count("running") == 1 })
	enqueue(t, s, advance("waiting"))
	away()
	close(proceed)
	time.Sleep(3 * time.Second)
	if n := log.count(); n > 30 {
		t.Errorf("%d lines were logged in 3 s of outage:\n%s", n, log.String())
	}
	back()
	await(t, "the waiting job", func() bool { return ran.count("waiting") == 1 })
	enqueue(t, s, advance("later"))
	await(t, "a later job", func() bool { return ran.count("later") == 1 })
	await(t, "the record of every job", func() bool { return count(t, s, "completed") == 3 })
}

// lines is a log that several goroutines write.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) count() int { return strings.Count(l.String(), "\n") }
