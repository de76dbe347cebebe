package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
)

// AuditEntry is one entry of the audit log.
type AuditEntry struct {
	Number      int64           `json:"number"`
	At          time.Time       `json:"at"`
	Actor       string          `json:"actor"`
	Action      string          `json:"action"`
	Task        string          `json:"task,omitempty"`
	Environment string          `json:"environment,omitempty"`
	Detail      json.RawMessage `json:"detail,omitempty"`
}

// AuditFilter narrows a reading of the audit log; a zero field selects all.
type AuditFilter struct {
	Task, Environment string
	Subject           string // who did it
	Action            string // names, or approval.* and the like, separated by commas
	Repository        string // HOST:ID
	Since, Until      time.Time
	Newest            bool  // the newest entry first
	After             int64 // number of the entry before the first
	Limit             int   // 0: no limit
}

func (f AuditFilter) query() url.Values {
	query := given("task", f.Task, "environment", f.Environment, "subject", f.Subject, "action", f.Action, "repository", f.Repository)
	for name, t := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !t.IsZero() {
			query.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	if f.Newest {
		query.Set("order", "newest")
	}
	if f.After > 0 {
		query.Set("cursor", strconv.FormatInt(f.After, 10))
	}
	return query
}

// Audit hands over the entries, page by page, and tells whether there are more than
// the limit.
func (c *Client) Audit(ctx context.Context, f AuditFilter, each func(AuditEntry) error) (more bool, err error) {
	query := f.query()
	for handed := 0; ; {
		length := maxPage
		if f.Limit > 0 {
			length = min(length, f.Limit-handed)
		}
		query.Set("limit", strconv.Itoa(length))
		var p page[AuditEntry]
		if err := patiently(ctx, func() error { return c.get(ctx, &p, query, "audit") }); err != nil {
			return false, err
		}
		for _, e := range p.Items {
			if err := each(e); err != nil {
				return false, err
			}
		}
		handed += len(p.Items)
		switch {
		case p.Cursor == "", f.Limit > 0 && handed >= f.Limit:
			return p.Cursor != "", nil
		case p.Cursor == query.Get("cursor"):
			return false, c.strange("its pages do not go on")
		}
		query.Set("cursor", p.Cursor)
	}
}

// AuditExport writes the entries as the server formats them, "jsonl" or "csv".
func (c *Client) AuditExport(ctx context.Context, f AuditFilter, format string, w io.Writer) error {
	query := f.query()
	query.Set("format", format)
	accept := map[string]string{"jsonl": "application/jsonl", "csv": "text/csv"}[format]
	for {
		var part []byte
		var header http.Header
		err := patiently(ctx, func() (err error) {
			part, header, err = c.ask(ctx, request{method: http.MethodGet, path: []string{"audit", "export"}, query: query, accept: accept, max: maxDiff})
			return err
		})
		if err != nil {
			return err
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		if header.Get("X-Audit-End") == "true" {
			return nil
		}
		next := header.Get("X-Audit-Next")
		if next == "" || next == query.Get("cursor") || len(part) == 0 {
			return c.strange("its pages do not go on")
		}
		query.Set("cursor", next)
	}
}

// AuditProof is an entry with what proves it. Only the leaf is proven: what the
// entry says is to be read from there.
type AuditProof struct {
	Leaf       string           `json:"leaf"`
	Hash       string           `json:"hash"`
	Checkpoint string           `json:"checkpoint,omitempty"` // a signed note
	Proof      *audit.Inclusion `json:"proof,omitempty"`
	Unproven   string           `json:"unproven,omitempty"` // why there is no proof
}

// AuditEntry reads one entry with its proof.
func (c *Client) AuditEntry(ctx context.Context, number int64) (AuditProof, error) {
	var p AuditProof
	return p, c.get(ctx, &p, nil, "audit", strconv.FormatInt(number, 10))
}

// AuditKey is the public key that the server says its log is signed with.
func (c *Client) AuditKey(ctx context.Context) (string, error) {
	text, _, err := c.ask(ctx, request{method: http.MethodGet, root: true, path: []string{"audit", "key"}, accept: "text/plain", max: maxKey})
	return string(text), err
}

// maxKey bounds a public key, in bytes.
const maxKey = 4 << 10

// patiently asks again when the server wants to be left alone for a while: a long
// list is many questions.
func patiently(ctx context.Context, ask func() error) error {
	for range 10 {
		err := ask()
		if !IsStatus(err, http.StatusTooManyRequests) {
			return err
		}
		wait, _ := Temporary(err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(max(wait, 100*time.Millisecond)):
		}
	}
	return ask()
}
