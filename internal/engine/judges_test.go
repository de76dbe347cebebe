package engine

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// judgeWays remembers what was opened.
type judgeWays struct {
	Models
	opened []manifest.Environment
	closed int
}

func (w *judgeWays) OpenExamination(_ context.Context, x task.Examination, env manifest.Environment) (string, error) {
	w.opened = append(w.opened, env)
	return "/ways/" + x.ID, nil
}

func (w *judgeWays) CloseExamination(context.Context, string) error { w.closed++; return nil }

// noTrips is a store in which no canary appeared.
type noTrips struct{ Store }

func (noTrips) Trips(context.Context, task.ID) ([]secret.Trip, error) { return nil, nil }

func judging(t *testing.T) (judges, *judgeWays, examined) {
	t.Helper()
	set, err := manifest.Parse(map[string][]byte{"x.yaml": []byte(`apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  repositories: [{name: acme/shop, id: 1001}]
  agent: {preset: exec, command: [/bin/true], env: {OWN: "1"}}
  scripts: {setup: "curl evil"}
  model: {provider: p, names: [m], budget: {taskTokens: 7}}
  network: {hosts: [packages.example.com]}
  judges: [{name: strict, agent: {preset: exec, command: [/judge]}, prompt: Look at locks., timeout: 2m}]
`)})
	if err != nil {
		t.Fatal(err)
	}
	ways := &judgeWays{}
	o := examined{env: set.WithImage("img").Environments["staging"], t: task.Task{ID: "aaaaaaaaaaaa"}, p: task.Proposal{
		Task: "aaaaaaaaaaaa", Revision: 1, Manifest: []task.PathChange{{Path: "a.go", Kind: task.Added}},
	}}
	return judges{New(Options{Models: ways, Store: noTrips{}})}, ways, o
}

// A judge has nothing of what the task's agent has but, where it names none, the model.
func TestAJudgesContainerHasNothingButItsModel(t *testing.T) {
	t.Parallel()
	k, ways, o := judging(t)
	w := k.wanted(o.env)
	if len(w) != 1 || !w[0].base || w[0].model != "m" || w[0].limits.Wall.Minutes() != 2 {
		t.Fatalf("wanted %+v", w)
	}
	spec, err := k.spec(t.Context(), o, &task.Examination{ID: "bbbbbbbbbbbb", Name: "strict", Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	again, _ := k.spec(t.Context(), o, &task.Examination{ID: "bbbbbbbbbbbb", Name: "strict", Attempt: 1})
	if !reflect.DeepEqual(spec, again) {
		t.Error("the same examination has two specs: it would not be found again")
	}
	if len(spec.Secrets) > 0 || len(spec.Inputs.Setup) > 0 || spec.Env["OWN"] != "" || spec.Env["HTTPS_PROXY"] != "" || spec.SocketDir != "/ways/bbbbbbbbbbbb" {
		t.Errorf("spec %+v", spec)
	}
	if e := ways.opened[0]; len(e.Network.Hosts) > 0 || e.Model.Budget.TaskTokens != 7 {
		t.Errorf("opened %+v", e)
	}
	if !spec.Apart {
		t.Error("a judge begins in what it judges, and takes files there for its own instructions")
	}
	if !strings.Contains(string(spec.Inputs.Prompt), "Look at locks.") || strings.Contains(string(spec.Inputs.Prompt), "second and last try") {
		t.Errorf("prompt\n%s", spec.Inputs.Prompt)
	}
}

// An answer that is no verdict is asked for once more, with what was wrong, and then no more; a
// person who asks again begins anew.
func TestAnAnswerThatIsNoVerdictIsAskedForOnceMore(t *testing.T) {
	t.Parallel()
	k, ways, o := judging(t)
	ends := func(attempt int, reason sandbox.Reason, output string) (task.Examination, bool) {
		t.Helper()
		x := task.Examination{ID: "bbbbbbbbbbbb", Kind: task.Judge, Name: "strict", Revision: 1, Attempt: attempt, Agent: "exec"}
		again, err := k.ended(t.Context(), o, &x, examinationEnd{status: sandbox.Status{Reason: reason}, output: []byte(output)})
		if err != nil {
			t.Fatal(err)
		}
		o.all = append(o.all, x)
		return x, again
	}
	good := `{"summary":"s","recommendation":"reject","scores":{"correctness":{"score":1},"quality":{"score":1},"completeness":{"score":1},"performance":{"score":1},"security":{"score":1}},"findings":[]}`
	for i, row := range []struct {
		reason sandbox.Reason
		output string
		state  task.ExaminationState
		again  bool
	}{
		{sandbox.ReasonOK, "Ship it.", task.ExaminationBroken, true},
		{sandbox.ReasonOK, strings.Replace(good, "reject", "veto", 1), task.ExaminationBroken, false},
		{sandbox.ReasonAgentFailed, good, task.ExaminationBroken, true}, // somebody asked again
		{sandbox.ReasonOK, "noise\n" + good, task.ExaminationPassed, false},
		{sandbox.ReasonTimeout, good, task.ExaminationBroken, false},
	} {
		x, again := ends(i+1, row.reason, row.output)
		if x.State != row.state || again != row.again || (x.State == task.ExaminationBroken) != strings.HasPrefix(x.Summary, "no valid verdict") {
			t.Errorf("%d: %s, again %v: %s", i+1, x.State, again, x.Summary)
		}
		spec, err := k.spec(t.Context(), o, &task.Examination{ID: "c", Name: "strict", Kind: task.Judge, Revision: 1, Attempt: i + 2})
		if told := strings.Contains(string(spec.Inputs.Prompt), "second and last try"); err != nil || told != row.again {
			t.Errorf("%d: the next is told what was wrong: %v, %v", i+1, told, err)
		}
	}
	var v judge.Verdict
	if err := json.Unmarshal(o.all[3].Result, &v); err != nil || v.Recommendation != judge.Reject || ways.closed != 5 {
		t.Errorf("%+v %v, %d ways closed", v, err, ways.closed)
	}
}

// A canary that a judge sends to its model ends it, whatever it says.
func TestThreat25ACanaryEndsAJudge(t *testing.T) {
	t.Parallel()
	k, _, o := judging(t)
	k.e.Store = oneTrip{}
	x := task.Examination{ID: "bbbbbbbbbbbb", Kind: task.Judge, Name: "strict", Agent: "exec"}
	again, err := k.ended(t.Context(), o, &x, examinationEnd{status: sandbox.Status{Reason: sandbox.ReasonOK}})
	if err != nil || again || x.State != task.ExaminationBroken || x.Reason != "canary" {
		t.Errorf("%+v %v %v", x, again, err)
	}
}

type oneTrip struct{ Store }

func (oneTrip) Trips(context.Context, task.ID) ([]secret.Trip, error) {
	return []secret.Trip{{Deployment: "bbbbbbbbbbbb", Canary: "KEY", Place: secret.InRequest}}, nil
}

func TestAModelThatCannotBeUsedBreaksTheJudge(t *testing.T) {
	t.Parallel()
	if why := whyNotStarted(errors.Join(errors.New("x"), &UnusableError{Why: "no such provider"}), sandbox.Spec{}); !strings.Contains(why, "no such provider") {
		t.Errorf("%q", why)
	}
}

func TestFindingsStandOnTheLinesOfThePatch(t *testing.T) {
	t.Parallel()
	diff := []byte("diff --git a/a.go b/a.go\nindex 0..1 100644\n--- a/a.go\n+++ b/a.go\n@@ -5,2 +5,2 @@\n x\n-y\n+z\n")
	index := gitops.PatchLines(diff)
	for f, want := range map[judge.Finding]int{{Path: "a.go", Line: 6}: 8, {Path: "a.go", Line: 5}: 6, {Path: "a.go", Line: 99}: 1, {Path: "a.go"}: 1, {Path: "b.go", Line: 6}: 0} {
		if got, ok := placeOf(index, f); got != want || ok != (want > 0) {
			t.Errorf("%+v stands at %d", f, got)
		}
	}
	if got := addedLines(diff); !reflect.DeepEqual(got, map[string][]int{"a.go": {6}}) {
		t.Errorf("added %v", got)
	}
}
