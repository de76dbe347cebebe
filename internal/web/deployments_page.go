package web

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

// runsPage is the history of deployments.
type runsPage struct {
	Runs         []deploymentView
	Environments []string // that the viewer sees
	Profiles     []string // there
	States       []deploy.RunState
	Filter       deploy.Filter
	Older        string // address of the rest; empty: there is none
}

// runPage is one deployment.
type runPage struct {
	deploymentView
	Names   []string // of the parameters, in order
	Output  template.HTML
	Earlier string // address of what was written before Output; empty: nothing was
	Live    string // address of what comes; empty: nothing does
}

// deploymentRoutes are the pages about deployments: read-only, for whoever is
// signed in, as far as they may see.
func (s *server) deploymentRoutes() []route {
	return []route{
		{http.MethodGet, "/deployments", session, asPage(s.withSession(showRuns), s)},
		{http.MethodGet, "/deployments/:id", session, asPage(s.withSession(showRun), s)},
		{http.MethodGet, "/deployments/:id/live", session, asPage(s.withSession(followRun), s)},
		{http.MethodGet, "/approvals/:id/receipt", session, asPage(s.withSession(pageReceipt), s)},
		{http.MethodGet, "/tasks/:id/chain", session, asPage(s.withSession(showChain), s)},
		{http.MethodGet, "/audit", session, asPage(s.withSession(showAudit), s)},
		{http.MethodGet, "/audit/export", session, asPage(s.withSession(pageExport), s)},
	}
}

// sectionOf is the part of the console that a path belongs to: its first part.
func sectionOf(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first
}

// withSession gives a page the rights of the browser's session, or offers to sign in.
func (s *server) withSession(show func(*call) error) echo.HandlerFunc {
	return func(ec echo.Context) error {
		k, ok, err := s.session(ec)
		if err != nil {
			return err
		}
		if !ok && ec.Request().Header.Get("HX-Request") == "true" { // the page asks for itself again, and whoever looks signs in
			ec.Response().Header().Set("HX-Refresh", "true")
			return ec.NoContent(http.StatusUnauthorized)
		}
		if !ok {
			return s.signInPage(ec, ec.Request().URL.RequestURI())
		}
		c := &call{Context: ec, s: s, token: k, user: forge.User{Subject: k.Owner, Kind: k.Owner.Kind()}, query: url.Values{}}
		if wait := s.calls.take(k.Owner.String()); wait > 0 {
			return tooMany(wait, "too many requests by "+k.Owner.String())
		}
		if c.rules, err = s.API.Policies.Policy(ec.Request().Context()); err != nil {
			return fmt.Errorf("read the rules in force: %w", err)
		}
		ec.Set(viewerKey, c)
		if err := show(c); err != nil {
			return c.problem(sectionOf(ec.Path()), err)
		}
		return nil
	}
}

// runsOnPage is how many deployments a page has.
const runsOnPage = 25

func showRuns(c *call) error {
	if c.environments = c.where(policy.DeploymentsView); len(c.environments) == 0 {
		return c.refused(policy.DeploymentsView, "any environment", policy.No(""))
	}
	for _, name := range []string{"environment", "profile", "state", "commit", "before"} {
		if values := c.QueryParams()[name]; len(values) > 0 {
			c.query.Set(name, strings.TrimSpace(values[0]))
		}
	}
	filter, err := c.deploymentFilter()
	if err != nil {
		return err
	}
	filter.Limit = runsOnPage
	runs, next, err := c.s.API.Deployments.Deployments(c.Request().Context(), filter)
	if err != nil {
		return err
	}
	p := runsPage{Environments: c.environments, States: RunStates(), Filter: filter}
	if p.Runs, err = c.viewRuns(runs); err != nil {
		return err
	}
	if p.Profiles, err = c.profileNames(filter.Profile); err != nil {
		return err
	}
	if next != "" {
		c.query.Set("before", next)
		p.Older = "/deployments?" + c.query.Encode()
	}
	return c.page("deployments", console.Page{Title: "Deployments", Section: "deployments", Body: p})
}

// profileNames are those of the environments that the viewer sees, and the one
// that is asked for: it may be gone by now.
func (c *call) profileNames(asked string) ([]string, error) {
	now, err := c.s.API.Manifests.InForce(c.Request().Context())
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, environment := range c.environments {
		for name := range now.Set.Profiles[environment] {
			names[name] = true
		}
	}
	if asked != "" {
		names[asked] = true
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// outputOnPage is how much of a log a page shows, in bytes.
const outputOnPage = 128 << 10

func showRun(c *call) error {
	run, err := c.deployment(c.Param("id"))
	if err != nil {
		return err
	}
	views, err := c.viewRuns([]deploy.Run{run})
	if err != nil {
		return err
	}
	p := runPage{deploymentView: views[0], Names: slices.Sorted(maps.Keys(views[0].Parameters))}
	if values := c.QueryParams()["until"]; len(values) > 0 {
		c.query.Set("until", values[0])
	}
	if c.wantsPart() {
		return c.block("deployment", "outcome", p)
	}
	if err := c.runOutput(&p, "deploy/"+run.ID); err != nil {
		return err
	}
	return c.page("deployment", console.Page{Title: "Deployment " + run.ID, Section: "deployments", Body: p})
}

// runOutput reads the end of a log, or what is before a byte of it.
func (c *call) runOutput(p *runPage, stream string) error {
	size, err := c.s.API.Deployments.LogSize(c.Request().Context(), stream)
	if err != nil {
		return err
	}
	until, err := c.number("until", size, 0, size)
	if err != nil {
		return err
	}
	text, from, err := c.window(stream, p.Ended || until < size, until, outputOnPage)
	if err != nil {
		return err
	}
	if from > 0 {
		p.Earlier = fmt.Sprintf("/deployments/%s?until=%d", p.ID, from)
	}
	var terminal console.Terminal
	p.Output = terminal.Lines(text)
	if !p.Ended && until == size {
		p.Live = fmt.Sprintf("/deployments/%s/live?show=log&from=%d", p.ID, from+int64(len(text)))
	}
	return nil
}

// brief is what somebody wrote, as one line of a table that nothing acts on; a browser
// obeys characters that turn the direction of text.
func brief(text string) string { return line(text, maxShownValue) }

// Name is who somebody is to a reader; the subject where there is no login.
func (u userView) Name() string { return cmp.Or(u.Login, u.Subject) }

// Mood is the colour of the deployment's state.
func (v deploymentView) Mood() string {
	switch v.State {
	case deploy.Succeeded:
		return "good"
	case deploy.Failed, deploy.Unknown:
		return "bad"
	case deploy.Withheld:
		return "warn"
	case deploy.Created, deploy.Running:
		return "busy pulse"
	}
	return ""
}

// Words are the deployment's state.
func (v deploymentView) Words() string { return stateWords(v.State, v.ExitCode) }

// Cause is what began the deployment, in words.
func (v deploymentView) Cause() string { return triggerWords(v.Trigger) }

func stateWords(state deploy.RunState, exit *int) string {
	words, known := map[deploy.RunState]string{
		deploy.Armed: "Waits for the merge", deploy.Pending: "Waits for its turn", deploy.Created: "Is starting", deploy.Running: "Is running",
		deploy.Succeeded: "Succeeded", deploy.Failed: "Failed", deploy.Unknown: "Outcome unknown", deploy.Withheld: "Withheld: did not run",
	}[state]
	if !known {
		words = string(state)
	}
	if exit != nil && *exit != 0 {
		words += fmt.Sprintf(" with exit status %d", *exit)
	}
	return words
}

func triggerWords(t deploy.Trigger) string {
	words, known := map[deploy.Trigger]string{
		deploy.ByReview: "in the approving review", deploy.OnApproval: "by every approval", deploy.OnMerge: "by the merge", deploy.ByRequest: "by a request",
	}[t]
	if !known {
		return string(t)
	}
	return words
}
