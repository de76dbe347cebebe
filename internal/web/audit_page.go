package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/policy"
)

//go:embed audit.html
var auditFiles embed.FS

var auditTemplates = template.Must(template.New("").Funcs(template.FuncMap{
	"second": func(t time.Time) string { return t.UTC().Format(time.DateTime) }, "text": oneText, "pretty": pretty,
	"brief": func(detail json.RawMessage) string { return brief(string(detail)) },
}).ParseFS(auditFiles, "audit.html"))

// auditPage is a part of the log.
type auditPage struct {
	Error         string
	Entries       []auditView
	Environments  []string // whose entries the viewer may see
	Server        bool     // the viewer may see all of them
	Environment   string   // that is asked for
	Asked         map[string]string
	Newest, Older string // addresses
}

// entriesOnPage is how many entries a page has.
const entriesOnPage = 50

// showAudit is the log as a page, newest entry first, within what the viewer may see.
func showAudit(c *call) error {
	view, err := c.auditPage()
	status := http.StatusOK
	if told := (*apiError)(nil); errors.As(err, &told) && told.status < http.StatusInternalServerError {
		view, status, err = auditPage{Error: told.text}, told.status, nil
	}
	if err != nil {
		return err
	}
	return c.renderFrom(auditTemplates, status, "audit.html", view)
}

func (c *call) auditPage() (auditPage, error) {
	c.row = apiRow{permission: policy.AuditView, on: onLog}
	view := auditPage{Asked: map[string]string{}, Environments: c.where(policy.AuditView), Server: c.holds(policy.AuditView, policy.Server).OK}
	for _, name := range auditParameters {
		if values := c.QueryParams()[name]; len(values) > 0 && strings.TrimSpace(values[0]) != "" && name != "order" && name != "limit" {
			view.Asked[name] = strings.TrimSpace(values[0])
			c.query.Set(name, view.Asked[name])
		}
	}
	if err := c.permitAudit(); err != nil {
		return view, err
	}
	view.Environment = c.environment
	if view.Environment != "" && !slices.Contains(view.Environments, view.Environment) { // it was removed
		view.Environments = append(view.Environments, view.Environment)
	}
	q, err := c.auditQuery(entriesOnPage, entriesOnPage)
	if err != nil {
		return view, err
	}
	q.Newest = true
	entries, next, err := c.s.API.Records.AuditPage(c.Request().Context(), q)
	if err != nil {
		return view, err
	}
	view.Entries = collect(entries, viewAudit)
	view.Newest = c.auditAddress(0)
	if next > 0 {
		view.Older = c.auditAddress(next)
	}
	return view, nil
}

// auditAddress is the page of the same question after an entry; 0: from the newest.
func (c *call) auditAddress(after int64) string {
	query := url.Values{}
	for name, values := range c.query {
		query[name] = values
	}
	query.Del("cursor")
	if after > 0 {
		query.Set("cursor", strconv.FormatInt(after, 10))
	}
	return "/audit?" + query.Encode()
}

// pretty is a detail on several lines, on which nothing acts.
func pretty(detail json.RawMessage) string {
	var out bytes.Buffer
	if err := json.Indent(&out, detail, "", "  "); err != nil {
		return string(inert(detail))
	}
	return string(inert(out.Bytes()))
}
