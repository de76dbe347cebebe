package web

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// apiWorld is an API over two environments with one task each, in memory.
type apiWorld struct {
	t       *testing.T
	mu      sync.Mutex
	now     time.Time
	policy  *policy.Policy
	tokens  map[token.Hash]token.Token
	secrets map[string]token.Value // by token id
	tasks   []task.Task            // newest first
	log     []byte
	stream  string // that was read last
	cancels []Cancellation
	refused []string // ids of tokens
	touched int
	fails   error // of every read of the rules
	stored  []StoredSecret
	asked   AuditQuery // last
	output  bytes.Buffer
	options Options
	handler http.Handler
	ruleBook
	runBook
	evidenceBook evidenceBook
	book         taskBook
}

var (
	owner     = forge.Subject{Host: forge.GitHub, ID: "7"}
	requester = forge.Subject{Host: forge.GitHub, ID: "8"}
)

const (
	here  = task.ID("aaaaaaaaaaaa") // in staging
	there = task.ID("bbbbbbbbbbbb") // in production
	none  = task.ID("cccccccccccc")
)

func newAPIWorld(t *testing.T, limits Limits, bindings ...policy.Binding) *apiWorld {
	t.Helper()
	w := &apiWorld{
		t: t, now: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), tokens: map[token.Hash]token.Token{}, secrets: map[string]token.Value{},
		log: []byte("first\nsecond\n"),
	}
	for id, environment := range map[task.ID]string{here: "staging", there: "production"} {
		w.tasks = append(w.tasks, task.Task{
			ID: id, State: task.Running, Environment: environment, BaseBranch: "main", Requester: forge.User{Subject: requester},
			Repository: forge.RepositoryRef{Host: forge.GitHub, ID: "1", Owner: "acme", Name: "x"}, CreatedAt: w.now, UpdatedAt: w.now,
		})
	}
	w.runBook = newRunBook(w.now)
	texts := []string{teamYAML("x")}
	for _, b := range bindings {
		texts = append(texts, bindingYAML(b.Name, b.Subject.String(), b.Role, b.Resource))
	}
	w.rule(texts...)
	slices.SortFunc(w.tasks, func(a, b task.Task) int { return strings.Compare(string(a.ID), string(b.ID)) })
	w.options = Options{
		Inbox: &inbox{}, GitHub: hook{}, Metrics: http.NotFoundHandler(),
		API: &API{
			Tokens: w, Policies: w, Tasks: w, TaskBook: w, Comparisons: w, Records: w, Limits: limits, Manifests: w, Site: w, TokenDesk: w, SecretDesk: w, Deployments: w, Receipts: receiptDesk{w}, Chains: w, Evidence: &w.evidenceBook,
			Freezes: &freezeBook{}, Nodes: nodeBook{},
			Format: func(task.Task) activity.Format { return activity.Text },
		},
		Logger: slog.New(slog.NewTextHandler(&lockedWriter{w: &w.output, mu: &w.mu}, nil)), Now: w.clock,
	}
	w.handler = New(w.options)
	return w
}

// audit serves a signed log, too.
func (w *apiWorld) audit(log AuditLog) {
	w.options.Audit = log
	w.handler = New(w.options)
}

type lockedWriter struct {
	w  io.Writer
	mu *sync.Mutex
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (w *apiWorld) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// token makes a token of the owner and returns its text.
func (w *apiWorld) token(id string, of forge.Subject, scope token.Scope) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := token.New()
	w.tokens[v.Hash()] = token.Token{ID: id, Name: id, Owner: of, Scope: scope, CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)}
	w.secrets[id] = v
	return v.Reveal()
}

// change alters a token.
func (w *apiWorld) change(id string, f func(*token.Token)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := w.tokens[w.secrets[id].Hash()]
	f(&k)
	w.tokens[w.secrets[id].Hash()] = k
}

func (w *apiWorld) bound(role, resource string) policy.Binding {
	return policy.Binding{Name: "b", Subject: owner, Role: role, Resource: resource}
}

// ask sends a request, through the description.
func (w *apiWorld) ask(method, path, secret string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, "/api/v1"+path, nil)
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	for _, f := range edit {
		f(r)
	}
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	describe(w.t, r, answer)
	return answer
}

func (w *apiWorld) Policy(context.Context) (*policy.Policy, error) { return w.policy, w.fails }

func (w *apiWorld) TokenByHash(_ context.Context, h token.Hash) (token.Token, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k, known := w.tokens[h]; known {
		return k, nil
	}
	return token.Token{}, task.ErrNotFound
}

func (w *apiWorld) TouchToken(_ context.Context, id string, when time.Time) error {
	w.change(id, func(k *token.Token) { k.LastUsedAt = when })
	w.touched++
	return nil
}

func (w *apiWorld) TokenRefused(_ context.Context, k token.Token, when time.Time) error {
	w.change(k.ID, func(k *token.Token) { k.RefusedAt = when })
	w.refused = append(w.refused, k.ID)
	return nil
}

func (w *apiWorld) Task(_ context.Context, id task.ID) (task.Task, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.tasks {
		if t.ID == id {
			return t, nil
		}
	}
	return task.Task{}, task.ErrNotFound
}

func (w *apiWorld) TaskPage(_ context.Context, q TaskQuery) ([]task.Task, error) {
	var list []task.Task
	for _, t := range w.tasks {
		if slices.Contains(q.Environments, t.Environment) && string(t.ID) > string(q.Before) && len(list) < q.Limit &&
			(q.States == nil || slices.Contains(q.States, t.State)) && (q.Repository.ID == "" || q.Repository.ID == t.Repository.ID) {
			list = append(list, t)
		}
	}
	return list, nil
}

func (w *apiWorld) CancelTask(_ context.Context, c Cancellation) error {
	w.cancels = append(w.cancels, c)
	for i := range w.tasks {
		if w.tasks[i].ID == c.Task.ID {
			w.tasks[i].CancelRequested = true
		}
	}
	return nil
}

func (w *apiWorld) Proposal(_ context.Context, id task.ID) (task.Proposal, error) {
	if n := len(w.book.proposals); n > 0 {
		return w.book.proposals[n-1], nil
	}
	p := task.Proposal{Task: id, Revision: 1, Tree: "t", Diff: []byte("diff --git a/x b/x\n+\x1b[31m\n")}
	p.Digest = p.ComputeDigest()
	return p, nil
}

func (w *apiWorld) ReadLog(_ context.Context, stream string, from int64, limit int) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stream = stream
	if from >= int64(len(w.log)) {
		return nil, nil
	}
	return slices.Clone(w.log[from:min(int64(len(w.log)), from+int64(limit))]), nil
}

func (w *apiWorld) ModelUsage(context.Context, task.ID) (task.Usage, error) {
	return task.Usage{Requests: 2, Refused: 1, Cost: 5}, nil
}

func (w *apiWorld) ModelRefusals(context.Context, task.ID) ([]task.Refusal, error) {
	return []task.Refusal{{What: "CONNECT example.com:443", Why: "not listed", Count: 1}}, nil
}

func (w *apiWorld) HostUses(context.Context, task.ID) ([]task.HostUse, error) {
	return []task.HostUse{{Host: "example.org:443", Connections: 1, Bytes: 10}}, nil
}

// The log: one entry in each environment and one of the server's own.
func (w *apiWorld) entries() []audit.Entry {
	return []audit.Entry{
		{Seq: 1, At: w.now, Actor: "x", Action: "y.z", Task: string(here), Environment: "staging", Detail: []byte(`{"a":1}`)},
		{Seq: 2, At: w.now, Actor: "x", Action: "y.z", Task: string(there), Environment: "production", Detail: []byte(`{"a":"<b>"}`)},
		{Seq: 3, At: w.now, Actor: "=x", Action: "y.z", Detail: []byte(`null`)},
	}
}

func (w *apiWorld) AuditPage(_ context.Context, q AuditQuery) (page []audit.Entry, next int64, err error) {
	w.asked = q
	for _, e := range w.entries() {
		if e.Seq > q.After && (q.Environments == nil || slices.Contains(q.Environments, e.Environment)) && (q.Environment == "" || q.Environment == e.Environment) {
			page = append(page, e)
		}
	}
	if len(page) > q.Limit {
		page, next = page[:q.Limit], page[q.Limit-1].Seq
	}
	return page, next, nil
}

func (w *apiWorld) AuditEntry(_ context.Context, number int64) (audit.Entry, error) {
	if all := w.entries(); number <= int64(len(all)) {
		return all[number-1], nil
	}
	return audit.Entry{}, task.ErrNotFound
}
