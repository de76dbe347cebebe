package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// ruleBook is the part of the world that keeps manifests and makes tokens, in
// memory.
type ruleBook struct {
	seq     int64
	set     *manifest.Set
	history []InForce // newest first
	refusal []ManifestChange
	logins  map[string]forge.User
	made    []TokenChange
	ended   []TokenChange
	before  func() // is called before something is put in force
}

const environmentText = `apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: NAME}
spec:
  description: only for NAME
  label: run-NAME
  repositories: [{host: github, id: 1, name: acme/x}]
  agent: {preset: exec, command: ["true"]}
`

func environmentYAML(name string) string { return strings.ReplaceAll(environmentText, "NAME", name) }

func teamYAML(name string, members ...string) string {
	return fmt.Sprintf("apiVersion: coderflow.dev/v1\nkind: Team\nmetadata: {name: %s}\nspec: {members: [%s]}\n", name, quotedList(members))
}

func roleYAML(name string, permissions ...string) string {
	return fmt.Sprintf("apiVersion: coderflow.dev/v1\nkind: Role\nmetadata: {name: %s}\nspec: {permissions: [%s]}\n", name, quotedList(permissions))
}

func bindingYAML(name, subject, role, resource string) string {
	return fmt.Sprintf("apiVersion: coderflow.dev/v1\nkind: RoleBinding\nmetadata: {name: %s}\nspec: {subject: %q, role: %s, resource: %q}\n",
		name, subject, role, resource)
}

func quotedList(texts []string) string {
	var list []string
	for _, text := range texts {
		list = append(list, fmt.Sprintf("%q", text))
	}
	return strings.Join(list, ", ")
}

// rule puts manifests in force: staging, production and what is given.
func (w *apiWorld) rule(texts ...string) {
	w.t.Helper()
	files := map[string][]byte{}
	for i, text := range append(texts, environmentYAML("staging"), environmentYAML("production")) {
		files[fmt.Sprintf("%03d.yaml", i)] = []byte(text)
	}
	set, err := manifest.Parse(files)
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(set, "local:test")
}

func (w *apiWorld) put(set *manifest.Set, by string) {
	w.seq++
	w.set, w.policy = set, set.Policy()
	w.history = append([]InForce{{Seq: w.seq, Version: set.Version, AppliedAt: w.now, AppliedBy: by}}, w.history...)
}

// newRuledWorld has manifests in force; the policy is theirs.
func newRuledWorld(t *testing.T, texts ...string) *apiWorld {
	t.Helper()
	w := newAPIWorld(t, Limits{Calls: Rate{Burst: 1 << 20, Every: 1}})
	w.seq, w.history = 0, nil
	w.rule(texts...)
	return w
}

// send asks with a body.
func (w *apiWorld) send(path, secret string, body any) *httptest.ResponseRecorder {
	w.t.Helper()
	text, is := body.(string)
	if !is {
		encoded, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		text = string(encoded)
	}
	return w.ask(http.MethodPost, path, secret, func(r *http.Request) {
		if text != "" {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
			r.Header.Set("Content-Type", "application/json")
		}
	})
}

// merge sends objects to be merged.
func (w *apiWorld) merge(secret string, texts ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.send("/manifests", secret, changeBody{Mode: modeMerge, Files: named(texts...)})
}

func named(texts ...string) map[string]string {
	files := map[string]string{}
	for i, text := range texts {
		files[fmt.Sprintf("%d.yaml", i)] = text
	}
	return files
}

func decoded[T any](t *testing.T, answer *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(answer.Body.Bytes(), &v); err != nil {
		t.Fatalf("%d %s: %v", answer.Code, answer.Body, err)
	}
	return v
}

func (w *apiWorld) InForce(context.Context) (InForce, error) {
	now := InForce{Set: w.set, Policy: w.policy}
	if len(w.history) > 0 {
		last := w.history[0]
		now.Seq, now.Version, now.AppliedAt, now.AppliedBy = last.Seq, last.Version, last.AppliedAt, last.AppliedBy
	}
	return now, w.fails
}

func (w *apiWorld) ManifestHistory(_ context.Context, before int64, limit int) ([]InForce, error) {
	var list []InForce
	for _, m := range w.history {
		if (before == 0 || m.Seq < before) && len(list) < limit {
			list = append(list, m)
		}
	}
	return list, nil
}

func (w *apiWorld) PutInForce(_ context.Context, c ManifestChange) error {
	if w.ruleBook.before != nil {
		w.ruleBook.before()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Was.Seq != w.seq {
		return fmt.Errorf("put in force: %w", task.ErrStale)
	}
	w.put(c.Set, c.By)
	return nil
}

func (w *apiWorld) NoteRefusedChange(_ context.Context, c ManifestChange) error {
	w.refusal = append(w.refusal, c)
	return nil
}

func (w *apiWorld) PolicyOf(set *manifest.Set) *policy.Policy { return set.Policy() }

func (w *apiWorld) TeamBySlug(context.Context, string, string, string) (forge.TeamRef, error) {
	return forge.TeamRef{}, errors.New("dial tcp 10.0.0.1: password hunter2")
}

func (w *apiWorld) CheckSet(set *manifest.Set, environment string) error {
	if strings.Contains(set.Environments[environment].Description, "unserved") {
		return fmt.Errorf("environment %s cannot be used here", environment)
	}
	return nil
}

func (w *apiWorld) UserByLogin(_ context.Context, _, login string) (forge.User, error) {
	if login == "down" {
		return forge.User{}, errors.New("dial tcp 10.0.0.1: password hunter2")
	}
	if user, known := w.logins[login]; known {
		return user, nil
	}
	return forge.User{}, forge.ErrNotFound
}

func (w *apiWorld) Token(_ context.Context, id string) (token.Token, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.tokens {
		if k.ID == id {
			return k, nil
		}
	}
	return token.Token{}, task.ErrNotFound
}

func (w *apiWorld) OwnedTokens(_ context.Context, of forge.Subject) ([]token.Token, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []token.Token
	for _, k := range w.tokens {
		if of.IsZero() || k.Owner == of {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b token.Token) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

func (w *apiWorld) MakeToken(_ context.Context, c TokenChange, hash token.Hash, most int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := c.Token.Check(); err != nil {
		return err
	}
	live := 0
	for _, k := range w.tokens {
		if k.Owner == c.Token.Owner && k.Ended(w.now) == "" {
			live++
		}
	}
	if live >= most {
		return ErrTooManyTokens
	}
	w.tokens[hash] = c.Token
	w.made = append(w.made, c)
	return nil
}

func (w *apiWorld) EndToken(ctx context.Context, c TokenChange) (token.Token, error) {
	w.mu.Lock()
	for hash, k := range w.tokens {
		if k.ID == c.Token.ID && k.RevokedAt.IsZero() {
			k.RevokedAt, k.RevokedBy = w.now, c.By.String()
			w.tokens[hash] = k
			w.ended = append(w.ended, c)
		}
	}
	w.mu.Unlock()
	return w.Token(ctx, c.Token.ID)
}
