package web

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/policy"
)

// auditPage is a part of the log.
type auditPage struct {
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
	if err != nil {
		return err
	}
	return c.page("audit", console.Page{Title: "Audit log", Section: "audit", Body: view})
}

// pageExport is the export for a browser: entries of the page's question as a file.
func pageExport(c *call) error {
	c.row = apiRow{permission: policy.AuditView, on: onLog}
	for name, values := range c.QueryParams() {
		if !slices.Contains(auditParameters, name) && name != "format" || len(values) != 1 {
			return bad("this takes each of " + strings.Join(auditParameters, ", ") + ", format once")
		}
		if values[0] = strings.TrimSpace(values[0]); values[0] != "" {
			c.query.Set(name, values[0])
		}
	}
	if err := c.permitAudit(); err != nil {
		return err
	}
	return exportAudit(c)
}

// Export is the address of the page's question as a file.
func (p auditPage) Export(format string) string {
	query := url.Values{"format": {format}}
	for name, value := range p.Asked {
		if name != "cursor" {
			query.Set(name, value)
		}
	}
	return "/audit/export?" + query.Encode()
}

// ExportMost is how many entries a file has at the most.
func (auditPage) ExportMost() int { return exportLength }

// Short is the detail as a summary.
func (v auditView) Short() string { return brief(string(v.Detail)) }

// Pretty is the detail on several lines.
func (v auditView) Pretty() string { return pretty(v.Detail) }

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
