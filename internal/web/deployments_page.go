package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

//go:embed deployments.html deployment.html
var deploymentFiles embed.FS

var deploymentTemplates = template.Must(template.New("").Funcs(template.FuncMap{
	"state": stateWords, "trigger": triggerWords, "minute": minute, "person": nameOf, "short": shortCommit, "text": oneText, "brief": brief,
}).ParseFS(deploymentFiles, "deployments.html", "deployment.html"))

// runsPage is the history of deployments.
type runsPage struct {
	Error        string
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
	Output  string   // inert
	Earlier string   // address of what was written before Output; empty: nothing was
}

// deploymentRoutes are the pages about deployments: read-only, for whoever is
// signed in, as far as they may see.
func (s *server) deploymentRoutes() []route {
	return []route{
		{http.MethodGet, "/deployments", session, asPage(s.withSession(showRuns), s)},
		{http.MethodGet, "/deployments/:id", session, asPage(s.withSession(showRun), s)},
		{http.MethodGet, "/approvals/:id/receipt", session, asPage(s.withSession(pageReceipt), s)},
		{http.MethodGet, "/tasks/:id/chain", session, asPage(s.withSession(showChain), s)},
		{http.MethodGet, "/audit", session, asPage(s.withSession(showAudit), s)},
	}
}

// withSession gives a page the rights of the browser's session, or offers to sign in.
func (s *server) withSession(show func(*call) error) echo.HandlerFunc {
	return func(ec echo.Context) error {
		k, ok, err := s.session(ec)
		if err != nil {
			return err
		}
		if !ok {
			return s.show(ec, http.StatusOK, signInView{Providers: s.SignIn.Flows.Providers(), Next: ec.Request().URL.RequestURI()})
		}
		c := &call{Context: ec, s: s, token: k, user: forge.User{Subject: k.Owner, Kind: k.Owner.Kind()}, query: url.Values{}}
		if wait := s.calls.take(k.Owner.String()); wait > 0 {
			return tooMany(wait, "too many requests by "+k.Owner.String())
		}
		if c.rules, err = s.API.Policies.Policy(ec.Request().Context()); err != nil {
			return fmt.Errorf("read the rules in force: %w", err)
		}
		ec.Set(viewerKey, c)
		return c.tell(show(c))
	}
}

// tell shows what is wrong with a question as a page that one can go on from.
func (c *call) tell(err error) error {
	if told := (*apiError)(nil); errors.As(err, &told) && told.status < http.StatusInternalServerError {
		return c.render(told.status, "deployments.html", runsPage{Error: told.text})
	}
	return err
}

func (c *call) render(status int, name string, view any) error {
	return c.renderFrom(deploymentTemplates, status, name, view)
}

func (c *call) renderFrom(templates *template.Template, status int, name string, view any) error {
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, view); err != nil {
		return fmt.Errorf("show the page: %w", err)
	}
	return c.HTMLBlob(status, c.s.banner(c, out.Bytes()))
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
	return c.render(http.StatusOK, "deployments.html", p)
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
	if err := c.output(&p, "deploy/"+run.ID); err != nil {
		return err
	}
	return c.render(http.StatusOK, "deployment.html", p)
}

// output reads the end of a log, or what is before a byte of it.
func (c *call) output(p *runPage, stream string) error {
	ctx := c.Request().Context()
	size, err := c.s.API.Deployments.LogSize(ctx, stream)
	if err != nil {
		return err
	}
	until, err := c.number("until", size, 0, size)
	if err != nil {
		return err
	}
	from := max(0, until-outputOnPage)
	text, err := c.s.API.Tasks.ReadLog(ctx, stream, from, int(until-from))
	if err != nil {
		return err
	}
	if from > 0 { // begin with a line
		cut := bytes.IndexByte(text, '\n') + 1
		from, text = from+int64(cut), text[cut:]
		p.Earlier = fmt.Sprintf("/deployments/%s?until=%d", p.ID, from)
	}
	p.Output = string(inert(text))
	return nil
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// nameOf is who somebody is to a reader; the subject where there is no login.
func nameOf(login, subject string) string {
	if login != "" {
		return oneText(login)
	}
	return subject
}

func shortCommit(id string) string { return id[:min(12, len(id))] }

// oneText is what somebody wrote, as one line that nothing acts on; a browser
// obeys characters that turn the direction of text.
func oneText(text string) string { return line(text, deploy.MaxValue) }

// brief is oneText for a cell of a table.
func brief(text string) string { return line(text, maxShownValue) }

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
