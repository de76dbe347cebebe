package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/secret"
)

// pipes is a service that runs pipelines, in memory. It knows one pipeline.
type pipes struct {
	mu     sync.Mutex
	runs   []forge.PipelineRun
	asked  []forge.PipelineRequest
	cancel []string
	said   []string // what the run wrote, in pieces
	// lose answers Queue with an error after the run was made, drop before.
	lose, drop error
	refuse     error // of Queue; nothing is made
	blind      error // of Find and State
	commit     string
	finish     bool   // a run ends when it is cancelled
	onQueue    func() // called while a run is being asked for
}

func (p *pipes) Queue(ctx context.Context, r forge.PipelineRequest) (forge.PipelineRun, error) {
	if p.onQueue != nil {
		p.onQueue()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, r)
	if err := errors.Join(p.refuse, p.drop); err != nil {
		return forge.PipelineRun{}, err
	}
	id := fmt.Sprint(len(p.runs) + 1)
	run := forge.PipelineRun{Pipeline: r.Pipeline, ID: id, Name: "release-" + r.Key, URL: "https://pipes.example/" + id, Commit: r.Commit}
	if p.commit != "" {
		run.Commit = p.commit
	}
	p.runs = append(p.runs, run)
	return run, errors.Join(p.lose, ctx.Err())
}

func (p *pipes) Find(ctx context.Context, r forge.PipelineRequest) (forge.PipelineRun, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := errors.Join(p.blind, ctx.Err()); err != nil {
		return forge.PipelineRun{}, false, err
	}
	if r.Pipeline.Name != "release" {
		return forge.PipelineRun{}, false, forge.ErrNotFound
	}
	i := slices.IndexFunc(p.runs, func(run forge.PipelineRun) bool { return strings.HasSuffix(run.Name, r.Key) })
	if i < 0 {
		return forge.PipelineRun{}, false, nil
	}
	return p.runs[i], true, nil
}

func (p *pipes) State(_ context.Context, _ forge.PipelineRequest, id string) (forge.PipelineRun, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, run := range p.runs {
		if p.blind == nil && run.ID == id {
			return run, nil
		}
	}
	return forge.PipelineRun{}, errors.Join(p.blind, forge.ErrNotFound)
}

func (p *pipes) Cancel(_ context.Context, _ forge.PipelineRef, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel = append(p.cancel, id)
	for i := range p.runs {
		if p.runs[i].ID == id && !p.runs[i].Ended() {
			p.runs[i].Cancelling = true
			if p.finish {
				p.runs[i].Result = forge.PipelineCancelled
			}
		}
	}
	return nil
}

func (p *pipes) Output(_ context.Context, _ forge.PipelineRef, _, place string, most int) ([]byte, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from, text := 0, ""
	if place != "" {
		fmt.Sscan(place, &from)
	}
	for from < len(p.said) && len(text) < most {
		text += p.said[from]
		from++
	}
	if text == "" {
		return nil, place, nil
	}
	return []byte(text), fmt.Sprint(from), nil
}

// end has the newest run end.
func (p *pipes) end(result forge.PipelineResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs[len(p.runs)-1].Result = result
}

// pipeForge is what the gate reads of the forge.
type pipeForge struct {
	pipeHub
	w     *pipeWorld
	shown []forge.DeploymentState
}

func (f *pipeForge) PullRequest(context.Context, forge.RepositoryRef, int) (forge.PullRequest, error) {
	head := f.w.p.Carrier
	if f.w.task.State.HasLanded() {
		head = pipeLanded
	}
	return forge.PullRequest{Number: 7, Open: true, Head: forge.Tip{Commit: head}, Base: forge.Tip{Branch: "main"}}, nil
}

func (f *pipeForge) Review(context.Context, forge.RepositoryRef, int, string) (forge.Review, error) {
	return forge.Review{ID: "10", Author: pipeGrace, State: forge.ReviewApproved, Commit: f.w.p.Carrier}, nil
}

func (f *pipeForge) Reviews(ctx context.Context, ref forge.RepositoryRef, n int) ([]forge.Review, error) {
	r, err := f.Review(ctx, ref, n, "10")
	return []forge.Review{r}, err
}

func (f *pipeForge) HeadChanges(context.Context, forge.RepositoryRef, int) ([]forge.HeadChange, error) {
	return nil, nil
}

func (f *pipeForge) AccessOf(context.Context, forge.RepositoryRef, forge.User) (forge.Access, error) {
	return f.w.access, nil
}

func (f *pipeForge) BranchHead(context.Context, forge.RepositoryRef, string) (string, error) {
	return "", forge.ErrNotFound
}

func (f *pipeForge) Self(context.Context, string) (forge.User, error) {
	return forge.User{Kind: forge.Bot}, nil
}
func (f *pipeForge) GitURL(forge.RepositoryRef) string { return "https://forge.example/acme/shop" }
func (f *pipeForge) ReadToken(context.Context, forge.RepositoryRef) (forge.Token, error) {
	return forge.Token{}, nil
}

func (f *pipeForge) EnsureDeployment(_ context.Context, _ forge.RepositoryRef, d forge.Deployment) (forge.Deployment, error) {
	d.ID = "1"
	return d, nil
}

func (f *pipeForge) SetDeploymentState(_ context.Context, _ forge.RepositoryRef, _ string, s forge.DeploymentState, _, _ string) error {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	f.shown = append(f.shown, s)
	return nil
}

// pipeGits has branches whose heads are the commits that they hold.
type pipeGits struct {
	pipeGit
	w *pipeWorld
}

func (pipeGits) HoldsBase(context.Context, forge.RepositoryRef, string) (bool, error) {
	return true, nil
}
func (pipeGits) HoldsResult(context.Context, gitops.ResultRequest) (bool, error) { return true, nil }

func (g pipeGits) Commit(context.Context, approval.Grant) (string, error) { return pipeLanded, nil }

func (g pipeGits) Fetch(_ context.Context, _ gitops.Remote, branch string) (string, error) {
	if head, is := g.w.heads[branch]; is {
		return head, nil
	}
	return "", gitops.ErrNoBranch
}

func (g pipeGits) IsAncestor(_ context.Context, _ forge.RepositoryRef, commit, of string) (bool, error) {
	return commit == of, nil
}

type pipeBox struct{ pipeSandbox }

func (pipeBox) ForgetSecrets(string) error { return nil }

type pipeSecrets struct{ w *pipeWorld }

func (pipeSecrets) Open(context.Context, string, secret.Context) ([]secret.Value, error) {
	return nil, nil
}

func (pipeSecrets) Redactor(context.Context, string) (*secret.Redactor, error) {
	token, err := secret.NewValue("TOKEN", []byte("s3cr3t-token-value"))
	return secret.NewRedactor(token), err
}

func (s pipeSecrets) Tripwire(context.Context, string) (*secret.Tripwire, error) {
	return s.w.canary, nil
}
