// Package flow measures what a person waits for: from the comment to the draft pull request with an agent that writes
// one line, and from the approval to the pushed commit. Each is held against the sum of its bare parts, measured in
// turns with it: one container of the same settings, a fetch, a push, and as many calls of the forge's API.
package flow

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/bench/bound"
	"github.com/coderflow/coderflow/bench/world"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

const (
	mostOverParts = 1.5
	times         = 9
)

// turn is one task, with the floor beside it.
type turn struct {
	proposed, landed         time.Duration
	proposedCalls, landCalls []string
}

func BenchmarkFlow(b *testing.B) {
	w := world.New(b, world.Options{})
	p := newParts(b, w)
	one(b, w) // what is slow only once: the image's and the base's first use
	var proposed, landed, container, fetch, push, land, proposeCalls, landCalls bound.Times
	var calls, gate int
	for range times {
		t := one(b, w)
		proposed, landed = append(proposed, t.proposed), append(landed, t.landed)
		container = append(container, p.container())
		fetch = append(fetch, p.fetch())
		push, proposeCalls = append(push, p.push("")), append(proposeCalls, p.calls(t.proposedCalls))
		land, landCalls = append(land, p.push("again")), append(landCalls, p.calls(t.landCalls))
		calls, gate = len(gets(t.proposedCalls)), len(gets(t.landCalls))
	}
	bound.Tell(b, "flow: one container", "ms", container.Median(), 0)
	bound.Tell(b, "flow: git fetch", "ms", fetch.Median(), 0)
	bound.Tell(b, "flow: git commit-tree and push", "ms", push.Median(), 0)
	bound.Tell(b, fmt.Sprintf("flow: %d API calls until the pull request", calls), "ms", proposeCalls.Median(), 0)
	bound.Tell(b, fmt.Sprintf("flow: %d API calls until the push", gate), "ms", landCalls.Median(), 0)
	parts := container.Median() + fetch.Median() + push.Median() + proposeCalls.Median()
	bound.Tell(b, "flow: comment to draft pull request, beside two containers", "ms", proposed.Median(), parts+container.Median())
	bound.AtMost(b, "flow: comment to draft pull request", "ms", proposed.Median(), parts, mostOverParts)
	bound.AtMost(b, "flow: approval to pushed commit", "ms", landed.Median(), land.Median()+landCalls.Median(), mostOverParts)
}

// one takes a task from its comment to its landed commit.
func one(b *testing.B, w *world.World) (t turn) {
	b.Helper()
	ctx, maria, tom := b.Context(), w.As(world.Developer), w.As(world.Approver)
	title, body, run := "Add a line", "Please.", "/coderflow run"
	issue, _, err := maria.Issues.Create(ctx, world.Owner, world.Name, &gh.IssueRequest{Title: &title, Body: &body})
	if err != nil {
		b.Fatal(err)
	}
	w.Quiet()
	pulls := len(w.Forge.PullRequests(world.Repository))
	began := time.Now()
	if _, _, err := maria.Issues.CreateComment(ctx, world.Owner, world.Name, issue.GetNumber(), &gh.IssueComment{Body: &run}); err != nil {
		b.Fatal(err)
	}
	w.Until("the draft pull request is there", func() bool { return len(w.Forge.PullRequests(world.Repository)) > pulls })
	t.proposed, t.proposedCalls = time.Since(began), w.Calls.Take()
	w.Quiet()

	pull := newest(w.Forge.PullRequests(world.Repository))
	head, pushes, event := w.Head(pull.Number), len(w.Forge.Pushes(world.Repository)), "APPROVE"
	began = time.Now()
	if _, _, err := tom.PullRequests.CreateReview(ctx, world.Owner, world.Name, pull.Number, &gh.PullRequestReviewRequest{Event: &event, CommitID: &head}); err != nil {
		b.Fatal(err)
	}
	w.Until("the commit is pushed", func() bool { return len(w.Forge.Pushes(world.Repository)) > pushes })
	t.landed, t.landCalls = time.Since(began), w.Calls.Take()
	w.Quiet()
	if w.Head(pull.Number) == head {
		b.Fatal("the head of the pull request did not move")
	}
	return t
}

func newest(pulls []emulator.PullRequest) (last emulator.PullRequest) {
	for _, p := range pulls {
		if p.Number > last.Number {
			last = p
		}
	}
	return last
}

// opens is the call that opens a pull request.
const opens = "POST /api/v3/repos/" + world.Repository + "/pulls"

// gets are as many calls that only read as there were calls of the API: those that read as they are, and a small one
// for each that wrote, but for the one that opens the pull request. Git's own requests are none of them.
func gets(calls []string) []string {
	var paths []string
	for _, call := range calls {
		if call == opens {
			paths = append(paths, call)
			continue
		}
		if strings.Contains(call, ".git/") {
			continue
		}
		method, path, _ := strings.Cut(call, " ")
		if method != "GET" || strings.Contains(path, "installation") || !strings.HasPrefix(path, "/api/v3/repos/") {
			path = "/api/v3/repos/" + world.Repository
		}
		paths = append(paths, path)
	}
	return paths
}
