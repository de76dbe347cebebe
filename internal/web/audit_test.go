package web

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/token"
)

// signedLog is a log in memory, as a server has one.
type signedLog struct {
	key    audit.Key
	leaves [][]byte
	hashes []tlog.Hash
	signed int64
}

func (l *signedLog) ReadHashes(positions []int64) (found []tlog.Hash, err error) {
	for _, p := range positions {
		found = append(found, l.hashes[p])
	}
	return found, nil
}

func newSignedLog(t *testing.T, signed int64, entries ...audit.Entry) *signedLog {
	t.Helper()
	private, err := audit.NewKey("example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	l := &signedLog{signed: signed}
	if l.key, err = audit.ParseKey(private); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		leaf, err := e.Leaf()
		if err != nil {
			t.Fatal(err)
		}
		_, hashes, err := e.Hashes(l)
		if err != nil {
			t.Fatal(err)
		}
		l.leaves, l.hashes = append(l.leaves, leaf), append(l.hashes, hashes...)
	}
	return l
}

func (l *signedLog) note(size int64) []byte {
	root, err := tlog.TreeHash(size, l)
	if err != nil {
		panic(err)
	}
	signed, err := l.key.Sign(size, root)
	if err != nil {
		panic(err)
	}
	return signed
}

func (l *signedLog) Checkpoint() []byte {
	if l.signed == 0 {
		return nil
	}
	return l.note(l.signed)
}

func (l *signedLog) PublicKey() string                     { return l.key.Public() }
func (l *signedLog) Signed(context.Context) (int64, error) { return l.signed, nil }

func (l *signedLog) Inclusion(_ context.Context, entry, size int64) (audit.Inclusion, error) {
	return audit.ProveInclusion(l, entry, size)
}

func (l *signedLog) Consistency(_ context.Context, from, to int64) (audit.Consistency, error) {
	return audit.ProveConsistency(l, from, to)
}

func (l *signedLog) Prove(_ context.Context, entry int64) ([]byte, audit.Inclusion, error) {
	size := int64(len(l.leaves))
	proof, err := audit.ProveInclusion(l, entry, size)
	return l.note(size), proof, err
}

func fetch(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer
}

// Somebody without a token, and without our code, checks every entry of a log and
// how it grew: with the libraries that define the forms.
func TestProofsAreForEverybodyAndHoldWithTheUpstreamLibrary(t *testing.T) {
	t.Parallel()
	var entries []audit.Entry
	for i := range 13 {
		entries = append(entries, audit.Entry{Seq: int64(i + 1), Actor: "x", Action: "y.z", Detail: fmt.Append(nil, i)})
	}
	log := newSignedLog(t, 11, entries...) // two were not signed yet
	h := New(Options{Inbox: &inbox{}, Audit: log, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	verifier, err := note.NewVerifier(strings.TrimSpace(fetch(t, h, "/audit/key").Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open(fetch(t, h, "/audit/checkpoint").Body.Bytes(), note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	var encoded string
	if _, err := fmt.Sscanf(opened.Text, "example.com/audit\n%d\n%s", &size, &encoded); err != nil {
		t.Fatal(err)
	}
	root, err := tlog.ParseHash(encoded)
	if err != nil || size != 11 {
		t.Fatal(size, err)
	}
	proof := func(path string) (hashes []tlog.Hash) {
		t.Helper()
		answer := fetch(t, h, path)
		if err := json.Unmarshal(answer.Body.Bytes(), &struct{ Hashes *[]tlog.Hash }{&hashes}); err != nil || answer.Code != http.StatusOK {
			t.Fatalf("%s: %d %s %v", path, answer.Code, answer.Body, err)
		}
		return hashes
	}
	for n := int64(1); n <= size; n++ {
		leaf := tlog.RecordHash(log.leaves[n-1])
		if err := tlog.CheckRecord(proof(fmt.Sprintf("/audit/proof?entry=%d", n)), size, root, n-1, leaf); err != nil {
			t.Errorf("entry %d: %v", n, err)
		}
		older, err := tlog.TreeHash(n, log)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckTree(proof(fmt.Sprintf("/audit/consistency?from=%d", n)), size, root, n, older); n < size && err != nil {
			t.Errorf("from %d: %v", n, err)
		}
		if err := tlog.CheckRecord(proof(fmt.Sprintf("/audit/proof?entry=%d&size=%d", n, n)), n, older, n-1, leaf); err != nil {
			t.Errorf("entry %d in the log of %d: %v", n, n, err)
		}
	}
}

func TestProofsOfWhatWasNotSignedAreNotGiven(t *testing.T) {
	t.Parallel()
	log := newSignedLog(t, 2, new(apiWorld).entries()...)
	h := New(Options{Inbox: &inbox{}, Audit: log, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	for path, want := range map[string]int{
		"/audit/proof?entry=2": 200, "/audit/proof?entry=3": 400, "/audit/proof?entry=3&size=3": 400, "/audit/proof?entry=2&size=1": 400, "/audit/proof": 400,
		"/audit/proof?entry=0": 400, "/audit/proof?entry=-1": 400, "/audit/proof?entry=x": 400, "/audit/proof?entry=1&entry=2": 400,
		"/audit/proof?entry=99999999999999999999": 400, "/audit/proof?entry=1&x=1": 400, "/audit/proof?entry=1&size=%zz": 400,
		"/audit/consistency?from=0": 200, "/audit/consistency?from=1&to=2": 200, "/audit/consistency?from=2&to=1": 400,
		"/audit/consistency?from=1&to=3": 400, "/audit/consistency": 400, "/audit/consistency?to=1": 400,
	} {
		if answer := fetch(t, h, path); answer.Code != want || strings.Contains(answer.Body.String(), `"actor"`) {
			t.Errorf("%s: %d, want %d: %s", path, answer.Code, want, answer.Body)
		}
	}
	log.signed = 0
	if answer := fetch(t, h, "/audit/proof?entry=1"); answer.Code != http.StatusNotFound {
		t.Errorf("before the first checkpoint: %d %s", answer.Code, answer.Body)
	}
}

func TestProofsOfOneAddressAreLimited(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h := New(Options{Inbox: &inbox{}, Audit: newSignedLog(t, 1, new(apiWorld).entries()...), Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	var codes []int
	for range (Limits{}).withDefaults().Calls.Burst + 1 {
		codes = append(codes, fetch(t, h, "/audit/proof?entry=1").Code)
	}
	if i := slices.Index(codes, http.StatusTooManyRequests); i != len(codes)-1 {
		t.Errorf("refused from %d of %d on", i, len(codes))
	}
}

// What is asked for reaches the store within what the caller may see.
func TestThreat49TheLogIsNarrowedToWhatTheCallerMaySee(t *testing.T) {
	t.Parallel()
	everywhere := []policy.Binding{new(apiWorld).bound("server-admin", "*")}
	for name, c := range map[string]struct {
		bindings []policy.Binding
		scope    token.Scope
		path     string
		sees     []string
		want     AuditQuery
	}{
		"the server":                      {everywhere, token.Scope{}, "/audit", []string{`"number":1`, `"number":2`, `"number":3`}, AuditQuery{Limit: 50}},
		"an environment that was removed": {everywhere, token.Scope{}, "/audit?environment=gone", nil, AuditQuery{Environment: "gone", Limit: 50}},
		"a token that is narrowed": {everywhere, token.Scope{Environments: []string{"staging"}}, "/audit", []string{`"number":1`},
			AuditQuery{Environments: []string{"staging"}, Limit: 50}},
		"an admin of one": {[]policy.Binding{new(apiWorld).bound("environment-admin", "environment/production")}, token.Scope{}, "/audit", []string{`"number":2`},
			AuditQuery{Environments: []string{"production"}, Limit: 50}},
		"by name": {[]policy.Binding{new(apiWorld).bound("environment-admin", "environment/production")}, token.Scope{}, "/audit?environment=production", []string{`"number":2`},
			AuditQuery{Environment: "production", Limit: 50}},
		"filters": {everywhere, token.Scope{},
			"/audit?subject=github:1&action=push.done,approval.*&repository=github:5&since=2026-01-31&until=2026-02-01T00:00:00%2B01:00&order=newest&cursor=9&limit=7&task=" + string(here),
			nil, AuditQuery{
				Task: string(here), Actor: "github:1", Actions: []string{"push.done", "approval.*"}, Since: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC),
				Until: time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC), After: 9, Newest: true, Limit: 7,
			}},
	} {
		w := newAPIWorld(t, Limits{}, c.bindings...)
		answer := w.ask(http.MethodGet, c.path, w.token("k", owner, c.scope))
		if got := strings.Count(answer.Body.String(), `"number"`); answer.Code != http.StatusOK || c.sees != nil && got != len(c.sees) {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
		for _, part := range c.sees {
			if !strings.Contains(answer.Body.String(), part) {
				t.Errorf("%s: %s is not in %s", name, part, answer.Body)
			}
		}
		w.asked.Repository.ID = strings.TrimPrefix(w.asked.Repository.ID, "5")
		w.asked.Repository.Host = ""
		if got, want := fmt.Sprintf("%+v", w.asked), fmt.Sprintf("%+v", c.want); got != want {
			t.Errorf("%s: asked %s\nwant %s", name, got, want)
		}
	}
}

func TestFiltersOfTheLogThatAreNotUnderstoodAreRefused(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{})
	for _, query := range []string{
		"order=up", "since=yesterday", "until=1", "action=%25", "action=approval", "action=" + strings.Repeat("a.b,", 20) + "a.b", "repository=acme/x",
		"subject=" + strings.Repeat("x", 201), "actor=x", "limit=201",
	} {
		if answer := w.ask(http.MethodGet, "/audit?"+query, secret); answer.Code != http.StatusBadRequest {
			t.Errorf("%.40s: %d %s", query, answer.Code, answer.Body)
		}
	}
	for _, path := range []string{"/audit/0", "/audit/-1", "/audit/01", "/audit/x", "/audit/99999999999999999999", "/audit/+1"} {
		if answer := w.ask(http.MethodGet, path, secret); answer.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
}

func TestAnExportIsTheLinesThatAreHashed(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{})
	var want strings.Builder
	if err := audit.WriteLines(&want, w.entries()...); err != nil {
		t.Fatal(err)
	}
	first := w.ask(http.MethodGet, "/audit/export?limit=2", secret)
	rest := w.ask(http.MethodGet, "/audit/export?cursor="+first.Header().Get("X-Audit-Next"), secret)
	if got := first.Body.String() + rest.Body.String(); got != want.String() || first.Header().Get("X-Audit-End") != "false" || rest.Header().Get("X-Audit-End") != "true" {
		t.Errorf("%q\nwant %q", got, want.String())
	}
	table := w.ask(http.MethodGet, "/audit/export?format=csv", secret).Body.String()
	if !strings.HasPrefix(table, "number,at,") || !strings.Contains(table, ",'=x,") || strings.Count(table, "\n") != 4 {
		t.Error(table)
	}
	if more := w.ask(http.MethodGet, "/audit/export?format=csv&cursor=2", secret).Body.String(); strings.HasPrefix(more, "number") {
		t.Error(more)
	}
	if answer := w.ask(http.MethodGet, "/audit/export?format=xml", secret); answer.Code != http.StatusBadRequest {
		t.Errorf("%d", answer.Code)
	}
}

func TestAnEntryComesWithItsProof(t *testing.T) {
	t.Parallel()
	w, secret := admin(t, Limits{})
	if answer := w.ask(http.MethodGet, "/audit/2", secret); !strings.Contains(answer.Body.String(), `"unproven":"this server signs no checkpoints"`) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	log := newSignedLog(t, 1, w.entries()...)
	w.audit(log)
	var shown struct {
		Leaf, Hash, Checkpoint string
		Proof                  audit.Inclusion
	}
	answer := w.ask(http.MethodGet, "/audit/2", secret)
	if err := json.Unmarshal(answer.Body.Bytes(), &shown); err != nil {
		t.Fatal(err)
	}
	signed, err := audit.OpenCheckpoint([]byte(shown.Checkpoint), log.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	if err := shown.Proof.Check([]byte(shown.Leaf), signed); err != nil || shown.Leaf != string(log.leaves[1]) || shown.Proof.Entry != 2 {
		t.Errorf("%v: %s", err, answer.Body)
	}
	if hash := tlog.RecordHash(log.leaves[1]).String(); shown.Hash != hash {
		t.Errorf("hash %s, want %s", shown.Hash, hash)
	}
}

// A row that somebody broke does not hide the others.
func TestAnEntryThatCannotBeReadIsShown(t *testing.T) {
	t.Parallel()
	broken := viewAudit(audit.Entry{Seq: 1, Detail: []byte(`{"a`)})
	if text, err := json.Marshal(broken); err != nil || !strings.Contains(string(text), `"detail":"{\"a"`) {
		t.Errorf("%s %v", text, err)
	}
}
