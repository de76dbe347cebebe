package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/gateway/modeltest"
)

const decoy = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY"

func ask(text string) string {
	quoted, _ := json.Marshal(text)
	return `{"model":"m","max_tokens":10,"messages":[{"role":"user","content":` + string(quoted) + `}]}`
}

func withCanary(t *testing.T) func(*Session, *Options) {
	return func(s *Session, _ *Options) {
		s.Secrets = append(s.Secrets, value(t, "AWS_KEY", decoy).AsCanary(), value(t, "REAL", "correct horse"))
	}
}

// A request with a canary goes nowhere, wherever in it the canary is, allowed or
// not; from then on the session serves nothing, and the journal says where,
// without the value.
func TestARequestWithACanaryEndsTheSession(t *testing.T) {
	t.Parallel()
	mixed := `{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"` + `\u0077J` + decoy[2:] + `"}]}`
	for name, c := range map[string]struct {
		path, body string
		header     map[string]string
		where      string
	}{
		"body":            {"/v1/messages", ask("the key is " + decoy), nil, "the body"},
		"base64":          {"/v1/messages", ask(base64.StdEncoding.EncodeToString([]byte("k=" + decoy))), nil, "the body"},
		"half escaped":    {"/v1/messages", mixed, nil, "the body"},
		"key":             {"/v1/messages", strings.Replace(ask("x"), `"max_tokens"`, `"`+decoy+`":1,"max_tokens"`, 1), nil, "the body"},
		"other model":     {"/v1/messages", strings.Replace(ask(decoy), `"m"`, `"other"`, 1), nil, "the body"},
		"other path":      {"/v1/files", ask(decoy), nil, "the body"},
		"compressed type": {"/v1/messages", decoy, map[string]string{"Content-Type": "text/plain"}, "the body"},
		"header":          {"/v1/messages", ask("x"), map[string]string{"X-Note": decoy}, "a header"},
		"dropped header":  {"/v1/messages", ask("x"), map[string]string{"Authorization": "Bearer " + decoy}, "a header"},
		"query":           {"/v1/messages?beta=" + strings.ReplaceAll(decoy, "+", "%2B"), ask("x"), nil, "the address"},
		"path":            {"/v1/" + strings.ReplaceAll(decoy, "F", "%46"), ask("x"), nil, "the address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := model(t, modeltest.Script{})
			w := newWorld(t, Anthropic, m.URL(), withCanary(t))
			if got := w.do(http.MethodPost, "/v1/messages", ask("correct horse"), nil); got.status != http.StatusOK {
				t.Fatalf("before: %d %s", got.status, got.body)
			}
			if got := w.do(http.MethodPost, c.path, c.body, c.header); got.status != http.StatusForbidden || !strings.Contains(got.body, "being stopped") {
				t.Errorf("%d %s", got.status, got.body)
			}
			if said := w.raw("POST /v1/messages HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"); said != "" {
				t.Errorf("a later request was served: %q", said)
			}
			if n := len(m.Requests()); n != 1 {
				t.Errorf("the model got %d requests", n)
			}
			if _, err := w.gateway.Open(t.Context(), w.session); !errors.As(err, new(*TrippedError)) {
				t.Errorf("the session was opened again: %v", err)
			}
			w.close()
			if len(w.journal.trips) != 1 || !strings.HasPrefix(w.journal.trips[0], "task-1: AWS_KEY in "+c.where) {
				t.Errorf("the journal says %q", w.journal.trips)
			}
			kept := fmt.Sprint(w.journal.audit, w.journal.trips, w.journal.lines(), w.ledger.exchanges, w.log)
			for _, spelling := range []string{decoy, decoy[2:20], strings.ReplaceAll(decoy, "F", "%46")} {
				if strings.Contains(kept, spelling) {
					t.Errorf("%q was kept: %s", spelling, kept)
				}
			}
		})
	}
}

// A canary in the name of a host, listed or not, and in the greeting of a tunnel.
func TestAConnectionWithACanaryEndsTheSession(t *testing.T) {
	t.Parallel()
	for _, target := range []string{decoyHost + ".evil.com:443", decoyHost + ".mirror.example.com:8443"} {
		var dialed []netip.AddrPort
		w := tunnels(t, &dialed)
		w.session.Secrets = append(w.session.Secrets, value(t, "HOST", decoyHost).AsCanary())
		if _, err := w.gateway.Open(t.Context(), w.session); err != nil {
			t.Fatal(err)
		}
		open, _ := w.connect("registry.example.com:443", "")
		defer open.Close() //nolint:errcheck // a test's
		conn, said := w.connect(target, "")
		_ = conn.Close()
		if !strings.Contains(said, "403") || len(dialed) != 1 {
			t.Errorf("%s: %s; dialed %v", target, said, dialed)
		}
		_ = open.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.Copy(io.Discard, open); err != nil {
			t.Errorf("%s: the other tunnel was not cut: %v", target, err)
		}
		w.close()
		if kept := fmt.Sprint(w.journal.audit, w.ledger.exchanges, w.log); len(w.journal.trips) != 1 || strings.Contains(kept, decoyHost) {
			t.Errorf("%s: %q, %s", target, w.journal.trips, kept)
		}
	}
}

const decoyHost = "akia2decoy7xyz"

// Where the journal cannot be written, the session stays shut, and opening it
// again writes it.
func TestACanaryIsTriedAgainToBeRecorded(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{})
	w := newWorld(t, Anthropic, m.URL(), withCanary(t))
	w.journal.broken = errors.New("no database")
	if got := w.do(http.MethodPost, "/v1/messages", ask(decoy), nil); got.status != http.StatusForbidden {
		t.Errorf("%d", got.status)
	}
	w.journal.mu.Lock()
	w.journal.broken = nil
	w.journal.mu.Unlock()
	for range 2 {
		w.gateway.Suspend(w.session.Task) // a freeze forgets no canary
		if _, err := w.gateway.Open(context.Background(), w.session); !errors.As(err, new(*TrippedError)) {
			t.Errorf("%v", err)
		}
	}
	if len(w.journal.trips) != 1 || len(m.Requests()) != 0 {
		t.Errorf("%q, %d requests", w.journal.trips, len(m.Requests()))
	}
}

// What a request that a freeze cuts had in it is not forgotten either.
func TestACanaryThatComesAfterTheCutIsTriedAgainToBeRecorded(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{})
	w := newWorld(t, Anthropic, m.URL(), withCanary(t))
	w.gateway.mu.Lock()
	cut := w.gateway.sessions[w.session.Task]
	w.gateway.mu.Unlock()
	w.gateway.Suspend(w.session.Task)
	w.journal.mu.Lock()
	w.journal.broken = errors.New("no database")
	w.journal.mu.Unlock()
	cut.trip(t.Context(), "AWS_KEY", "the body of the request")
	w.journal.mu.Lock()
	w.journal.broken = nil
	w.journal.mu.Unlock()
	if _, err := w.gateway.Open(t.Context(), w.session); !errors.As(err, new(*TrippedError)) || len(w.journal.trips) != 1 {
		t.Errorf("%v, %q", err, w.journal.trips)
	}
}
