package audit_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
)

// story is a task from the request to a deployment, by two reviewers, with a review
// that fell before.
func story() []audit.Entry {
	const maria, tom, zoe = "github:5", "github:6", "github:7"
	var list []audit.Entry
	add := func(actor string, action audit.Action, detail string) {
		at := time.Date(2026, 3, 1, 10, len(list), 0, 0, time.UTC)
		list = append(list, audit.Entry{
			Seq: int64(10 + len(list)), At: at, Actor: actor, Action: action, Task: "t", Environment: "staging", Detail: json.RawMessage(detail),
		})
	}
	both := `[{"id":"1","url":"r/1","author":{"subject":"github:6","login":"tom"}},{"id":"2","url":"r/2","author":{"subject":"github:7","login":"zoe"}}]`
	add(maria, audit.TaskCreated, `{"trigger":"comment:1","url":"i/1","repository":"github:9","issue":1,"decision":{"allowed":true}}`)
	add(audit.System, audit.ContainerStarted, `{"container":"c","image":"sha256:i","agent":"exec"}`)
	add(audit.System, audit.ContainerEnded, `{"container":"c","reason":"ok","exitCode":0}`)
	add(audit.System, audit.ProposalRecorded, `{"base":"b","tree":"tr","digest":"d","paths":1}`)
	add(audit.System, audit.ProposalPublished, `{"pullRequest":"p/1","carrier":"ca","digest":"d"}`)
	add(tom, audit.ApprovalRecorded, `{"approval":"a0","digest":"d","review":"r/0","reviews":[{"id":"0"}]}`)
	add(audit.System, audit.ApprovalVoid, `{"approval":"a0"}`)
	add(tom, audit.ApprovalCounted, `{"review":"r/1"}`)
	add(zoe, audit.ApprovalRecorded, `{"approval":"a1","digest":"d","review":"r/2","reviews":`+both+`}`)
	add(audit.System, audit.PushIntent, `{"approval":"a1","commit":"co","tree":"tr","parent":"b","ref":"refs/heads/coderflow/t","author":"github:7"}`)
	add(audit.System, audit.PushDone, `{"approval":"a1","commit":"co","ref":"refs/heads/coderflow/t","outcome":{"Commit":"co"}}`)
	add(audit.System, audit.TaskMoved, `{"from":"landing","to":"done"}`)
	add(audit.System, audit.DeployStarted, `{"deployment":"r","environment":"staging","profile":"p","approval":"a1","commit":"co","state":"running","requestedBy":"github:6"}`)
	add(audit.System, audit.DeployEnded, `{"deployment":"r","environment":"staging","profile":"p","approval":"a1","commit":"co","state":"failed","exitCode":3,"requestedBy":"github:6"}`)
	return list
}

func rows() audit.Rows {
	return audit.Rows{
		State: "done", Requester: "github:5", Image: "sha256:i", Digest: "d", Carrier: "ca", Approval: "a1", Commit: "co",
		Deployments: map[string]audit.RunRow{"r": {State: "failed", Commit: "co"}},
	}
}

func TestTheChainHasEachStepWithItsEntry(t *testing.T) {
	t.Parallel()
	c := audit.ChainOf("t", append(story(), audit.Entry{Seq: 99, Task: "other", Action: audit.PushDone, Detail: json.RawMessage(`{"commit":"x"}`)}))
	c.Compare(rows())
	c.Named(map[string]string{"github:5": "maria"})
	c.Linked("https://forge.test/acme/shop/commit/")
	if len(c.Differences) > 0 {
		t.Errorf("%q", c.Differences)
	}
	got := map[string][]int64{}
	var names []string
	for _, s := range c.Steps {
		names = append(names, s.Name)
		for _, a := range s.Acts {
			got[s.Name] = append(got[s.Name], a.Entry)
		}
	}
	want := map[string][]int64{
		"created": {10}, "generated": {11, 12, 13, 14}, "approved": {15, 17, 18, 18}, "committed": {19}, "pushed": {20}, "deployed": {23},
	}
	for _, name := range names {
		if !slices.Equal(got[name], want[name]) {
			t.Errorf("%s: entries %v, want %v", name, got[name], want[name])
		}
	}
	if !slices.Equal(names, audit.StepNames()) {
		t.Errorf("steps %v", names)
	}
	fell, tom, zoe := c.Acts("approved")[0], c.Acts("approved")[2], c.Acts("approved")[3]
	if !strings.Contains(fell.Ended, "entry 16") || tom.By != "github:6" || tom.URL != "r/1" || tom.Ended != "" || zoe.Login != "zoe" || zoe.Class != audit.Decision {
		t.Errorf("%+v\n%+v\n%+v", fell, tom, zoe)
	}
	if push := c.Acts("pushed")[0]; push.URL != "https://forge.test/acme/shop/commit/co" || push.Class != audit.Productive {
		t.Errorf("%+v", push)
	}
	if c.Acts("created")[0].Login != "maria" || c.Acts("deployed")[0].By != "github:6" {
		t.Errorf("%+v %+v", c.Acts("created"), c.Acts("deployed"))
	}
	c.Narrowed(func(environment string) bool { return environment != "staging" })
	if c.Hidden != 1 || len(c.Acts("deployed")) != 0 {
		t.Errorf("hidden %d: %v", c.Hidden, c.Acts("deployed"))
	}
}

func TestEachDifferenceBetweenLogAndRecordsIsTold(t *testing.T) {
	t.Parallel()
	without := func(action audit.Action) func([]audit.Entry, *audit.Rows) []audit.Entry {
		return func(list []audit.Entry, _ *audit.Rows) []audit.Entry {
			return slices.DeleteFunc(list, func(e audit.Entry) bool { return e.Action == action })
		}
	}
	row := func(change func(*audit.Rows)) func([]audit.Entry, *audit.Rows) []audit.Entry {
		return func(list []audit.Entry, r *audit.Rows) []audit.Entry { change(r); return list }
	}
	for name, c := range map[string]struct {
		change func([]audit.Entry, *audit.Rows) []audit.Entry
		want   string
	}{
		"no request":            {without(audit.TaskCreated), "no entry says who asked"},
		"no approval":           {without(audit.ApprovalRecorded), "pushed: entry 20 names approval a1, which no entry recorded"},
		"no intent":             {without(audit.PushIntent), "no entry says that it was made"},
		"another state":         {row(func(r *audit.Rows) { r.State = "proposed" }), "state: the log says done, the task's record says proposed"},
		"another requester":     {row(func(r *audit.Rows) { r.Requester = "github:6" }), "who asked"},
		"another image":         {row(func(r *audit.Rows) { r.Image = "sha256:j" }), "image"},
		"another digest":        {row(func(r *audit.Rows) { r.Digest = "e" }), "digest of the proposal"},
		"another carrier":       {row(func(r *audit.Rows) { r.Carrier = "cb" }), "commit with the patch"},
		"another approval":      {row(func(r *audit.Rows) { r.Approval = "a0" }), "approval: the log says a1"},
		"another commit":        {row(func(r *audit.Rows) { r.Commit = "cx" }), "commit: the log says co"},
		"deployment, state":     {row(func(r *audit.Rows) { r.Deployments["r"] = audit.RunRow{State: "succeeded", Commit: "co"} }), "its record says succeeded"},
		"deployment, commit":    {row(func(r *audit.Rows) { r.Deployments["r"] = audit.RunRow{State: "failed", Commit: "cx"} }), "its record says cx"},
		"deployment, no record": {row(func(r *audit.Rows) { r.Deployments = nil }), "there is no record"},
		"deployment, no entry":  {row(func(r *audit.Rows) { r.Deployments["s"] = audit.RunRow{State: "failed"} }), "the log has no entry"},
		"detail": {func(list []audit.Entry, _ *audit.Rows) []audit.Entry {
			list[0].Detail = json.RawMessage(`{"issue":"x"}`)
			return list
		}, "cannot be read"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			r := rows()
			chain := audit.ChainOf("t", c.change(story(), &r))
			chain.Compare(r)
			if !strings.Contains(strings.Join(chain.Differences, "\n"), c.want) {
				t.Errorf("want %q in %q", c.want, chain.Differences)
			}
		})
	}
}

// What is armed and waits is in the approval's entry alone; what was removed by age
// has no record.
func TestWhatWaitsOrWasRemovedByAgeIsNoDifference(t *testing.T) {
	t.Parallel()
	r := rows()
	r.Deployments["w"] = audit.RunRow{State: "armed", Waits: true}
	delete(r.Deployments, "r")
	removed := audit.Entry{Seq: 90, Task: "t", Action: audit.DeployRemoved, Detail: json.RawMessage(`{"deployment":"r"}`)}
	c := audit.ChainOf("t", append(story(), removed))
	c.Compare(r)
	if len(c.Differences) > 0 {
		t.Errorf("%q", c.Differences)
	}
}

// Advice has steps of its own, in a class of its own.
func TestJudgesAndChecksAreStepsOfTheirOwn(t *testing.T) {
	t.Parallel()
	c := audit.ChainOf("t", append(story(),
		audit.Entry{Seq: 90, Task: "t", Action: "judge.verdict", Detail: json.RawMessage(`{"commit":{"any":"form"}}`)},
		audit.Entry{Seq: 91, Task: "t", Action: "check.passed", Detail: json.RawMessage(`{}`)}))
	if j := c.Acts("judged"); len(j) != 1 || j[0].Entry != 90 || j[0].Class != audit.Advisory {
		t.Errorf("%+v", j)
	}
	if k := c.Acts("checked"); len(k) != 1 || k[0].Entry != 91 || k[0].Class == audit.Advisory {
		t.Errorf("%+v", k)
	}
	named := audit.ChainOf("t", append(story(), audit.Entry{
		Seq: 92, Task: "t", Action: audit.CheckEnded, Detail: json.RawMessage(`{"name":"tests","state":"passed","examination":"e","digest":"d"}`),
	}))
	if k := named.Acts("checked"); len(k) != 1 || k[0].What != "tests: passed" || len(k[0].Facts) != 2 {
		t.Errorf("%+v", k)
	}
}

// Every action that a package declares has a class.
func TestEveryActionHasAClass(t *testing.T) {
	t.Parallel()
	found := 0
	for _, file := range []string{"entry.go", "../token/token.go", "../gateway/types.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			value, is := n.(*ast.ValueSpec)
			if !is || len(value.Values) != 1 {
				return true
			}
			named, _ := value.Type.(*ast.Ident)
			foreign, _ := value.Type.(*ast.SelectorExpr)
			journal := strings.HasPrefix(value.Names[0].Name, "Audit") && value.Type == nil
			if !(named != nil && named.Name == "Action" || foreign != nil && foreign.Sel.Name == "Action" || journal) {
				return true
			}
			literal, is := value.Values[0].(*ast.BasicLit)
			if !is {
				return true
			}
			action, err := strconv.Unquote(literal.Value)
			found++
			if err != nil || audit.Action(action).Class() == "" {
				t.Errorf("%s: %s has no class: say what kind of work it is in class.go (%v)", file, literal.Value, err)
			}
			return true
		})
	}
	if found < 45 {
		t.Errorf("%d actions found", found)
	}
	if c := audit.Action("unheard.of").Class(); c != "" {
		t.Errorf("an unknown action has the class %q", c)
	}
}
