package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/task"
)

// Receipts are what approvals did, as documents that others verify.
type Receipts interface {
	// Issue gives the receipt of an approval as of now, with the deployments of the
	// environments that shows names. It fails with receipt.ErrNothingLanded.
	Issue(ctx context.Context, approvalID string, shows func(environment string) bool) (engine.IssuedReceipt, error)
	// Approvals lists the approvals of a task, oldest first.
	Approvals(ctx context.Context, id task.ID) ([]approval.Record, error)
	// Covering lists the tasks whose landed commit it is, and those whose merge.
	Covering(ctx context.Context, commit string) (landed, merged []task.Task, err error)
	// KeptUnder lists the approvals whose commit it is that was made and not pushed.
	KeptUnder(ctx context.Context, commit string) ([]approval.Record, error)
}

var (
	errNoApproval = &apiError{status: http.StatusNotFound, text: "there is no such approval, or you may not see it"}
	errNoReceipt  = &apiError{status: http.StatusNotFound, text: "no approval that you may see made this commit or belongs to this task, so there is no receipt"}
	errNotLanded  = &apiError{status: http.StatusNotFound, text: "nothing landed under the approval, so there is no receipt"}
	errTellsMore  = &apiError{status: http.StatusNotFound, text: receipt.ErrTellsMore.Error()}

	repositoryKey = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}:[A-Za-z0-9-]{1,64}$`)
)

// permitApproval hides approvals whose tasks the caller may not view: they are not
// found.
func (c *call) permitApproval() error {
	id := c.Param("id")
	if !runID.MatchString(id) {
		return errNoApproval
	}
	record, err := c.s.API.Deployments.Approval(c.Request().Context(), id)
	switch {
	case errors.Is(err, task.ErrNotFound):
		return errNoApproval
	case err != nil:
		return err
	case !c.holds(policy.TasksView, policy.EnvironmentResource(record.Environment)).OK:
		return errNoApproval
	}
	c.approval = record
	return nil
}

// showReceipt gives an approval's receipt.
func showReceipt(c *call) error { return c.receipt(c.approval.ID) }

// pageReceipt is the same for a browser that is signed in.
func pageReceipt(c *call) error {
	if err := c.permitApproval(); err != nil {
		return err
	}
	return c.receipt(c.approval.ID)
}

// receipt sends a receipt as a file. Deployments in environments whose deployments
// the caller may not see are counted in it, and not shown.
func (c *call) receipt(approvalID string) error {
	issued, err := c.s.API.Receipts.Issue(c.Request().Context(), approvalID, func(environment string) bool {
		return c.holds(policy.DeploymentsView, policy.EnvironmentResource(environment)).OK
	})
	if errors.Is(err, receipt.ErrNothingLanded) {
		return errNotLanded
	}
	if errors.Is(err, receipt.ErrTellsMore) {
		return errTellsMore
	}
	if err != nil {
		return fmt.Errorf("issue the receipt of approval %s: %w", approvalID, err)
	}
	h := c.Response().Header()
	h.Set("Content-Disposition", `attachment; filename="`+approvalID+`.receipt.json"`)
	h.Set("X-Receipt-Digest", issued.Digest)
	return c.Blob(http.StatusOK, receipt.MediaType, issued.Envelope)
}

// findReceipt gives the receipt of a commit, or of a merge of it, or of a task.
func findReceipt(c *call) error {
	commit, id, repository := c.query.Get("commit"), c.query.Get("task"), c.query.Get("repository")
	switch {
	case (commit == "") == (id == ""):
		return bad("name the commit or the task: ?commit=ID or ?task=ID")
	case commit != "" && !deploy.ValidCommit(commit):
		return bad("commit: want the full id, 40 or 64 hexadecimal digits")
	case repository != "" && !repositoryKey.MatchString(repository):
		return bad("repository: want HOST:ID with the repository's own id, for example github:1296269")
	}
	tasks, err := c.coveredBy(commit, id)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if !slices.Contains(c.environments, t.Environment) || repository != "" && t.Repository.Key() != repository {
			continue
		}
		found, err := c.approvalOf(t)
		if err != nil {
			return err
		}
		if found != "" {
			return c.receipt(found)
		}
	}
	if commit != "" {
		return c.keptReceipt(commit, repository)
	}
	return errNoReceipt
}

// keptReceipt gives the receipt of a commit that was made and not pushed.
func (c *call) keptReceipt(commit, repository string) error {
	kept, err := c.s.API.Receipts.KeptUnder(c.Request().Context(), commit)
	if err != nil {
		return err
	}
	for _, record := range kept {
		if slices.Contains(c.environments, record.Environment) && (repository == "" || record.Repository.Key() == repository) {
			return c.receipt(record.ID)
		}
	}
	return errNoReceipt
}

// coveredBy are the tasks of a commit, or the task of the id.
func (c *call) coveredBy(commit, id string) ([]task.Task, error) {
	ctx := c.Request().Context()
	if commit != "" {
		landed, merged, err := c.s.API.Receipts.Covering(ctx, commit)
		return slices.Concat(landed, merged), err
	}
	parsed, err := task.ParseID(id)
	if err != nil {
		return nil, bad("task: want the id of a task")
	}
	t, err := c.s.API.Tasks.Task(ctx, parsed)
	if errors.Is(err, task.ErrNotFound) {
		return nil, errNoReceipt
	}
	return []task.Task{t}, err
}

// approvalOf is the approval in force of a task, or its last: one that made a commit
// which was kept is used up. Empty: it has none.
func (c *call) approvalOf(t task.Task) (string, error) {
	if t.ApprovalID != "" {
		return t.ApprovalID, nil
	}
	all, err := c.s.API.Receipts.Approvals(c.Request().Context(), t.ID)
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[len(all)-1].ID, nil
}
