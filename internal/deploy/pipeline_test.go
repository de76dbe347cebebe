package deploy_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
)

// pipes remembers what it was asked for.
type pipes struct {
	deploy.Pipelines
	asked []forge.PipelineRequest
}

func (p *pipes) Queue(_ context.Context, r forge.PipelineRequest) (forge.PipelineRun, error) {
	p.asked = append(p.asked, r)
	return forge.PipelineRun{ID: "1"}, nil
}

func piped() deploy.Profile {
	p := profile
	p.Script, p.Pipeline = "", &deploy.Pipeline{Host: forge.AzureDevOps, Project: "acme", Name: "release"}
	p.Parameters = []deploy.Parameter{{Name: "channel", Type: deploy.String}, {Name: "note", Type: deploy.String}}
	return p
}

func TestThreat52OnlyTheGrantedRunAsksItsPipeline(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	run := b.requested("pipeline-1")
	p := piped()
	run.ProfileVersion, run.Parameters = p.Digest(), map[string]string{"channel": "beta", "note": ""}
	run.Pipeline = deploy.PipelineRecord{Pipeline: *p.Pipeline, Ref: "refs/heads/main"}
	grant := b.grant(t, run)
	ps := &pipes{}
	x := &deploy.Executor{Pipelines: ps}
	if _, err := x.Queue(t.Context(), grant, run, p); err != nil || len(ps.asked) != 1 {
		t.Fatalf("%v: %+v", err, ps.asked)
	}
	got := ps.asked[0]
	if got.Key != run.ID || got.Commit != landed || got.Repository != "self" || got.Ref != "refs/heads/main" ||
		got.Pipeline != (forge.PipelineRef{Host: forge.AzureDevOps, Project: "acme", Name: "release"}) ||
		!maps.Equal(got.Parameters, map[string]string{"channel": "beta"}) { // the other one is left to the pipeline
		t.Errorf("asked for %+v", got)
	}
	for name, change := range map[string]func(*approval.Grant, *deploy.Run, *deploy.Profile){
		"no grant":            func(g *approval.Grant, _ *deploy.Run, _ *deploy.Profile) { *g = approval.Grant{} },
		"another run's grant": func(g *approval.Grant, _ *deploy.Run, _ *deploy.Profile) { *g = b.grant(t, b.armed()) },
		"another commit":      func(_ *approval.Grant, r *deploy.Run, _ *deploy.Profile) { r.Commit = strings.Repeat("1", 40) },
		"other parameters": func(_ *approval.Grant, r *deploy.Run, _ *deploy.Profile) {
			r.Parameters = map[string]string{"channel": "x"}
		},
		"another pipeline":     func(_ *approval.Grant, r *deploy.Run, _ *deploy.Profile) { r.Pipeline.Name = "other" },
		"a changed profile":    func(_ *approval.Grant, _ *deploy.Run, p *deploy.Profile) { p.Timeout++ },
		"a profile without it": func(_ *approval.Grant, _ *deploy.Run, p *deploy.Profile) { p.Pipeline = nil },
	} {
		g, r, q := grant, run, p
		change(&g, &r, &q)
		if _, err := x.Queue(t.Context(), g, r, q); !errors.Is(err, deploy.ErrNotGranted) && !errors.Is(err, approval.ErrNoGrant) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(ps.asked) != 1 {
		t.Errorf("asked %d times", len(ps.asked))
	}
	if err := (&deploy.Executor{}).Runs(p); !errors.Is(err, deploy.ErrNoPipelines) {
		t.Errorf("a server without pipelines: %v", err)
	}
	if err := errors.Join((&deploy.Executor{}).Runs(profile), x.Runs(p)); err != nil {
		t.Error(err)
	}
}

// A pipeline replaces expressions wherever a value ends up in it, and obeys commands
// that are printed: so a value is literal there, or refused.
func TestThreat52AValueIsLiteralInAPipelineOrRefused(t *testing.T) {
	t.Parallel()
	p := piped()
	for value, ok := range map[string]bool{
		"; reboot `id` ' \" | & ../.. ${HOME} $HOME %PATH% {{x}} $ ( #": true,
		"$(reboot)":                       false,
		"a $(System.AccessToken)":         false,
		"$[variables.secret]":             false,
		"${{ parameters.x }}":             false,
		"##vso[task.setvariable]x":        false,
		"##VSO[task.setvariable]x":        false,
		"##[section]":                     false,
		"two\nlines":                      false,
		"plain text, with (brackets) [1]": true,
	} {
		complete, err := p.Validate(map[string]string{"note": value})
		if (err == nil) != ok || ok && complete["note"] != value {
			t.Errorf("%q: %v", value, err)
		}
	}
	if _, err := profile.Validate(map[string]string{}); err != nil {
		t.Error(err)
	}
}
