package azuredevops_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

var _ deploy.Pipelines = (*azuredevops.Pipelines)(nil)

// pipeBench is a local organization with one pipeline, and what stands between it and
// the adapter.
type pipeBench struct {
	t     *testing.T
	forge *emulator.Forge
	p     *azuredevops.Pipelines
	id    int
	tip   string
	posts atomic.Int32
	// change edits answers on their way.
	change func(*http.Request, *http.Response) (*http.Response, error)
	now    time.Time
}

// RoundTrip implements http.RoundTripper.
func (b *pipeBench) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		b.posts.Add(1)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && b.change != nil {
		return b.change(r, res)
	}
	return res, err
}

// declared is what the pipelines here take.
var declared = emulator.PipelineOptions{Parameters: []string{forge.PipelineKey, "note", "dry"}}

func newPipeBench(t *testing.T, outcome emulator.PipelineOutcome) *pipeBench {
	t.Helper()
	f, err := emulator.New(emulator.Options{Kind: forge.AzureDevOps, Dir: t.TempDir(), Azure: emulator.AzureOptions{
		Pipeline: func(emulator.PipelineRun) emulator.PipelineOutcome { return outcome },
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	b := &pipeBench{t: t, forge: f, now: time.Now()}
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CreateUser("shop", emulator.UserOptions{Organization: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CreateRepository("shop", "widget", map[string]string{"README.md": "# Widget\n"}, emulator.RepositoryOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Install("shop/widget"); err != nil {
		t.Fatal(err)
	}
	if b.id, err = f.AddPipeline("shop/widget", "release", declared); err != nil {
		t.Fatal(err)
	}
	info := f.Info()
	a, err := azuredevops.New(azuredevops.Config{
		OrganizationURL: info.Azure.OrganizationURL, Credential: azuredevops.Credential{Token: forge.Secret(info.Azure.Token)},
		AllowHTTP: true, Transport: b, Sleep: func(*http.Request, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.p = a.Pipelines()
	refs, err := f.Refs("shop/widget")
	if err != nil {
		t.Fatal(err)
	}
	b.tip = refs["refs/heads/main"]
	return b
}

func (b *pipeBench) request(pipeline string) forge.PipelineRequest {
	return forge.PipelineRequest{
		Pipeline: forge.PipelineRef{Host: forge.AzureDevOps, Project: "shop", Name: pipeline}, Key: "0123456789abcdef",
		Repository: forge.OwnRepository, Ref: "refs/heads/main", Commit: b.tip, Since: b.now,
		Parameters: map[string]string{"note": "; reboot `id` ' \" && $HOME", "dry": "true"},
	}
}

func (b *pipeBench) queue(r forge.PipelineRequest) forge.PipelineRun {
	b.t.Helper()
	run, err := b.p.Queue(b.t.Context(), r)
	if err != nil {
		b.t.Fatal(err)
	}
	return run
}

// push makes a commit on a branch.
func (b *pipeBench) push(branch string) string {
	b.t.Helper()
	w, info := &world{T: b.t}, b.forge.Info()
	dir := filepath.Join(b.t.TempDir(), "clone")
	w.sh(b.t.TempDir(), info.Azure.Token, "clone", "-q", info.Azure.OrganizationURL+"/shop/_git/widget", dir)
	w.sh(dir, info.Azure.Token, "commit", "-q", "--allow-empty", "-m", "Change")
	w.sh(dir, info.Azure.Token, "push", "-q", "origin", "HEAD:refs/heads/"+branch)
	return w.sh(dir, info.Azure.Token, "rev-parse", "HEAD")
}

// edited answers with JSON that was changed.
func edited(res *http.Response, edit func(map[string]any)) (*http.Response, error) {
	var body map[string]any
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		return nil, err
	}
	edit(body)
	text, err := json.Marshal(body)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	res.Header.Del("Content-Length")
	return res, err
}

func TestARunOfAPipelineIsQueuedFollowedAndFound(t *testing.T) {
	t.Parallel()
	b := newPipeBench(t, emulator.PipelineOutcome{Running: true, Log: []string{"one", "two"}})
	r := b.request("Release")
	if _, found, err := b.p.Find(t.Context(), r); found || err != nil {
		t.Errorf("before: %t, %v", found, err)
	}
	run := b.queue(r)
	if run.ID != "1" || run.Commit != b.tip || !strings.HasSuffix(run.URL, "/shop/_build/results?buildId=1") || run.Ended() {
		t.Errorf("%+v", run)
	}
	asked := b.forge.PipelineRuns()[0]
	want := maps.Clone(r.Parameters)
	want[forge.PipelineKey] = r.Key
	if !maps.Equal(asked.Parameters, want) || asked.Ref != r.Ref || asked.Version != b.tip || len(asked.Variables) > 0 {
		t.Errorf("asked for %+v", asked)
	}
	if found, is, err := b.p.Find(t.Context(), r); err != nil || !is || found.ID != run.ID {
		t.Errorf("found %+v, %t, %v", found, is, err)
	}
	other := r
	other.Key = "fedcba9876543210"
	if _, is, err := b.p.Find(t.Context(), other); is || err != nil {
		t.Errorf("another key: %t, %v", is, err)
	}
	if text, next, err := b.p.Output(t.Context(), r.Pipeline, run.ID, "", 1000); len(text) > 0 || next != "" || err != nil {
		t.Errorf("while a step runs: %q, %q, %v", text, next, err)
	}
	if err := b.forge.FinishRun(1, "succeeded"); err != nil {
		t.Fatal(err)
	}
	now, err := b.p.State(t.Context(), r, run.ID)
	if err != nil || now.Result != forge.PipelineSucceeded || now.FinishedAt.IsZero() || now.Commit != b.tip {
		t.Errorf("%+v, %v", now, err)
	}
	text, next, err := b.p.Output(t.Context(), r.Pipeline, run.ID, "", 1000)
	if err != nil || !strings.HasPrefix(string(text), "== Job / release: succeeded") || !strings.HasSuffix(string(text), "\none\ntwo\n") {
		t.Errorf("%q, %v", text, err)
	}
	if more, again, err := b.p.Output(t.Context(), r.Pipeline, run.ID, next, 1000); len(more) > 0 || again != next || err != nil {
		t.Errorf("from %q: %q, %q, %v", next, more, again, err)
	}
	if err := b.p.Cancel(t.Context(), r.Pipeline, run.ID); err != nil {
		t.Errorf("cancelling what has ended: %v", err)
	}
}

func TestARunIsCancelled(t *testing.T) {
	t.Parallel()
	b := newPipeBench(t, emulator.PipelineOutcome{Running: true})
	r := b.request(strconv.Itoa(1))
	run := b.queue(r)
	if err := b.p.Cancel(t.Context(), r.Pipeline, run.ID); err != nil {
		t.Fatal(err)
	}
	if now, err := b.p.State(t.Context(), r, run.ID); err != nil || !now.Cancelling || now.Ended() || !now.FinishedAt.IsZero() {
		t.Errorf("being cancelled: %+v, %v", now, err)
	}
	if now, err := b.p.State(t.Context(), r, run.ID); err != nil || now.Cancelling || now.Result != forge.PipelineCancelled || now.FinishedAt.IsZero() {
		t.Errorf("cancelled: %+v, %v", now, err)
	}
	for _, id := range []string{"99", "x", "", "-1"} {
		if _, err := b.p.State(t.Context(), r, id); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("run %q: %v", id, err)
		}
		if err := b.p.Cancel(t.Context(), r.Pipeline, id); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("run %q: %v", id, err)
		}
	}
}

// A pipeline of one repository deploys the commits of another one that it declares.
func TestARunTakesTheCommitOfTheRepositoryThatIsAskedFor(t *testing.T) {
	t.Parallel()
	b := newPipeBench(t, emulator.PipelineOutcome{Running: true})
	if _, err := b.forge.CreateRepository("shop", "ops", map[string]string{"azure-pipelines.yml": "steps: []\n"}, emulator.RepositoryOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := b.forge.AddCollaborator("shop/ops", b.forge.Info().Azure.Account, "write"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.forge.AddPipeline("shop/ops", "ship", emulator.PipelineOptions{Parameters: declared.Parameters, Repositories: map[string]string{"app": "shop/widget"}}); err != nil {
		t.Fatal(err)
	}
	refs, err := b.forge.Refs("shop/ops")
	if err != nil {
		t.Fatal(err)
	}
	b.push("main") // so that the commit is not the tip
	r := b.request("ship")
	r.Repository = "app"
	run := b.queue(r)
	asked := b.forge.PipelineRuns()[0]
	if asked.Version != refs["refs/heads/main"] || asked.Others["app"] != (emulator.PipelineVersion{Ref: r.Ref, Commit: b.tip}) || run.Commit != b.tip {
		t.Errorf("asked for %+v, answered %+v", asked, run)
	}
	if now, err := b.p.State(t.Context(), r, run.ID); err != nil || now.Commit != b.tip {
		t.Errorf("%+v, %v", now, err)
	}
	if found, is, err := b.p.Find(t.Context(), r); err != nil || !is || found.Commit != b.tip {
		t.Errorf("found %+v, %t, %v", found, is, err)
	}
}

func TestWhatAzurePipelinesRefusesIsARefusal(t *testing.T) {
	t.Parallel()
	b := newPipeBench(t, emulator.PipelineOutcome{})
	refused, aside := (*forge.RefusedError)(nil), b.push("topic")
	for name, change := range map[string]func(*forge.PipelineRequest){
		"no such pipeline": func(r *forge.PipelineRequest) { r.Pipeline.Name = "relase" },
		"no such number":   func(r *forge.PipelineRequest) { r.Pipeline.Name = "77" },
		"no such project":  func(r *forge.PipelineRequest) { r.Pipeline.Project = "other" },
		"no project":       func(r *forge.PipelineRequest) { r.Pipeline.Project = "a/../b" },
	} {
		r := b.request("release")
		change(&r)
		if _, err := b.p.Queue(t.Context(), r); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := b.request("release")
	r.Ref = "refs/heads/gone"
	if _, err := b.p.Queue(t.Context(), r); !errors.As(err, &refused) || !strings.Contains(refused.Words, "refs/heads/gone") {
		t.Errorf("a ref that is gone: %v", err)
	}
	r = b.request("release")
	r.Parameters = map[string]string{"CoderflowDeployment": "x"}
	if _, err := b.p.Queue(t.Context(), r); !errors.As(err, &refused) {
		t.Errorf("CoderFlow's own parameter: %v", err)
	}
	for name, change := range map[string]func(*forge.PipelineRequest){
		"no such repository":      func(r *forge.PipelineRequest) { r.Repository = "app" },
		"no such parameter":       func(r *forge.PipelineRequest) { r.Parameters = map[string]string{"colour": "red"} },
		"a commit elsewhere":      func(r *forge.PipelineRequest) { r.Commit = strings.Repeat("1", 40) },
		"another branch's commit": func(r *forge.PipelineRequest) { r.Commit = aside },
	} {
		r := b.request("release")
		change(&r)
		if _, err := b.p.Queue(t.Context(), r); !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.forge.AddPipeline("shop/widget", "Release", declared); err != nil {
		t.Fatal(err)
	}
	if _, err := b.p.Queue(t.Context(), b.request("release")); !errors.As(err, &refused) || !strings.Contains(refused.Words, "2 pipelines have that name") {
		t.Errorf("two of a name: %v", err)
	}
	if n := len(b.forge.PipelineRuns()); n > 0 {
		t.Errorf("%d runs", n)
	}
}

// An answer that is lost, and one that says nothing of use, are no refusals; the request
// is not repeated, and the run is found.
func TestFault17AnAnswerOfAzurePipelinesThatIsLostIsNoRefusal(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*http.Response) (*http.Response, error){
		"broken off": func(*http.Response) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"502": func(res *http.Response) (*http.Response, error) {
			res.StatusCode = http.StatusBadGateway
			return res, nil
		},
		"408": func(res *http.Response) (*http.Response, error) {
			res.StatusCode = http.StatusRequestTimeout
			return res, nil
		},
		"no id": func(res *http.Response) (*http.Response, error) {
			return edited(res, func(body map[string]any) { delete(body, "id") })
		},
		"no JSON": func(res *http.Response) (*http.Response, error) {
			res.Body = io.NopCloser(strings.NewReader("<html>"))
			return res, nil
		},
	} {
		b := newPipeBench(t, emulator.PipelineOutcome{Running: true})
		b.change = func(r *http.Request, res *http.Response) (*http.Response, error) {
			if r.Method == http.MethodPost {
				return lose(res)
			}
			return res, nil
		}
		r := b.request("release")
		_, err := b.p.Queue(t.Context(), r)
		refused := (*forge.RefusedError)(nil)
		if err == nil || errors.As(err, &refused) || errors.Is(err, forge.ErrNotFound) || errors.Is(err, forge.ErrForbidden) {
			t.Errorf("%s: %v", name, err)
		}
		if run, is, err := b.p.Find(t.Context(), r); err != nil || !is || run.ID != "1" {
			t.Errorf("%s: found %+v, %t, %v", name, run, is, err)
		}
		if b.posts.Load() != 1 {
			t.Errorf("%s: asked %d times", name, b.posts.Load())
		}
	}
}

// Lists of runs leave their parameters out at times.
func TestARunIsFoundWhereListsTellNoParameters(t *testing.T) {
	t.Parallel()
	b := newPipeBench(t, emulator.PipelineOutcome{Running: true})
	hidden := func(path string) bool { return strings.HasSuffix(strings.ToLower(path), "/builds") }
	b.change = func(r *http.Request, res *http.Response) (*http.Response, error) {
		if r.Method != http.MethodGet || !hidden(r.URL.Path) {
			return res, nil
		}
		return edited(res, func(body map[string]any) {
			for _, one := range body["value"].([]any) {
				delete(one.(map[string]any), "templateParameters")
			}
		})
	}
	r := b.request("release")
	b.queue(r)
	if run, is, err := b.p.Find(t.Context(), r); err != nil || !is || run.ID != "1" {
		t.Errorf("found %+v, %t, %v", run, is, err)
	}
	// Where nothing tells them, a run of the same commit may be the one.
	plain := b.change
	b.change = func(r *http.Request, res *http.Response) (*http.Response, error) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/runs/") {
			return edited(res, func(body map[string]any) { delete(body, "templateParameters") })
		}
		return plain(r, res)
	}
	if _, is, err := b.p.Find(t.Context(), r); is || err == nil || !strings.Contains(err.Error(), "so it may be the one") {
		t.Errorf("found %t, %v", is, err)
	}
	r.Commit = strings.Repeat("1", 40)
	if _, is, err := b.p.Find(t.Context(), r); is || err != nil {
		t.Errorf("another commit's: %t, %v", is, err)
	}
}
