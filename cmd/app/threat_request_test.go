package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// delivery posts a webhook as the forge would, signed as told. Its id is in a header, or on
// Azure DevOps in the body.
func (w *world) delivery(id, event string, body []byte, sign func(http.Header)) int {
	w.t.Helper()
	if w.onAzure() {
		event := map[string]json.RawMessage{}
		if err := json.Unmarshal(body, &event); err != nil || event["id"] == nil {
			w.t.Errorf("a delivery without an id of its own: %v: %s", err, body)
			return 0
		}
		event["id"] = json.RawMessage(strconv.Quote(id))
		var err error
		if body, err = json.Marshal(event); err != nil {
			w.t.Error(err)
			return 0
		}
	}
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, webhookURL(w.hub.Info(), w.address), bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", event)
	request.Header.Set("X-GitHub-Delivery", id)
	sign(request.Header)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Error(err)
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func mac(algorithm func() hash.Hash, secret string, body []byte) string {
	m := hmac.New(algorithm, []byte(secret))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

func (w *world) signed(body []byte) func(http.Header) {
	return func(h http.Header) {
		if a := w.hub.Info().Azure; a != nil {
			h.Set("Authorization", basic(a.WebhookUser, a.WebhookPassword))
			return
		}
		h.Set("X-Hub-Signature-256", "sha256="+mac(sha256.New, w.hub.Info().WebhookSecret, body))
	}
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// forged are deliveries that do not prove who sent them.
func (w *world) forged(body []byte) map[string]func(http.Header) {
	secret := w.hub.Info().WebhookSecret
	if a := w.hub.Info().Azure; a != nil {
		proof := func(value string) func(http.Header) {
			return func(h http.Header) { h.Set("Authorization", value) }
		}
		return map[string]func(http.Header){
			"no password": func(http.Header) {}, "wrong password": proof(basic(a.WebhookUser, "guess")), "empty password": proof(basic(a.WebhookUser, "")),
			"somebody else": proof(basic("mallory", secret)), "its beginning": proof(basic(a.WebhookUser, secret[:len(secret)-1])),
			"not basic": proof("Bearer " + secret), "the API's token": proof(basic("", a.Token)),
			"two of them": func(h http.Header) {
				h.Add("Authorization", basic(a.WebhookUser, secret))
				h.Add("Authorization", basic(a.WebhookUser, "guess"))
			},
		}
	}
	return map[string]func(http.Header){
		"no signature": func(http.Header) {},
		"wrong secret": func(h http.Header) { h.Set("X-Hub-Signature-256", "sha256="+mac(sha256.New, "guess", body)) },
		"SHA-1 only":   func(h http.Header) { h.Set("X-Hub-Signature", "sha1="+mac(sha1.New, secret, body)) },
		"SHA-1 in place of SHA-256": func(h http.Header) {
			h.Set("X-Hub-Signature-256", "sha1="+mac(sha1.New, secret, body))
		},
		"another body": func(h http.Header) {
			h.Set("X-Hub-Signature-256", "sha256="+mac(sha256.New, secret, append(body, ' ')))
		},
		"empty secret": func(h http.Header) { h.Set("X-Hub-Signature-256", "sha256="+mac(sha256.New, "", body)) },
	}
}

// capture returns the body of the delivery of a comment, without the server
// having seen it.
func (w *world) capture(login string, topic forge.Topic, text string) []byte {
	w.t.Helper()
	w.hub.DropDeliveries(ofComment)
	defer w.hub.DropDeliveries(func(string) bool { return false })
	w.say(login, topic, text)
	if err := w.hub.Settle(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	deliveries := w.hub.Deliveries()
	for i := len(deliveries) - 1; i >= 0; i-- {
		if ofComment(deliveries[i].Event) {
			return deliveries[i].Payload
		}
	}
	w.t.Fatal("no delivery of the comment")
	return nil
}

func (w *world) tasks() []task.Task {
	w.t.Helper()
	tasks, err := w.db().Tasks(context.Background(), store.TaskFilter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	return tasks
}

func TestThreat01UnsignedDeliveriesAreRefusedAndNotStored(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at, withExtra("reconcile: {interval: 1h}"))
		w.lookedOnce() // it would find the comment, whoever delivers it
		issue := w.issue(maria)
		body := w.capture(maria, issue.Topic(), "/coderflow run")
		for name, sign := range w.forged(body) {
			if code := w.delivery("0d1f6a1c-0000-0000-0000-00000000000"+fmt.Sprint(len(name)%10), "issue_comment", body, sign); code != http.StatusUnauthorized {
				t.Errorf("%s: status %d, want 401", name, code)
			}
		}
		unhandled, err := w.db().UnhandledDeliveries(t.Context(), 0)
		if err != nil || len(unhandled) > 0 || len(w.tasks()) > 0 {
			t.Errorf("something was stored: %q %v %v", unhandled, w.tasks(), err)
		}
	})
}

func TestThreat01ServerRefusesToStartWithoutASecret(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		for name, spoil := range map[string]func(secretFile string) error{
			"empty":   func(f string) error { return os.WriteFile(f, nil, 0o600) },
			"missing": os.Remove,
		} {
			w := newStoppedWorld(t, at)
			if err := spoil(w.hub.Info().WebhookSecretFile); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(binary, "serve", "-c", w.in.config).CombinedOutput()
			setting := "github.webhookSecretFile"
			if w.onAzure() {
				setting = "azureDevOps.webhook.passwordFile"
			}
			if err == nil || !strings.Contains(string(out), setting) {
				t.Errorf("%s: %v: %s", name, err, out)
			}
		}
	})
}

func TestThreat02OneDeliveryAHundredTimesIsOneTask(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at, withExtra("reconcile: {interval: 1h}"))
		issue := w.issue(maria)
		body := w.capture(maria, issue.Topic(), "/coderflow run")
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if code := w.delivery("11111111-2222-3333-4444-555555555555", "issue_comment", body, w.signed(body)); code != http.StatusAccepted {
					t.Errorf("status %d", code)
				}
			})
		}
		all.Wait()
		// The same comment under another delivery id is still the same request (row 3).
		if code := w.delivery("66666666-2222-3333-4444-555555555555", "issue_comment", body, w.signed(body)); code != http.StatusAccepted {
			t.Errorf("status %d", code)
		}
		w.taskOf(issue.Number, task.Proposed)
		if n := len(w.tasks()); n != 1 {
			t.Errorf("%d tasks, want 1", n)
		}
		if n := len(w.hub.PullRequests(sampleRepo)); n != 1 {
			t.Errorf("%d pull requests, want 1", n)
		}
	})
}

// Bodies that are too large, compressed or of another type do not reach the decoder;
// what a sender or a proxy put into other headers is nowhere in the data directory.
func TestThreat04And05BodiesAreBoundedAndHeadersAreKeptByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ping := []byte(`{"zen":"Keep it logically awesome."}`)
	code := w.delivery("22222222-2222-3333-4444-555555555555", "ping", ping, func(h http.Header) {
		w.signed(ping)(h)
		for _, name := range []string{"Authorization", "Cookie", "X-Github-Token", "X-Forwarded-Access-Token"} {
			h.Set(name, "kept-by-mistake-4711")
		}
	})
	if code != http.StatusAccepted {
		t.Errorf("a delivery with secrets in its headers: status %d", code)
	}
	for _, name := range []string{"coderflow.db", "coderflow.db-wal"} {
		text, err := os.ReadFile(filepath.Join(w.dir, "data", name))
		if err != nil || bytes.Contains(text, []byte("kept-by-mistake-4711")) {
			t.Errorf("%s has the secret, or cannot be read: %v", name, err)
		}
	}
	large := bytes.Repeat([]byte("x"), 26<<20)
	if code := w.delivery("11111111-2222-3333-4444-555555555555", "issue_comment", large, w.signed(large)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("26 MiB: status %d, want 413", code)
	}
	small := []byte("{}")
	for header, value := range map[string]string{"Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"} {
		code := w.delivery("11111111-2222-3333-4444-555555555555", "issue_comment", small, func(h http.Header) {
			w.signed(small)(h)
			h.Set(header, value)
		})
		if code != http.StatusUnsupportedMediaType {
			t.Errorf("%s %s: status %d, want 415", header, value, code)
		}
	}
	deep := bytes.Repeat([]byte(`{"a":`), 1<<20)
	if code := w.delivery("11111111-2222-3333-4444-555555555555", "issue_comment", deep, w.signed(deep)); code != http.StatusBadRequest {
		t.Errorf("deep: status %d, want 400", code)
	}
}

// Requests that start nothing: by people without a role, by label or comment,
// and texts that only look like commands.
func TestThreat06And07OnlyPermittedRequestsStartATask(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at)
		issue := w.issue(eve)
		n := issue.Number
		w.say(eve, forge.IssueTopic(n), "/coderflow run")
		w.waitSaid(forge.IssueTopic(n), "has no role in environment")
		for _, text := range []string{
			"> /coderflow run", "```\n/coderflow run\n```", "`/coderflow run`", "<!--\n/coderflow run\n-->",
			"please type /coderflow run", "    /coderflow run", "<pre>\n/coderflow run\n</pre>",
		} {
			w.say(maria, forge.IssueTopic(n), text)
		}
		edited := w.say(maria, forge.IssueTopic(n), "nothing yet")
		if err := w.editComment(t.Context(), maria, edited, "/coderflow run"); err != nil {
			t.Fatal(err)
		}
		w.botSays(forge.IssueTopic(n), "/coderflow run")
		if err := w.addLabel(t.Context(), maria, n, "other"); err != nil {
			t.Fatal(err)
		}
		// A permitted request comes last; when it is done, the others were looked at.
		second := w.run(maria)
		w.taskOf(second.Number, task.Proposed)
		for _, found := range w.tasks() {
			if found.Issue == n {
				t.Errorf("a task was started: %s by %s from %s", found.ID, found.Requester.Login, found.TriggerURL)
			}
		}
		entries, err := w.db().AuditEntries(t.Context(), store.AuditFilter{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for _, e := range entries {
			if e.Action == audit.RequestRefused {
				refused++
			}
		}
		if refused != 1 {
			t.Errorf("%d refused requests in the audit log, want eve's", refused)
		}
		w.entriesSayEnough(audit.RequestRefused)
		w.nothingMentioned()
	})
}

func TestThreat06LabelByAStrangerAndByADeveloper(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at)
		if err := w.hub.AddCollaborator(sampleRepo, eve, "triage"); err != nil { // may label, has no role
			t.Fatal(err)
		}
		issue := w.issue(eve)
		if err := w.addLabel(t.Context(), eve, issue.Number, "coderflow"); err != nil {
			t.Fatal(err)
		}
		w.waitSaid(issue.Topic(), "has no role in environment")
		other := w.issue(maria)
		if err := w.addLabel(t.Context(), maria, other.Number, "coderflow:staging"); err != nil {
			t.Fatal(err)
		}
		found := w.taskOf(other.Number, task.Proposed)
		if found.Requester.Login != w.loginOf(maria) {
			t.Errorf("requested by %s", found.Requester.Login)
		}
		if n := len(w.tasks()); n != 1 {
			t.Errorf("%d tasks, want 1", n)
		}
	})
}

func TestThreat08CommandsThatNameWhatIsNotTheirs(t *testing.T) {
	onBoth(t, func(t *testing.T, at worldOption) {
		w := newWorld(t, at)
		issue := w.issue(maria)
		w.say(maria, issue.Topic(), "/coderflow run --env production")
		w.waitSaid(issue.Topic(), "production")
		second := w.issue(maria)
		w.say(maria, second.Topic(), "/coderflow run --base release")
		w.waitSaid(second.Topic(), "does not allow tasks based on the branch")
		if n := len(w.tasks()); n != 0 {
			t.Errorf("%d tasks, want none", n)
		}
	})
}

// What the agent gets is the request as it stood, although it is edited before
// the agent runs (row 11), and without what people cannot see in it (row 10).
func TestThreat10And11AgentGetsTheVisibleTextAsOfTheTrigger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAgent(`cp "$CODERFLOW_PROMPT_FILE" prompt.txt; `+quickAgent), withExtra("worker: {concurrency: 1}"))
	issue, err := w.openIssue(t.Context(), maria, "Total", "visible words<!-- hidden words -->\u200b\u202e\U000E0041")
	if err != nil {
		t.Fatal(err)
	}
	w.say(maria, issue.Topic(), "/coderflow run")
	created := w.taskOf(issue.Number, task.Queued, task.Preparing, task.Running, task.Collecting, task.Proposed)
	if err := w.editIssue(t.Context(), maria, issue.Number, "changed words"); err != nil {
		t.Fatal(err)
	}
	w.taskOf(issue.Number, task.Proposed)
	p, err := w.db().Proposal(t.Context(), created.ID)
	if err != nil {
		t.Fatal(err)
	}
	diff := string(p.Diff)
	for text, wanted := range map[string]bool{"visible words": true, "hidden words": false, "changed words": false, "\u202e": false, "\u200b": false, "\U000E0041": false} {
		if strings.Contains(diff, text) != wanted {
			t.Errorf("%q in the prompt: %v, want %v", text, !wanted, wanted)
		}
	}
	pr, err := w.pullRequest(t.Context(), w.taskOf(issue.Number, task.Proposed).PullRequest)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(pr.Body, "hidden text") {
		t.Error("the pull request does not say that hidden text was left out")
	}
}
