package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

var errNoEntry = &apiError{status: http.StatusNotFound, text: "there is no such audit entry, or you may not see it"}

// permitEntry hides entries that the caller may not see: they are not found.
func (c *call) permitEntry() error {
	number, err := strconv.ParseInt(c.Param("number"), 10, 64)
	if err != nil || number < 1 || strconv.FormatInt(number, 10) != c.Param("number") {
		return errNoEntry
	}
	c.entry, err = c.s.API.Records.AuditEntry(c.Request().Context(), number)
	if errors.Is(err, task.ErrNotFound) {
		return errNoEntry
	}
	if err != nil {
		return err
	}
	if c.holds(c.row.permission, policy.Server).OK {
		return nil
	}
	if c.entry.Environment == "" || !c.holds(c.row.permission, policy.EnvironmentResource(c.entry.Environment)).OK {
		return errNoEntry
	}
	return nil
}

// entryView is an entry with what proves it.
type entryView struct {
	auditView
	// Leaf is the line that is hashed, byte for byte, and Hash its hash in the tree.
	Leaf string `json:"leaf"`
	Hash string `json:"hash"`
	// Checkpoint is a signed note, and Proof that the log which it is of has the leaf.
	Checkpoint string           `json:"checkpoint,omitempty"`
	Proof      *audit.Inclusion `json:"proof,omitempty"`
	Unproven   string           `json:"unproven,omitempty"` // why there is no proof
}

// showAuditEntry gives one entry with its proof.
func showAuditEntry(c *call) error {
	v := entryView{auditView: viewAudit(c.entry)}
	leaf, err := c.entry.Leaf()
	if err != nil {
		v.Unproven = "its detail is not JSON any more: run coderflow audit verify on the server's machine"
		return c.JSON(http.StatusOK, v)
	}
	v.Leaf, v.Hash = string(leaf), audit.LeafHash(leaf).String()
	if c.s.Audit == nil {
		v.Unproven = "this server signs no checkpoints"
		return c.JSON(http.StatusOK, v)
	}
	note, proof, err := c.s.Audit.Prove(c.Request().Context(), c.entry.Seq)
	if err != nil {
		c.s.Logger.WarnContext(c.Request().Context(), "an audit entry was not proven", "entry", c.entry.Seq, "request", requestID(c), "error", err)
		v.Unproven = "no checkpoint of the log with this entry could be signed; the server's log says why"
		return c.JSON(http.StatusOK, v)
	}
	v.Checkpoint, v.Proof = string(note), &proof
	return c.JSON(http.StatusOK, v)
}
