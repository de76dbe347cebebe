package web

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// SystemDesk tells how the server is, to whoever looks after it.
type SystemDesk interface {
	// Diagnose looks at everything that the server needs. It takes seconds; what was
	// found less than a minute ago is given again.
	Diagnose(ctx context.Context) (Diagnosis, error)
	// Jobs counts jobs by queue and state.
	Jobs(ctx context.Context) ([]queue.Count, error)
	// Held are the containers and volumes of this node.
	Held(ctx context.Context) (Holdings, error)
	// TasksByState counts the tasks of all environments.
	TasksByState(ctx context.Context, environments []string) (map[task.State]int, error)
	// UsageByDay is what was asked for and spent on the days since one; empty: everywhere.
	UsageByDay(ctx context.Context, environment string, since time.Time) ([]task.DayUsage, error)
}

// Diagnosis is what an examination found.
type Diagnosis struct {
	At       time.Time
	Findings []Symptom
}

// Symptom is one finding. One that is not "ok" has a Why and a Fix.
type Symptom struct{ Check, Level, Said, Why, Fix string }

// Holdings are what a node keeps for tasks.
type Holdings struct {
	Node       string
	Free, Size int64 // bytes of the data directory's disk
	Things     []Holding
}

// Holding is a container, a workspace or a cached base.
type Holding struct {
	Kind, Name, State, Task, Environment string
	Kept                                 string    // why it is kept
	KeptUntil                            time.Time // zero: nobody knows yet
	Bytes                                int64
	CreatedAt                            time.Time
}

// systemRoutes are the pages for whoever looks after the server.
func (s *server) systemRoutes() []route {
	return []route{
		{http.MethodGet, "/system", session, asPage(s.withSession(showSystem), s)},
		{http.MethodGet, "/system/diagnosis", session, asPage(s.withSession(showDiagnosis), s)},
	}
}

// systemPage is how the server is.
type systemPage struct {
	Parts        []finding
	Freezes      []freezeView
	Plots        []console.Plot
	Days         []task.DayUsage // newest first, those on which there was something
	Sum          task.DayUsage
	Span         int
	Environments []string
	Environment  string
	Jobs         []queue.Count
	States       []stateCount
	Nodes        []nodeView
	Held         Holdings
	Problems     []string // parts that could not be read
}

type stateCount struct {
	State task.State
	Count int
}

// daysOnPage is how many days the plots have.
const daysOnPage = 30

func (c *call) looksAfterServer() error {
	if reason := c.holds(policy.ServerManage, policy.Server); !reason.OK {
		return c.refused(policy.ServerManage, policy.Server, reason)
	}
	return nil
}

// showSystem shows what can be learnt: a part that cannot is named, and its error
// is in the server's log.
func showSystem(c *call) error {
	if err := c.looksAfterServer(); err != nil {
		return err
	}
	ctx, desk := c.Request().Context(), c.s.API.System
	view := systemPage{Parts: c.s.probe(ctx), Span: daysOnPage, Environments: c.where(policy.EnvironmentsView)}
	part := func(name string, err error) {
		if err != nil {
			c.s.Logger.WarnContext(ctx, "a part of the system page was not read", "part", name, "error", err)
			view.Problems = append(view.Problems, name)
		}
	}
	if name := c.QueryParams().Get("environment"); name != "" {
		if !c.holds(policy.EnvironmentsView, policy.EnvironmentResource(name)).OK {
			return errNoEnvironment
		}
		view.Environment = name
	}
	part("spending", c.spending(&view))
	var err error
	view.Jobs, err = desk.Jobs(ctx)
	part("queues", err)
	counts, err := desk.TasksByState(ctx, nil)
	part("tasks", err)
	for _, state := range task.States() {
		if n := counts[state]; n > 0 {
			view.States = append(view.States, stateCount{state, n})
		}
	}
	list, err := c.s.API.Nodes.Nodes(ctx)
	part("nodes", err)
	view.Nodes = collect(list, viewNode)
	view.Held, err = desk.Held(ctx)
	part("containers", err)
	set, err := c.s.API.Freezes.Freezes(ctx)
	part("freezes", err)
	view.Freezes = collect(set, func(f freeze.Freeze) freezeView { return viewFreeze(f) })
	return c.page("system", console.Page{Title: "System", Section: "system", Body: view})
}

// spending reads what was spent by day and draws it.
func (c *call) spending(view *systemPage) error {
	today := c.s.Now().UTC().Truncate(24 * time.Hour)
	first := today.AddDate(0, 0, 1-daysOnPage)
	used, err := c.s.API.System.UsageByDay(c.Request().Context(), view.Environment, first)
	if err != nil {
		return err
	}
	byDay := map[string]task.DayUsage{}
	for _, d := range used {
		byDay[d.Day] = d
	}
	var days []string
	var cost, tokens, tasks []float64
	for day := first; !day.After(today); day = day.AddDate(0, 0, 1) {
		d := byDay[day.Format(time.DateOnly)]
		days = append(days, day.Format(time.DateOnly))
		cost, tokens, tasks = append(cost, float64(d.Cost)), append(tokens, float64(d.Tokens)), append(tasks, float64(d.Tasks))
		if d.Day != "" {
			view.Days = append([]task.DayUsage{d}, view.Days...)
		}
		view.Sum.Cost, view.Sum.Tokens, view.Sum.Tasks, view.Sum.Requests = view.Sum.Cost+d.Cost, view.Sum.Tokens+d.Tokens, view.Sum.Tasks+d.Tasks, view.Sum.Requests+d.Requests
	}
	view.Plots = []console.Plot{
		console.NewPlot("plot-cost", "Money spent on models", days, cost, 20_000, func(v float64) string { return console.Money(int64(v)) }),
		console.NewPlot("plot-tokens", "Tokens", days, tokens, 2, bigNumber),
		console.NewPlot("plot-tasks", "Tasks asked for", days, tasks, 2, bigNumber),
	}
	return nil
}

// bigNumber is a number for a scale: "2.5 M".
func bigNumber(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.size {
			return strconv.FormatFloat(math.Round(v/unit.size*10)/10, 'f', -1, 64) + " " + unit.name
		}
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// showDiagnosis examines the server, as coderflow doctor does.
func showDiagnosis(c *call) error {
	if err := c.looksAfterServer(); err != nil {
		return err
	}
	found, err := c.s.API.System.Diagnose(c.Request().Context())
	if err != nil {
		return fmt.Errorf("examine the server: %w", err)
	}
	return c.page("diagnosis", console.Page{Title: "Diagnosis", Section: "system", Body: found})
}
