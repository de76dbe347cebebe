package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// taskPageRoutes are the pages about tasks: read-only, for whoever is signed in, as
// far as they may see. None of them approves anything.
func (s *server) taskPageRoutes() []route {
	const get = http.MethodGet
	return []route{
		{get, "/static/:hash/:name", open, static},
		{get, "/", session, asPage(s.withSession(showStart), s)},
		{get, "/tasks", session, asPage(s.withSession(showTasks), s)},
		{get, "/tasks/:id", session, asPage(s.withSession(onTaskPage(showOverview)), s)},
		{get, "/tasks/:id/changes", session, asPage(s.withSession(onTaskPage(showChanges)), s)},
		{get, "/tasks/:id/changes/:file", session, asPage(s.withSession(onTaskPage(showFile)), s)},
		{get, "/tasks/:id/output", session, asPage(s.withSession(onTaskPage(showOutput)), s)},
		{get, "/tasks/:id/examinations/:exam", session, asPage(s.withSession(onTaskPage(showExam)), s)},
		{get, "/tasks/:id/live", session, asPage(s.withSession(onTaskPage(followTask)), s)},
	}
}

// stateGroup is a choice of states in one word, which is no state's name: a list can be
// of one state, too.
type stateGroup struct {
	Key, Title string
	States     []task.State
}

var stateGroups = []stateGroup{
	{"review", "Wait for review", []task.State{task.Proposed}},
	{"working", "In progress", []task.State{
		task.Queued, task.Preparing, task.Running, task.Collecting, task.Approved, task.Landing, task.Landed, task.Deploying}},
	{"finished", "Done", []task.State{task.Done, task.NoChange}},
	{"unsuccessful", "Failed or refused", []task.State{task.Failed, task.Refused}},
	{"ended", "Ended by people or time", []task.State{task.Cancelled, task.Rejected, task.Superseded, task.Expired}},
}

// tasksPage is the list of tasks.
type tasksPage struct {
	Rows          []taskRow
	Environments  []string // whose tasks the viewer may see
	Groups        []stateGroup
	Asked         map[string]string
	Repository    string // name of the one that is asked for
	Same          string // address of this page
	Newest, Older string // addresses; empty: there is none
}

// taskRow is one task in a list.
type taskRow struct {
	taskView
	Look stateLook
	// Name is the variant's, of one of several.
	Name string
}

func viewRow(t task.Task) taskRow {
	return taskRow{taskView: viewTask(t), Look: lookOf(t), Name: cmp.Or(t.Variant, t.Run.Agent, string(t.ID))}
}

// tasksOnPage is how many tasks a page has.
const tasksOnPage = 50

var taskParameters = []string{"q", "state", "environment", "repository", "requester", "cursor"}

// showStart is the first page: the tasks, or what the viewer may where that is none.
func showStart(c *call) error {
	if len(c.where(policy.TasksView)) == 0 {
		return showHome(c)
	}
	return showTasks(c)
}

func showTasks(c *call) error {
	if c.environments = c.where(policy.TasksView); len(c.environments) == 0 {
		return c.refused(policy.TasksView, "any environment", policy.No(""))
	}
	view := tasksPage{Environments: c.environments, Groups: stateGroups, Asked: map[string]string{}}
	for _, name := range taskParameters {
		if value := strings.TrimSpace(c.QueryParam(name)); value != "" {
			view.Asked[name] = value
			c.query.Set(name, value)
		}
	}
	tasks, err := c.tasksAsked()
	if err != nil {
		return err
	}
	if state := task.State(view.Asked["state"]); state.Valid() {
		view.Groups = append(slices.Clip(stateGroups), stateGroup{Key: string(state), Title: "only " + string(state)})
	}
	for _, t := range tasks {
		view.Rows = append(view.Rows, viewRow(t))
	}
	view.addresses(c.query, tasks)
	if key := view.Asked["repository"]; key != "" {
		if view.Repository = key; len(tasks) > 0 {
			view.Repository = tasks[0].Repository.FullName()
		}
	}
	if c.wantsPart() {
		return c.part("tasks", "list", view)
	}
	return c.page("tasks", console.Page{Title: "Tasks", Section: "tasks", Body: view})
}

func (c *call) tasksAsked() ([]task.Task, error) {
	group := c.query.Get("state")
	c.query.Del("state")
	q, err := c.taskQuery()
	if err != nil {
		return nil, err
	}
	q.Limit, q.Text, q.Requester = tasksOnPage, c.query.Get("q"), c.query.Get("requester")
	if group != "" {
		c.query.Set("state", group)
		i := slices.IndexFunc(stateGroups, func(g stateGroup) bool { return g.Key == group })
		switch {
		case i >= 0:
			q.States = stateGroups[i].States
		case task.State(group).Valid():
			q.States = []task.State{task.State(group)}
		default:
			return nil, bad("state: there is no such choice")
		}
	}
	return c.s.API.Tasks.TaskPage(c.Request().Context(), q)
}

// addresses are of this page, and of those before and after it.
func (v *tasksPage) addresses(query url.Values, tasks []task.Task) {
	v.Same = pageAddress("/tasks", query)
	rest := url.Values{}
	for name, values := range query {
		rest[name] = values
	}
	rest.Del("cursor")
	if query.Has("cursor") {
		v.Newest = pageAddress("/tasks", rest)
	}
	if len(tasks) == tasksOnPage {
		rest.Set("cursor", string(tasks[len(tasks)-1].ID))
		v.Older = pageAddress("/tasks", rest)
	}
}

// Without is this page's address without one of its conditions, from the newest on.
func (v tasksPage) Without(name string) string {
	query := url.Values{}
	for key, value := range v.Asked {
		if key != name && key != "cursor" {
			query.Set(key, value)
		}
	}
	return pageAddress("/tasks", query)
}

// Only is the address of the tasks with one more condition.
func (v tasksPage) Only(name, value string) string {
	query := url.Values{}
	for key, value := range v.Asked {
		if key != "cursor" {
			query.Set(key, value)
		}
	}
	query.Set(name, value)
	return pageAddress("/tasks", query)
}

func pageAddress(path string, query url.Values) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}
