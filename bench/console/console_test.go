// Package console measures how soon the pages of a large task are there: 20,000
// lines of diff in one file and a thousand small ones, and 50 MB of output.
package console

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/bench/bound"
	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
	"github.com/coderflow/coderflow/internal/web"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// limit is what the slowest page may take, from request to last byte.
const limit = time.Second

const id = task.ID("aaaaaaaaaaaa")

func BenchmarkLargeTask(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { measure(b, storetest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { measure(b, storetest.Postgres(b)) })
}

func measure(b *testing.B, s *store.Store) {
	fill(b, s)
	site := newSite(s)
	for _, page := range []struct{ name, path, says string }{
		{"overview", "", "event 0"},
		{"changes", "/changes", "a/large.go"},
		{"file", "/changes/1?revision=1", "compute"},
		{"end-of-file", "/changes/1?revision=1&from=19500", "compute"},
		{"output", "/output", "event 0"},
		{"middle-of-output", "/output?until=25000000", "event 0"},
	} {
		b.Run(page.name, func(b *testing.B) {
			var longest time.Duration
			size := 0
			for b.Loop() {
				began := time.Now()
				answer := site.get("/tasks/" + string(id) + page.path)
				if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), page.says) {
					b.Fatalf("%d %.2000s", answer.Code, answer.Body)
				}
				longest, size = max(longest, time.Since(began)), answer.Body.Len()
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "ms/longest")
			b.ReportMetric(float64(size)/1024, "KiB")
			bound.Below(b, "page of a large task, "+string(s.Dialect())+": "+page.name, "ms", float64((b.Elapsed()/time.Duration(b.N)).Microseconds())/1000, float64(limit.Milliseconds()))
		})
	}
}

// fill stores the task.
func fill(b *testing.B, s *store.Store) {
	ctx := b.Context()
	p := proposal()
	v := task.Task{ID: id, State: task.Queued, Environment: "staging", Repository: p.Repository, BaseBranch: "main", TriggerKey: "comment:1",
		Requester: forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "7"}}, Snapshot: task.Snapshot{Title: "A large change"}, PolicyVersion: "v"}
	err := s.InTx(ctx, func(tx *store.Tx) error {
		if _, err := tx.InsertTask(ctx, v); err != nil {
			return err
		}
		return tx.InsertProposal(ctx, p)
	})
	if err != nil {
		b.Fatal(err)
	}
	const size, piece = 50 << 20, 1 << 20
	line := `{"type":"assistant","message":{"content":[{"type":"text","text":"event %08d of many, with some words that an agent says"}]}}` + "\n"
	var text strings.Builder
	for i := 0; text.Len() < size; i++ {
		fmt.Fprintf(&text, line, i)
	}
	log := []byte(text.String())
	for at := 0; at < len(log); at += piece {
		if err := s.AppendLog(ctx, "task/"+string(id), int64(at), log[at:min(len(log), at+piece)]); err != nil {
			b.Fatal(err)
		}
	}
}

func proposal() task.Proposal {
	p := task.Proposal{Task: id, Revision: 1, Repository: forge.RepositoryRef{Host: forge.GitHub, ID: "1", Owner: "acme", Name: "x"}, BaseBranch: "main", Tree: "t"}
	var diff strings.Builder
	file := func(name string, lines int) {
		fmt.Fprintf(&diff, "diff --git a/%[1]s b/%[1]s\nnew file mode 100644\n--- /dev/null\n+++ b/%[1]s\n@@ -0,0 +1,%[2]d @@\n", name, lines)
		diff.WriteString(strings.Repeat("+\tvalue := compute(index, \"text\", 42) // and a comment\n", lines))
		p.Manifest = append(p.Manifest, task.PathChange{Path: name, Kind: task.Added, NewMode: "100644", Added: lines})
	}
	file("a/large.go", 20_000)
	for i := range 1000 {
		file(fmt.Sprintf("b/file%04d.go", i), 5)
	}
	for i := range 200 {
		p.Risks = append(p.Risks, task.Risk{Name: "network", Path: "a/large.go", Line: i*90 + 1, Why: "it connects"})
	}
	p.Diff = []byte(diff.String())
	p.Digest = p.ComputeDigest()
	return p
}

// site is a server with one person at it.
type site struct {
	handler http.Handler
	cookie  *http.Cookie
}

func (s site) get(path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.AddCookie(s.cookie)
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, r)
	return answer
}

func newSite(s *store.Store) site {
	value, owner := token.New(), forge.Subject{Host: forge.GitHub, ID: "7"}
	parts := book{s}
	handler := web.New(web.Options{
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		API: &web.API{
			Tokens: session{token.Token{ID: "s", Owner: owner, SignIn: true, ExpiresAt: time.Now().Add(time.Hour)}}, Policies: rules(owner),
			Tasks: parts, TaskBook: s, Records: parts, Deployments: parts, Chains: parts,
			Format: func(task.Task) activity.Format { return activity.Claude },
			Limits: web.Limits{Calls: web.Rate{Burst: 1 << 20, Every: time.Nanosecond}},
		},
		SignIn: &web.SignIn{Flows: nobody{}},
	})
	return site{handler, &http.Cookie{Name: "coderflow-session", Value: value.Reveal()}}
}

// book is the store in the pages' words.
type book struct{ *store.Store }

func (book) TaskPage(context.Context, web.TaskQuery) ([]task.Task, error) { return nil, nil }

func (book) CancelTask(context.Context, web.Cancellation) error { return nil }

func (book) AuditPage(context.Context, web.AuditQuery) ([]audit.Entry, int64, error) {
	return nil, 0, nil
}

func (book) RequestDeployment(context.Context, engine.DeployRequest) (deploy.Run, error) {
	return deploy.Run{}, nil
}

func (book) Chain(_ context.Context, id task.ID) (audit.Chain, error) {
	return audit.ChainOf(string(id), nil), nil
}

// session is the one token that there is.
type session struct{ of token.Token }

func (s session) TokenByHash(context.Context, token.Hash) (token.Token, error) { return s.of, nil }

func (session) TouchToken(context.Context, string, time.Time) error { return nil }

func (session) TokenRefused(context.Context, token.Token, time.Time) error { return nil }

// inForce are rules by which one person sees one environment.
type inForce struct{ rules *policy.Policy }

func rules(viewer forge.Subject) inForce {
	return inForce{(&policy.Policy{
		Version: "v", Environments: map[string]policy.Environment{"staging": {Name: "staging"}},
		Bindings: []policy.Binding{{Name: "b", Subject: viewer, Role: "viewer", Resource: "environment/staging"}},
	}).Compile()}
}

func (f inForce) Policy(context.Context) (*policy.Policy, error) { return f.rules, nil }

// nobody signs in.
type nobody struct{ web.SignIns }

func (nobody) Providers() []signin.Provider { return nil }
