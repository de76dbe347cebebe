package web

import (
	"bytes"
	"html/template"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/hostiletest"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/task"
)

// Whatever text stands in whatever place that these pages show, there is no element,
// attribute or address that is not ours, and no character that misleads.
func TestThreat39NoTextOnAPageIsMoreThanText(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	run := deploymentView{Parameters: map[string]string{"": ""}, Approvers: []approverView{{}, {}}, StartedAt: &now, FinishedAt: &now, CreatedAt: now}
	rights := []rightsView{{Permissions: []policy.Permission{""}}}
	reason := policy.No("", policy.Yes("", policy.No("")))
	texts := append(hostiletest.Texts(), hostiletest.Names()...)
	for name, make := range map[string]func() any{
		"signin": func() any { return &signInView{Providers: []signin.Provider{nil}[:0]} },
		"home":   func() any { return &selfView{Until: now, Rights: rights} },
		"deployments": func() any {
			return &runsPage{Runs: []deploymentView{run}, Environments: []string{""}, Profiles: []string{""}, States: []deploy.RunState{""}}
		},
		"deployment": func() any { return &runPage{deploymentView: run, Names: []string{"x"}} },
		"chain": func() any {
			return &chainPage{Chain: audit.Chain{Differences: []string{""}, Steps: []audit.Step{{Acts: []audit.Act{{At: now, Facts: []audit.Fact{{}}}}}, {}}, Hidden: 2}}
		},
		"audit": func() any {
			return &auditPage{Entries: []auditView{{At: now}}, Environments: []string{""}, Asked: map[string]string{"subject": "", "action": "", "task": "", "since": "", "cursor": ""}}
		},
		"environments": func() any {
			return &environmentsPage{Rows: []environmentRow{{Repositories: []string{""}, Agents: []string{""}, Rules: 1}}, InForce: InForce{Version: "v", AppliedAt: now}}
		},
		"environment": func() any {
			return &environmentPage{
				Environment: manifest.Environment{Repositories: []manifest.Repository{{}}, BaseBranches: []string{""}, Landing: manifest.Landing{Targets: []string{""}}},
				Viewing:     viewing{true, true, true, true, true}, Rights: []permissionRow{{Roles: []string{""}, Holders: []holderView{{By: []string{""}}}}},
				Gate: gateView{Rules: []ruleView{{}}}, Agents: []agentView{{Models: []string{""}}}, Judges: []judgeRow{{Models: []string{""}}}, Checks: []checkRow{{}},
				Sandbox: []fact{{}}, Bounds: []fact{{}}, Profiles: []profileRow{{Takes: []string{""}, Profile: deploy.Profile{Secrets: []string{""}}}},
				Standing: []string{""}, Secrets: []StoredSecret{{}}, Labels: []string{""}, Reachable: []string{""}, InForce: InForce{Version: "v", AppliedAt: now},
			}
		},
		"access": func() any {
			return &accessPage{
				Self: selfView{Rights: rights}, Tokens: []issuedView{{Permissions: []policy.Permission{""}, Environments: []string{""}, LastUsedAt: &now}},
				Roles: []roleView{{Permissions: []policy.Permission{""}}}, Permissions: []policy.PermissionInfo{{}}, Resources: []string{""},
				Answer: &accessAnswer{Decision: &policy.Decision{Reason: reason}, Holders: []holderView{{By: []string{""}}}},
			}
		},
		"system": func() any {
			return &systemPage{
				Parts: []finding{{}}, Freezes: []freezeView{{At: now}}, Plots: []console.Plot{{Bars: []console.Bar{{}}, Lines: []console.PlotLine{{}}, Marks: []console.PlotMark{{}}}},
				Days: []task.DayUsage{{}}, Environments: []string{""}, Jobs: []queue.Count{{}}, States: []stateCount{{}}, Held: Holdings{Size: 1, Things: []Holding{{}}}, Problems: []string{""},
			}
		},
		"diagnosis": func() any { return &Diagnosis{Findings: []Symptom{{}}} },
	} {
		for round := range rounds {
			view := make()
			at := corpus{texts: texts, next: round * len(texts) / rounds}
			at.poison(reflect.ValueOf(view).Elem())
			var out bytes.Buffer
			if err := console.Render(&out, name, console.Page{Title: at.text(), Section: name, Body: view}); err != nil {
				t.Fatal(err)
			}
			if problems := hostiletest.Page(out.String()); len(problems) > 0 {
				t.Fatalf("%s, round %d: %q", name, round, problems)
			}
		}
	}
}

// rounds is how often each page is shown, each time with other texts in its places.
const rounds = 12

// corpus gives one hostile text after another.
type corpus struct {
	texts []string
	next  int
}

func (c *corpus) text() string {
	c.next++
	return c.texts[c.next%len(c.texts)]
}

// poison puts a text into every place for one.
func (c *corpus) poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() && v.Type() != reflect.TypeFor[template.HTML]() {
			v.SetString(c.text())
		}
	case reflect.Pointer:
		if !v.IsNil() {
			c.poison(v.Elem())
		}
	case reflect.Struct:
		c.fields(v)
	case reflect.Slice:
		for i := range v.Len() {
			c.poison(v.Index(i))
		}
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.String {
			for _, key := range v.MapKeys() {
				v.SetMapIndex(key, reflect.ValueOf(c.text()).Convert(v.Type().Elem()))
			}
		}
	}
}

// inertAlready are words of ours, and addresses that the server makes.
var inertAlready = []string{"Older", "Newest", "Earlier", "Live", "Receipt", "Budget", "Value", "Says", "Requester", "Message", "YAML"}

func (c *corpus) fields(v reflect.Value) {
	if v.Type() == reflect.TypeFor[console.Plot]() {
		return // places and numbers
	}
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Name
		if slices.Contains(inertAlready, name) {
			continue
		}
		c.poison(field)
		// Addresses are the forge's; of those a page only refuses what acts.
		if strings.HasSuffix(name, "URL") && field.CanSet() && strings.HasPrefix(field.String(), "http") {
			field.SetString("javascript:alert(1)")
		}
	}
}
