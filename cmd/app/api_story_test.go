package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// waitingAgent writes a line and goes on until it is stopped.
const waitingAgent = `echo begun; sleep 300`

// reply is an answer of the API.
type reply struct {
	status int
	header http.Header
	body   string
}

// call asks the server's API with a token.
func (w *world) call(method, path, secret string) reply {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, "http://"+w.address+"/api/v1"+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if secret != "" {
		request.Header.Set("Authorization", "Bearer "+secret)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it is read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(body)}
}

// cli runs the binary and returns what it printed.
func (w *world) cli(args ...string) (out, errors string, err error) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), binary, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// token makes a token with the command line.
func (w *world) token(login string, more ...string) (secret, id string) {
	w.t.Helper()
	args := append([]string{"tokens", "create", "-c", w.in.config, "--for", w.subject(login), "--name", login, "-o", "json"}, more...)
	out, errors, err := w.cli(args...)
	if err != nil {
		w.t.Fatalf("make a token for %s: %v: %s", login, err, errors)
	}
	var made struct{ Token, ID string }
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		w.t.Fatal(err)
	}
	return made.Token, made.ID
}

// elsewhere puts a task into another environment, which is the operator's alone.
func (w *world) elsewhere() task.Task {
	w.t.Helper()
	t := w.taskLike("production")
	return storetest.TaskIn(w.t, w.db(), t, task.Done)
}

func (w *world) taskLike(environment string) task.Task {
	id := task.NewID()
	t := task.Task{ID: id, Environment: environment, TriggerKey: "comment:" + string(id), BaseBranch: "main", Issue: 999, Reported: task.Done}
	t.Repository.Host, t.Repository.ID, t.Repository.Owner, t.Repository.Name = "github", "999999", "acme", "secret"
	t.Snapshot.Title = "Only for production"
	return t
}

// The way of a token through the real binary: made by the operator, used over
// HTTP for what its owner may and nothing else, and worth nothing once revoked.
func TestThreat49TheAPIGivesATokenWhatItsOwnerMayAndNothingOfOtherEnvironments(t *testing.T) {
	t.Parallel()
	for name, extra := range map[string]func(t *testing.T) string{
		"sqlite":   func(*testing.T) string { return "" },
		"postgres": func(t *testing.T) string { return "database: " + storetest.PostgresOptions(t).DSN },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withExtra(extra(t)), withAgent(waitingAgent))
			mine, mineID := w.token(maria)
			stranger, _ := w.token(eve)
			issue := w.run(maria)
			running := w.taskOf(issue.Number, task.Running)
			other := w.elsewhere()

			w.seesOnlyItsOwn(mine, stranger, running, other)
			w.followsTheLog(mine, running)
			w.cancels(mine, stranger, running)
			w.endsWithRevocation(mine, mineID)
			w.neverLogs(mine, stranger)
		})
	}
}

func (w *world) seesOnlyItsOwn(mine, stranger string, running, other task.Task) {
	w.t.Helper()
	list := w.call(http.MethodGet, "/tasks", mine)
	if list.status != http.StatusOK || !strings.Contains(list.body, string(running.ID)) || strings.Contains(list.body, string(other.ID)) {
		w.t.Errorf("the list: %d %s", list.status, list.body)
	}
	if got := w.call(http.MethodGet, "/tasks/"+string(running.ID), mine); got.status != http.StatusOK {
		w.t.Errorf("the own task: %d %s", got.status, got.body)
	}
	for _, path := range []string{"", "/log", "/diff", "/models", "/deployments"} {
		hidden := w.call(http.MethodGet, "/tasks/"+string(other.ID)+path, mine)
		absent := w.call(http.MethodGet, "/tasks/aaaaaaaaaaaa"+path, mine)
		if hidden.status != http.StatusNotFound || !alike(hidden, absent) {
			w.t.Errorf("%s of another environment: %+v; of none: %+v", path, hidden, absent)
		}
		if got := w.call(http.MethodGet, "/tasks/"+string(running.ID)+path, stranger); got.status != http.StatusNotFound {
			w.t.Errorf("%s to a stranger: %d %s", path, got.status, got.body)
		}
	}
	if got := w.call(http.MethodPost, "/tasks/"+string(other.ID)+"/cancel", mine); got.status != http.StatusNotFound {
		w.t.Errorf("cancel in another environment: %d", got.status)
	}
	refused := w.call(http.MethodGet, "/tasks", stranger)
	if refused.status != http.StatusForbidden || !strings.Contains(refused.body, "tasks:view") || !strings.Contains(refused.body, "can bind a role") {
		w.t.Errorf("the list to a stranger: %d %s", refused.status, refused.body)
	}
}

// alike reports whether two answers differ in nothing but the request's id and the time.
func alike(a, b reply) bool {
	strip := func(r reply) string {
		id := r.header.Get("X-Request-Id")
		h := r.header.Clone()
		h.Del("X-Request-Id")
		h.Del("Date")
		return fmt.Sprint(r.status, h, strings.ReplaceAll(r.body, id, "ID"))
	}
	return strip(a) == strip(b)
}

func (w *world) followsTheLog(mine string, running task.Task) {
	w.t.Helper()
	path := "/tasks/" + string(running.ID) + "/log?follow=true"
	first := w.call(http.MethodGet, path, mine)
	if first.status != http.StatusOK || !strings.HasPrefix(first.body, "begun") || first.header.Get("X-Log-End") != "false" {
		w.t.Fatalf("the log: %+v", first)
	}
	started := time.Now()
	next := w.call(http.MethodGet, path+"&offset="+first.header.Get("X-Log-Next-Offset"), mine)
	if took := time.Since(started); next.status != http.StatusOK || took > 29*time.Second || took < 5*time.Second {
		w.t.Errorf("a long poll without news took %s: %+v", took, next)
	}
}

func (w *world) cancels(mine, stranger string, running task.Task) {
	w.t.Helper()
	path := "/tasks/" + string(running.ID) + "/cancel"
	if got := w.call(http.MethodPost, path, stranger); got.status != http.StatusNotFound {
		w.t.Errorf("a stranger cancels: %d %s", got.status, got.body)
	}
	for range 2 {
		if got := w.call(http.MethodPost, path, mine); got.status != http.StatusAccepted && got.status != http.StatusOK {
			w.t.Errorf("the requester cancels: %d %s", got.status, got.body)
		}
	}
	w.taskOf(running.Issue, task.Cancelled)
	if got := w.call(http.MethodPost, path, mine); got.status != http.StatusOK {
		w.t.Errorf("cancelled already: %d %s", got.status, got.body)
	}
	entries, err := w.db().AuditEntries(w.t.Context(), store.AuditFilter{Task: string(running.ID), Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	var asked []audit.Entry
	for _, e := range entries {
		if e.Action == audit.TaskCancelWanted {
			asked = append(asked, e)
		}
	}
	if len(asked) != 1 || asked[0].Actor != running.Requester.Subject.String() || !strings.Contains(string(asked[0].Detail), `"by": "API"`) &&
		!strings.Contains(string(asked[0].Detail), `"by":"API"`) {
		w.t.Errorf("audited: %+v", asked)
	}
}

func (w *world) endsWithRevocation(mine, id string) {
	w.t.Helper()
	if _, errors, err := w.cli("tokens", "revoke", "-c", w.in.config, id); err != nil {
		w.t.Fatalf("revoke: %v: %s", err, errors)
	}
	unknown := w.call(http.MethodGet, "/whoami", token.New().Reveal())
	for range 2 {
		got := w.call(http.MethodGet, "/whoami", mine)
		if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" {
			w.t.Errorf("revoked: %+v", got)
		}
		if got.body = strings.ReplaceAll(got.body, got.header.Get("X-Request-Id"), unknown.header.Get("X-Request-Id")); got.body != unknown.body {
			w.t.Errorf("revoked %s differs from unknown %s", got.body, unknown.body)
		}
	}
	count := map[audit.Action]int{}
	err := until(w.t.Context(), longEnough, "the refused use in the audit log", func(ctx context.Context) (bool, error) {
		clear(count)
		entries, err := w.db().AuditEntries(ctx, store.AuditFilter{Limit: 1000})
		for _, e := range entries {
			if strings.Contains(string(e.Detail), id) {
				count[e.Action]++
			}
		}
		return count[token.RefusedUse] > 0, err
	})
	if err != nil || count[token.Created] != 1 || count[token.Revoked] != 1 || count[token.RefusedUse] != 1 {
		w.t.Errorf("audited %v, %v", count, err)
	}
}

// neverLogs greps everything that server and forge logged.
func (w *world) neverLogs(secrets ...string) {
	w.t.Helper()
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if !strings.Contains(string(w.log.text), "API request") {
		w.t.Error("the log has no line of the API")
	}
	for _, secret := range secrets {
		if strings.Contains(string(w.log.text), secret[4:30]) {
			w.t.Error("the log has a token")
		}
	}
}

func TestWhoamiTellsWhatATokenReaches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret, id := w.token(tom, "--permission", "tasks:view", "--environment", "staging", "--expires", "12h")
	file := filepath.Join(w.dir, "token")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errors, err := w.cli("whoami", "--server", "http://"+w.address, "--token-file", file)
	if err != nil || !strings.Contains(out, id) || !strings.Contains(out, "environment/staging: tasks:view\n") || errors != "" {
		t.Errorf("%v: %s%s", err, out, errors)
	}
	if out, errors, err = w.cli("tokens", "list", "-c", w.in.config); err != nil || strings.Contains(out, secret) ||
		!strings.Contains(out, "tasks:view,staging") || strings.Contains(out, "never") {
		t.Errorf("%v: %s%s", err, out, errors)
	}
	for want, args := range map[string][]string{
		"in the clear":                   {"whoami", "--server", "http://192.0.2.1", "--token-file", file},
		"is not an API token":            {"whoami", "--server", "http://" + w.address, "--token-file", w.in.config},
		"there is no environment":        {"tokens", "create", "-c", w.in.config, "--for", "github:1", "--name", "x", "--environment", "nowhere"},
		"a token is at most":             {"tokens", "create", "-c", w.in.config, "--for", "github:1", "--name", "x", "--permission", "tasks:view"},
		"between a minute and 365 days":  {"tokens", "create", "-c", w.in.config, "--for", "github:1", "--name", "x", "--expires", "366d"},
		"approved at the forge":          {"tokens", "create", "-c", w.in.config, "--for", "github:1", "--name", "x", "--permission", "tasks:approve"},
		"want HOST:ID":                   {"tokens", "create", "-c", w.in.config, "--for", "tom", "--name", "x"},
		"that is a token, not its id":    {"tokens", "revoke", "-c", w.in.config, secret},
		"there is no token \"aaaaaaaaaa": {"tokens", "revoke", "-c", w.in.config, "aaaaaaaaaaaa"},
	} {
		out, errors, err := w.cli(args...)
		if err == nil || !strings.Contains(errors, want) || strings.Contains(out+errors, secret) {
			t.Errorf("%q: %v: %s%s", args, err, out, errors)
		}
	}
}
