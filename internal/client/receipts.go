package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/coderflow/coderflow/internal/audit"
)

// receiptType is the media type of receipts: a DSSE envelope.
const receiptType = "application/vnd.dsse.envelope.v1+json"

// Receipt gets the receipt of an approval.
func (c *Client) Receipt(ctx context.Context, approval string) ([]byte, error) {
	return c.receipt(ctx, nil, "approvals", approval, "receipt")
}

// ReceiptOf gets the receipt of a commit, by its full id, or of a task.
func (c *Client) ReceiptOf(ctx context.Context, commit, task string) ([]byte, error) {
	return c.receipt(ctx, given("commit", commit, "task", task), "receipts")
}

func (c *Client) receipt(ctx context.Context, query url.Values, path ...string) ([]byte, error) {
	envelope, _, err := c.ask(ctx, request{method: http.MethodGet, path: path, query: query, accept: receiptType, max: audit.MaxEnvelope})
	return envelope, err
}

// Consistency gets the proof that the log of one size leads to that of another. It
// proves nothing before [audit.Consistency.Check] says so.
func (c *Client) Consistency(ctx context.Context, from, to int64) (p audit.Consistency, err error) {
	query := url.Values{"from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)}}
	answer, _, err := c.ask(ctx, request{
		method: http.MethodGet, root: true, path: []string{"audit", "consistency"}, query: query, accept: "application/json", max: maxProofAnswer,
	})
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(answer, &p); err != nil {
		return p, c.strange("it is no proof")
	}
	return p, nil
}

// maxProofAnswer bounds a proof, in bytes.
const maxProofAnswer = 64 << 10
