package github_test

import (
	"errors"
	"fmt"
	"testing"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// Deployments are read with who made them, whoever that was.
func TestDeploymentsAreListedWithWhoMadeThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ctx := t.Context()
	commit := w.push("coderflow/t1", "x")
	for i := range 2 {
		if _, err := w.adapter.EnsureDeployment(ctx, w.ref, forge.Deployment{Commit: commit, Environment: "prod", Task: fmt.Sprintf("run-%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	theirs, _, err := w.as("anna").Repositories.CreateDeployment(ctx, "acme", "shop", &gh.DeploymentRequest{
		Ref: &commit, Environment: gh.String("prod"), RequiredContexts: &[]string{}, AutoMerge: gh.Bool(false), Payload: "free text",
	})
	if err != nil {
		t.Fatal(err)
	}
	list, complete, err := w.adapter.RecentDeployments(ctx, w.ref, 10)
	if err != nil || !complete || len(list) != 3 {
		t.Fatalf("%v %t %+v", err, complete, list)
	}
	self, err := w.adapter.Self(ctx, forge.GitHub)
	if err != nil {
		t.Fatal(err)
	}
	if first := list[0]; first.ID != fmt.Sprint(theirs.GetID()) || first.Task != "" || first.Creator.Login != "anna" || first.Creator.Subject == self.Subject {
		t.Errorf("%+v", first)
	}
	if own := list[1]; own.Task != "run-1" || own.Creator.Subject != self.Subject || own.CreatedAt.IsZero() || own.Commit != commit {
		t.Errorf("%+v", own)
	}
	if few, complete, err := w.adapter.RecentDeployments(ctx, w.ref, 2); err != nil || complete || len(few) != 2 {
		t.Errorf("%v %t %+v", err, complete, few)
	}
	if one, err := w.adapter.Deployment(ctx, w.ref, list[2].ID); err != nil || one.Task != "run-0" {
		t.Errorf("%+v %v", one, err)
	}
	if _, err := w.adapter.Deployment(ctx, w.ref, "999999"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
}
