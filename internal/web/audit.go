package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// AuditQuery selects audit entries, oldest first unless Newest is set. A zero field
// selects all.
type AuditQuery struct {
	// Environments are those whose entries the caller may see; nil: all of the server.
	Environments []string
	Environment  string
	Task         string
	Actor        string
	Actions      []string // names, or beginnings that end in ".*"
	Repository   forge.RepositoryRef
	Since, Until time.Time // from the one on, before the other
	After        int64     // number of the entry before the page
	Newest       bool
	Limit        int
}

// auditParameters are what the log can be asked for.
var auditParameters = []string{"environment", "repository", "task", "subject", "action", "since", "until", "order", "limit", "cursor"}

type auditView struct {
	Number      int64           `json:"number"`
	At          time.Time       `json:"at"`
	Actor       string          `json:"actor"`
	Action      audit.Action    `json:"action"`
	Task        string          `json:"task,omitempty"`
	Environment string          `json:"environment,omitempty"`
	Detail      json.RawMessage `json:"detail,omitempty"`
}

func viewAudit(e audit.Entry) auditView {
	v := auditView{e.Seq, e.At.UTC(), e.Actor, e.Action, e.Task, e.Environment, e.Detail}
	if !json.Valid(v.Detail) { // somebody changed the row: the rest of the page is readable
		v.Detail, _ = json.Marshal(string(v.Detail)) // a text always has a form
	}
	return v
}

// listAudit lists entries: all of them for whoever may read the server's log,
// otherwise those of the environments whose log the caller may read.
func listAudit(c *call) error {
	q, err := c.auditQuery(pageLength, maxPageLength)
	if err != nil {
		return err
	}
	entries, next, err := c.s.API.Records.AuditPage(c.Request().Context(), q)
	if err != nil {
		return err
	}
	answer := page[auditView]{Items: collect(entries, viewAudit)}
	if next > 0 {
		answer.Cursor = strconv.FormatInt(next, 10)
	}
	return c.JSON(http.StatusOK, answer)
}

// Lengths of a part of an export.
const (
	exportLength    = 500
	exportBytesSoft = 4 << 20 // a part ends with the entry that passes it
)

// exportAudit gives the entries as lines, exactly as they are hashed, or as a table.
// Headers say after which entry the next part begins and whether there is one.
func exportAudit(c *call) error {
	q, err := c.auditQuery(exportLength, exportLength)
	if err != nil {
		return err
	}
	format := c.query.Get("format")
	if format != "" && format != "jsonl" && format != "csv" {
		return bad("format: want jsonl or csv")
	}
	entries, next, err := c.s.API.Records.AuditPage(c.Request().Context(), q)
	if err != nil {
		return err
	}
	entries, cut := within(entries, exportBytesSoft)
	h := c.Response().Header()
	h.Set("X-Audit-Next", strconv.FormatInt(last(entries, q.After), 10))
	h.Set("X-Audit-End", strconv.FormatBool(next == 0 && !cut))
	h.Set("Content-Disposition", `attachment; filename="audit"`)
	var out bytes.Buffer
	media := "application/jsonl"
	if format == "csv" {
		media = "text/csv"
		err = audit.WriteTable(&out, q.After == 0, entries...)
	} else {
		err = audit.WriteLines(&out, entries...)
	}
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, media+"; charset=utf-8", out.Bytes())
}

// within leaves out what comes after so many bytes of details.
func within(entries []audit.Entry, most int) (kept []audit.Entry, cut bool) {
	size := 0
	for i, e := range entries {
		if size += len(e.Detail); size > most && i+1 < len(entries) {
			return entries[:i+1], true
		}
	}
	return entries, false
}

func last(entries []audit.Entry, none int64) int64 {
	if len(entries) == 0 {
		return none
	}
	return entries[len(entries)-1].Seq
}

// auditQuery reads what is asked for, within what the caller may see.
func (c *call) auditQuery(length, most int64) (q AuditQuery, err error) {
	q = AuditQuery{Environments: c.environments, Environment: c.environment, Actor: c.query.Get("subject")}
	if len(q.Actor) > maxActor {
		return q, errActor
	}
	limit, err := c.number("limit", length, 1, most)
	if err != nil {
		return q, err
	}
	q.Limit = int(limit)
	if q.After, err = c.number("cursor", 0, 0, 1<<62); err != nil {
		return q, err
	}
	if q.Newest, err = c.newestFirst(); err != nil {
		return q, err
	}
	if text := c.query.Get("task"); text != "" {
		id, err := task.ParseID(text)
		if err != nil {
			return q, bad("task: want the id of a task")
		}
		q.Task = string(id)
	}
	if q.Actions, err = c.actions(); err != nil {
		return q, err
	}
	if q.Repository, err = c.repositoryAsked(); err != nil {
		return q, err
	}
	if q.Since, err = c.time("since"); err != nil {
		return q, err
	}
	q.Until, err = c.time("until")
	return q, err
}

// maxActor bounds the text of a subject, in bytes.
const maxActor = 200

var (
	errActor    = bad("subject: want HOST:ID, for example github:583231, or coderflow for what it did by itself")
	actionNames = regexp.MustCompile(`^[a-z_]{1,40}\.([a-z_]{1,40}|\*)$`)
)

func (c *call) newestFirst() (bool, error) {
	switch c.query.Get("order") {
	case "", "oldest":
		return false, nil
	case "newest":
		return true, nil
	}
	return false, bad("order: want oldest or newest, which comes first")
}

// maxActions bounds how many actions one question names.
const maxActions = 20

func (c *call) actions() ([]string, error) {
	text := c.query.Get("action")
	if text == "" {
		return nil, nil
	}
	names := strings.Split(text, ",")
	if len(names) > maxActions {
		return nil, bad(fmt.Sprintf("action: at most %d at once", maxActions))
	}
	for _, name := range names {
		if !actionNames.MatchString(name) {
			return nil, bad("action: want names such as approval.recorded or approval.*, separated by commas")
		}
	}
	return names, nil
}

func (c *call) repositoryAsked() (forge.RepositoryRef, error) {
	key := c.query.Get("repository")
	if key == "" {
		return forge.RepositoryRef{}, nil
	}
	// A repository's id has the form of a subject's: both are the host's.
	ref, err := forge.ParseSubject(key)
	if err != nil {
		return forge.RepositoryRef{}, bad("repository: want HOST:ID with the repository's own id, for example github:1296269")
	}
	return forge.RepositoryRef{Host: ref.Host, ID: ref.ID}, nil
}

// time reads a moment, or the beginning of a day in UTC.
func (c *call) time(name string) (time.Time, error) {
	text := c.query.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, bad(name + ": want a time as 2026-01-31T15:04:05Z, or a day as 2026-01-31")
}

// permitAudit lets callers ask for the log of the environment that they name, or for
// all of what they may see: the server's, or that of some environments.
func (c *call) permitAudit() error {
	server := c.holds(c.row.permission, policy.Server)
	switch {
	case server.OK:
		c.environment = c.query.Get("environment") // one that was removed, too
		return nil
	case c.query.Has("environment"):
		return c.permitServer()
	}
	if c.environments = c.where(c.row.permission); len(c.environments) == 0 {
		return c.refused(c.row.permission, policy.Server, server)
	}
	return nil
}
