package client

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/token"
)

func TestAuditAsksForPagesUntilThereAreEnough(t *testing.T) {
	t.Parallel()
	s, c := newStrict(t, map[string]string{
		"GET /audit?action=push.%2A&cursor=9&environment=staging&limit=3&order=newest&repository=github%3A7&since=2026-01-02T03%3A04%3A05Z&subject=github%3A1": `{"items":[{"number":8},{"number":7}],"cursor":"7"}`,
		"GET /audit?action=push.%2A&cursor=7&environment=staging&limit=1&order=newest&repository=github%3A7&since=2026-01-02T03%3A04%3A05Z&subject=github%3A1": `{"items":[{"number":5}],"cursor":"5"}`,
	})
	var numbers []int64
	more, err := c.Audit(t.Context(), AuditFilter{
		Environment: "staging", Subject: "github:1", Action: "push.*", Repository: "github:7", Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Newest: true, After: 9, Limit: 3,
	}, func(e AuditEntry) error {
		numbers = append(numbers, e.Number)
		return nil
	})
	if err != nil || !more || len(numbers) != 3 || s.asked.Load() != 2 {
		t.Errorf("%v, more %v, %v", numbers, more, err)
	}
}

// An export is many parts, and a server that is asked too often says so.
func TestAnExportIsTakenPartByPart(t *testing.T) {
	t.Parallel()
	parts := map[string]struct{ text, next, end string }{
		"format=jsonl": {"one\n", "4", "false"}, "cursor=4&format=jsonl": {"two\n", "9", "true"},
		"format=csv": {"a\n", "4", "false"}, "cursor=4&format=csv": {"b\n", "4", "false"},
	}
	busy := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if busy = !busy; busy {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"error":"too many requests"}`)
			return
		}
		part := parts[r.URL.RawQuery]
		w.Header().Set("Content-Type", r.Header.Get("Accept")+"; charset=utf-8")
		w.Header().Set("X-Audit-Next", part.next)
		w.Header().Set("X-Audit-End", part.end)
		_, _ = io.WriteString(w, part.text)
	}))
	t.Cleanup(server.Close)
	c, err := New(server.URL, token.New())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.AuditExport(t.Context(), AuditFilter{}, "jsonl", &out); err != nil || out.String() != "one\ntwo\n" {
		t.Errorf("%q, %v", &out, err)
	}
	if err := c.AuditExport(t.Context(), AuditFilter{}, "csv", io.Discard); err == nil {
		t.Error("pages that do not go on are taken for an end")
	}
}

// The key is for everybody: no token is sent where none is needed.
func TestThePublicKeyIsAskedForWithoutTheToken(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, r.URL.Path+r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	c, err := New(server.URL, token.New())
	if err != nil {
		t.Fatal(err)
	}
	if key, err := c.AuditKey(t.Context()); err != nil || key != "/audit/key" {
		t.Errorf("%q, %v", key, err)
	}
}
