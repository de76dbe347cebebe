package engine

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// rebased is a rebase of one file, in a place with one secret or canary.
type rebased struct {
	*lab
	content string
	value   secret.Value
}

func (r rebased) Redactor(context.Context, string) (*secret.Redactor, error) {
	return secret.NewRedactor(r.value), nil
}
func (r rebased) Tripwire(context.Context, string) (*secret.Tripwire, error) {
	return secret.NewTripwire(r.value), nil
}

// Rebase hands out what it makes as package gitops does.
func (r rebased) Rebase(_ context.Context, q gitops.RebaseRequest) (gitops.Result, error) {
	made := func(yield func(gitops.Change, error) bool) {
		yield(gitops.Change{Path: "config", Kind: gitops.Regular, Content: strings.NewReader(r.content)}, nil)
	}
	var changes gitops.Changes = made
	if q.Build.Watch != nil {
		changes = q.Build.Watch(changes)
	}
	for change, err := range changes {
		if err != nil {
			return gitops.Result{}, err
		}
		if _, err := io.Copy(io.Discard, change.Content); err != nil {
			return gitops.Result{}, err
		}
	}
	return gitops.Result{Tree: "rebased"}, nil
}
func (r rebased) InsertProposal(context.Context, task.Proposal) error { return nil }
func (r rebased) Export(context.Context, gitops.ResultRequest) ([]byte, error) {
	return []byte("pack"), nil
}
func (r rebased) InsertPack(context.Context, task.ID, int, []byte) error { return nil }
func (r rebased) InTx(_ context.Context, f func(Tx) error) error         { return f(r) }

// Threat 35: what became a secret since the change was made is not published again by a
// rebase, for which no container is collected.
func TestThreat35ARebaseIsLookedThroughForSecretsAndCanaries(t *testing.T) {
	t.Parallel()
	const password = "hunter2-hunter2"
	v, err := secret.NewValue("DB_PASSWORD", []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		content string
		value   secret.Value
		want    string // empty: it is proposed
		final   bool
	}{
		"neither":  {"x", v, "", false},
		"a secret": {"a = " + password, v, `secrets of this environment in "config"`, false},
		"a canary": {"a = " + password, v.AsCanary(), "DB_PASSWORD", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rebased{newLab(), tt.content, tt.value}
			r.e.Git, r.e.Secrets, r.e.Store = r, r, r
			r.w.t.Revision = 2
			p, err := r.e.rebaseOn(t.Context(), r.w, manifest.Environment{Name: "staging"}, task.Proposal{Task: r.w.t.ID, Revision: 1}, "tip")
			end := (*failure)(nil)
			switch {
			case tt.want == "" && (err != nil || p.Tree != "rebased"):
				t.Errorf("%+v, %v", p, err)
			case tt.want != "" && (!errors.As(err, &end) || end.to != task.Refused || end.final != tt.final || !strings.Contains(end.why, tt.want)):
				t.Errorf("%v", err)
			}
		})
	}
}
