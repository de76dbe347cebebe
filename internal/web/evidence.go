package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/task"
)

// Evidence holds the audit log against the forge.
type Evidence interface {
	// Reconcile looks now. It fails with task.ErrNotFound for a repository that no
	// environment lists, and with engine.ErrEvidenceBusy.
	Reconcile(ctx context.Context, q engine.EvidenceQuery) (audit.Reconciliation, error)
	// Known is what the last looks found.
	Known(ctx context.Context) (audit.Reconciliation, error)
}

// Bounds of a look that somebody waits for: less than clients and proxies do.
const (
	evidenceTime   = 50 * time.Second
	evidenceAnswer = 10 * time.Second
	maxRepository  = 200
)

// reconcileAudit holds the log against the forge while the caller waits.
func reconcileAudit(c *call) error {
	q := engine.EvidenceQuery{Repository: c.query.Get("repository"), By: c.user.Subject.String(), Bounds: engine.DefaultEvidenceBounds()}
	if len(q.Repository) > maxRepository || strings.ContainsFunc(q.Repository, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return bad("repository: want OWNER/NAME or HOST:ID")
	}
	q.Bounds.Time = evidenceTime
	// The server's own bound is for handlers that do not wait; where it cannot be
	// moved, the answer is cut off and the look goes into the database all the same.
	_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(evidenceTime + evidenceAnswer))
	r, err := c.s.API.Evidence.Reconcile(c.Request().Context(), q)
	switch {
	case errors.Is(err, task.ErrNotFound):
		return &apiError{status: http.StatusNotFound, text: "no environment lists this repository"}
	case errors.Is(err, engine.ErrEvidenceBusy):
		return &apiError{status: http.StatusConflict, text: err.Error()}
	case err != nil:
		return err
	}
	return c.JSON(http.StatusOK, r)
}

// knownDifferences tells what the last looks found.
func knownDifferences(c *call) error {
	r, err := c.s.API.Evidence.Known(c.Request().Context())
	if err != nil {
		return err
	}
	if asked := c.query.Get("repository"); asked != "" {
		other := func(key, name string) bool { return key != asked && !strings.EqualFold(name, asked) }
		r.Looks = slices.DeleteFunc(r.Looks, func(l audit.Look) bool { return other(l.Repository, l.Name) })
		r.Differences = slices.DeleteFunc(r.Differences, func(d audit.Difference) bool { return other(d.Repository, d.Name) })
	}
	return c.JSON(http.StatusOK, r)
}
