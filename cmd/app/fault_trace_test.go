package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// trace is what a day left behind, a line for each thing, without what differs from one
// day to the next: ids and times. Every line is there as often as the thing is.
func (w *world) trace() []string {
	w.t.Helper()
	t := &trace{w: w}
	t.tasks()
	t.forge()
	t.machine()
	return t.lines
}

type trace struct {
	w     *world
	lines []string
}

func (t *trace) add(format string, a ...any) {
	t.lines = append(t.lines, impersonal(fmt.Sprintf(format, a...)))
}

// What differs from one day to the next.
var (
	ids   = regexp.MustCompile(`\b(?:[0-9a-f]{10,64}|[a-z2-7]{12}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b`)
	times = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z| UTC)?|\b(?:[\d.]+ ?(?:µs|ms|s|m|h|seconds?|minutes?) ?)+`)
	other = regexp.MustCompile(`127\.0\.0\.1:\d+|\b\d+\b`)
)

func impersonal(s string) string {
	for _, rule := range []*regexp.Regexp{ids, times, other} {
		s = rule.ReplaceAllString(s, "#")
	}
	return s
}

func (t *trace) all() []task.Task {
	t.w.t.Helper()
	all, err := t.w.db().Tasks(t.w.t.Context(), store.TaskFilter{Limit: 1000})
	if err != nil {
		t.w.t.Fatal(err)
	}
	return all
}

// tasks are what the database has.
func (t *trace) tasks() {
	t.w.t.Helper()
	db := t.w.db()
	for _, one := range t.all() {
		title := one.Snapshot.Title
		t.add("task %q is %s, told as %s: %s", title, one.State, one.Reported, one.Failure)
		proposals, err := db.Proposals(t.w.t.Context(), one.ID)
		if err != nil {
			t.w.t.Fatal(err)
		}
		for _, p := range proposals {
			t.lines = append(t.lines, fmt.Sprintf("proposal %q revision %d of tree %s", title, p.Revision, p.Tree))
		}
		approvals, err := db.Approvals(t.w.t.Context(), one.ID)
		if err != nil {
			t.w.t.Fatal(err)
		}
		for _, a := range approvals {
			t.add("approval %q by %s to %q, no push: %t", title, a.Approver.Login, a.Target, a.NoPush)
		}
		t.output(title, "agent ", "task/"+string(one.ID))
		runs, err := db.DeployRuns(t.w.t.Context(), one.ID)
		if err != nil {
			t.w.t.Fatal(err)
		}
		for _, r := range runs {
			t.add("deployment %q %s %s of %s is %s with %d: %s", title, r.Trigger, r.Profile, r.Covers, r.State, r.ExitCode, r.Detail)
			t.output(title+"/"+r.Profile, "deployment ", "deploy/"+r.ID)
		}
	}
}

// output counts a line that no second start of a container prints again.
func (t *trace) output(title, word, stream string) {
	t.w.t.Helper()
	text, err := t.w.db().ReadLog(t.w.t.Context(), stream, 0, 1<<20)
	if err != nil {
		t.w.t.Fatal(err)
	}
	t.lines = append(t.lines, fmt.Sprintf("output of %q: %d starts, %d lines", title, strings.Count(string(text), word), strings.Count(string(text), "\n")))
}

// forge is what everybody sees.
func (t *trace) forge() {
	t.w.t.Helper()
	for _, issue := range t.w.hub.Issues(sampleRepo) {
		t.add("issue %q is %s with %q", issue.Title, issue.State, issue.Labels)
		t.comments(issue.Title, issue.Number)
	}
	for _, pr := range t.w.hub.PullRequests(sampleRepo) {
		t.add("pull request %q by %s is %s, draft %t, merged %t, reviews %d: %s", pr.Title, pr.Author, pr.State, pr.Draft, pr.Merged, len(pr.Reviews), pr.Body)
		t.comments(pr.Title, pr.Number)
	}
	seen := map[string]bool{}
	for _, push := range t.w.hub.Pushes(sampleRepo) {
		t.add("push to %s by %s: %s", push.Ref, push.Actor, push.Kind)
		if !strings.Contains(push.Actor, "[bot]") || strings.HasPrefix(push.Ref, "refs/heads/coderflow/") && !seen[push.Ref] { // not the carrier, whose path has the task's id
			seen[push.Ref] = true
			continue
		}
		t.lines = append(t.lines, "pushed tree "+t.w.git(t.w.hub.RepositoryDir(sampleRepo), "rev-parse", push.New+"^{tree}"))
	}
	for _, pr := range t.w.hub.PullRequests(sampleRepo) { // what the carrier's check said last depends on when it was asked
		for _, check := range t.w.hub.CheckRuns(sampleRepo, pr.HeadSHA) {
			t.add("check %s %s %s: %s", check.Name, check.Status, check.Conclusion, check.Title)
		}
	}
	for _, d := range t.w.hub.Deployments(sampleRepo) {
		t.add("forge's deployment to %s: %q", d.Environment, d.States)
	}
	t.add("notified: %d", len(t.w.hub.Notifications()))
}

func (t *trace) comments(title string, number int) {
	for _, c := range t.w.hub.Comments(sampleRepo, number) {
		t.add("comment on %q by %s, reactions %v: %s", title, c.Author, c.Reactions, c.Body)
	}
}

// machine is what is on the disk and on the engine.
func (t *trace) machine() {
	t.w.t.Helper()
	for _, purpose := range []string{"task", "deploy"} {
		t.lines = append(t.lines, fmt.Sprintf("containers for %s: %d", purpose, len(t.w.containers(purpose))))
	}
	t.lines = append(t.lines, fmt.Sprintf("quarantines: %d", len(t.w.quarantines())))
	mirrors, err := filepath.Glob(filepath.Join(t.w.dir, "data", "git", "mirrors", "*", "objects"))
	if err != nil {
		t.w.t.Fatal(err)
	}
	for _, objects := range mirrors {
		mirror, commits := filepath.Dir(objects), 0
		for line := range strings.Lines(t.w.git(mirror, "cat-file", "--batch-all-objects", "--batch-check")) {
			id, kind, _ := strings.Cut(line, " ")
			if strings.HasPrefix(kind, "commit") && strings.Contains(t.w.git(mirror, "cat-file", "commit", id), "author Tom") {
				commits++
			}
		}
		t.lines = append(t.lines, fmt.Sprintf("commits by the approver: %d", commits))
	}
}

// oftener are actions that stand in the log once for each try, as they should.
var oftener = []audit.Action{audit.DeliveryAccepted, audit.ContainerIntent}

// auditTrace is the log: who did what to what.
func (w *world) auditTrace() (lines []string) {
	w.t.Helper()
	titles := map[string]string{}
	for _, one := range (&trace{w: w}).all() {
		titles[string(one.ID)] = one.Snapshot.Title
	}
	entries, err := w.db().AuditEntries(w.t.Context(), store.AuditFilter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		var detail map[string]any
		if err := json.Unmarshal(e.Detail, &detail); err != nil {
			w.t.Fatal(err)
		}
		line := fmt.Sprintf("audit %q %s by %s", titles[e.Task], e.Action, e.Actor)
		for _, key := range []string{"from", "to", "kind", "profile", "state"} {
			if detail[key] != nil {
				line += fmt.Sprintf(" %s=%v", key, detail[key])
			}
		}
		line = impersonal(line)
		if slices.Contains(oftener, e.Action) && slices.Contains(lines, line) {
			continue
		}
		lines = append(lines, line)
	}
	return lines
}

// onlyCommit is the one commit by the approver among all objects of the server's mirror.
func (w *world) onlyCommit() string {
	w.t.Helper()
	mirrors, err := filepath.Glob(filepath.Join(w.dir, "data", "git", "mirrors", "*", "objects"))
	if err != nil {
		w.t.Fatal(err)
	}
	var found []string
	for _, objects := range mirrors {
		mirror := filepath.Dir(objects)
		for line := range strings.Lines(w.git(mirror, "cat-file", "--batch-all-objects", "--batch-check")) {
			id, kind, _ := strings.Cut(line, " ")
			if strings.HasPrefix(kind, "commit") && strings.Contains(w.git(mirror, "cat-file", "commit", id), w.mailOf(tom)) {
				found = append(found, id)
			}
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("the approver's commits are %q, want one", found)
	}
	return found[0]
}

func (w *world) quarantines() []string {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.dir, "data", "git", "quarantine"))
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
