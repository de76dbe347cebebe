package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/task"
)

// talk is a lab that takes comments. As the store does, it refuses a transaction in which
// a task moves and a judge is asked.
type talk struct {
	*lab
	at        *talkForge
	cursors   map[string]time.Time
	moved     bool
	cancelled int
	dies      bool // in the transaction that marks a comment as handled
}

// talkForge is the part of a forge that answers comments.
type talkForge struct {
	Forge
	replies []string
}

func (f *talkForge) React(context.Context, forge.RepositoryRef, string, forge.Reaction) error {
	return nil
}

func (f *talkForge) Traits(string) forge.Traits { return forge.Traits{} }
func (f *talkForge) UpsertComment(_ context.Context, _ forge.RepositoryRef, _ forge.Topic, _, body string) (forge.Comment, error) {
	f.replies = append(f.replies, body)
	return forge.Comment{}, nil
}

func newTalk(t *testing.T) *talk {
	t.Helper()
	set, err := manifest.Parse(map[string][]byte{"x.yaml": []byte(`apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  repositories: [{name: acme/shop, id: 1001}]
  agent: {preset: exec, command: [/bin/true]}
  checks: [{name: tests, command: [/bin/true]}]
  judges: [{name: strict, agent: {preset: exec, command: [/judge]}, prompt: Look.}]
`)})
	if err != nil {
		t.Fatal(err)
	}
	k := &talk{lab: newLab(), at: &talkForge{}, cursors: map[string]time.Time{}}
	k.e.Store, k.e.Forge, k.e.Gate, k.e.Admins = k, k.at, &approval.Gate{}, []forge.Subject{rob.Subject}
	k.e.Manifests = fixedManifests{set.WithImage("image")}
	for _, kind := range []task.ExaminationKind{task.Check, task.Judge} {
		name := map[task.ExaminationKind]string{task.Check: "tests", task.Judge: "strict"}[kind]
		k.all = append(k.all, task.Examination{ID: task.NewExaminationID(), Task: k.w.t.ID, Revision: 1, Digest: k.p.Digest,
			Kind: kind, Name: name, Attempt: 1, State: task.ExaminationFailed})
	}
	return k
}

func (k *talk) Cursor(_ context.Context, name string) (time.Time, error) { return k.cursors[name], nil }
func (k *talk) InsertCursor(_ context.Context, name string, at time.Time) (bool, error) {
	if k.dies {
		return false, errors.New("the server dies")
	}
	k.cursors[name] = at
	return true, nil
}
func (k *talk) LatestTask(context.Context, forge.RepositoryRef, forge.Topic) (task.Task, error) {
	return k.w.t, nil
}
func (k *talk) RequestCancel(context.Context, task.ID) error {
	k.moved = true
	k.cancelled++
	return nil
}
func (k *talk) InTx(_ context.Context, f func(Tx) error) error {
	k.moved = false
	audited := len(k.audited)
	if err := f(k); err != nil {
		return err
	}
	for _, e := range k.audited[audited:] {
		if k.moved && e.Action.Class() == audit.Advisory {
			return errors.New("advice in a transaction that moves a task")
		}
	}
	return nil
}
func (k *talk) says(t *testing.T, text string) error {
	return k.e.handleComment(t.Context(), forge.Event{
		Repository: forge.RepositoryRef{Host: forge.GitHub, ID: "1001", Owner: "acme", Name: "shop"},
		Issue:      &forge.Issue{Number: 7, IsPullRequest: true}, Comment: &forge.Comment{ID: "5", Author: rob, Body: text},
	})
}

func TestJudgesAreAskedBesideWhateverElseACommentWants(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	if err := k.says(t, "/coderflow judge\n/coderflow check\n/coderflow cancel"); err != nil {
		t.Fatal(err)
	}
	if k.states("strict") != "failed queued" || k.states("tests") != "failed queued" || k.cancelled != 1 {
		t.Errorf("strict %s, tests %s, cancelled %d times", k.states("strict"), k.states("tests"), k.cancelled)
	}
}

// What asks the judges comes before the mark that the comment was followed.
func TestACommentThatIsFollowedAgainAsksForNothingTwice(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	k.dies = true
	if err := k.says(t, "/coderflow judge"); err == nil {
		t.Fatal("it did not die")
	}
	k.dies = false
	k.all[2].State = task.ExaminationPassed // meanwhile
	if err := k.says(t, "/coderflow judge"); err != nil {
		t.Fatal(err)
	}
	if k.states("strict") != "failed passed" || len(k.at.replies) != 2 || k.at.replies[0] != k.at.replies[1] || !strings.Contains(k.at.replies[1], "Once more") {
		t.Errorf("%s; it says %q", k.states("strict"), k.at.replies)
	}
}
