package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/uptrace/bun"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/queue"
)

type auditRow struct {
	bun.BaseModel `bun:"table:audit,alias:e"`

	Seq         int64 `bun:",pk"`
	At          instant
	Actor       string
	Action      string
	Task        string
	Environment string
	Detail      string
}

// Audit adds an entry to the log; the transaction writes it when it commits. The
// store gives the number.
func (t *Tx) Audit(_ context.Context, e audit.Entry) error {
	if e.Action == "" || e.Actor == "" {
		return fmt.Errorf("audit entry %q by %q: action and actor are needed", e.Action, e.Actor)
	}
	if len(e.Detail) == 0 {
		e.Detail = json.RawMessage("null")
	}
	var compact bytes.Buffer // one line, which is what is hashed
	if err := json.Compact(&compact, e.Detail); err != nil {
		return fmt.Errorf("audit entry %s: the detail is not JSON: %w", e.Action, err)
	}
	e.Detail = compact.Bytes()
	t.entries = append(t.entries, e)
	return nil
}

// auditLock is the key of the advisory lock under which PostgreSQL transactions
// number their entries. Its value means nothing.
const auditLock = 0x636f6465_61756469

// lockAudit makes every other transaction wait that is about to write entries. On
// SQLite there is only one that writes.
func (t *Tx) lockAudit(ctx context.Context) error {
	if t.dialect != queue.Postgres {
		return nil
	}
	if _, err := t.exec(ctx, t.tx.NewRaw("SELECT pg_advisory_xact_lock(?)", int64(auditLock))); err != nil {
		return fmt.Errorf("wait for the audit log: %w", err)
	}
	return nil
}

// writeAudit numbers the entries and writes them. It is the last thing before
// the commit, see the package comment.
func (t *Tx) writeAudit(ctx context.Context) error {
	if len(t.entries) == 0 {
		return nil
	}
	if err := t.lockAudit(ctx); err != nil {
		return err
	}
	var last, hashes int64
	err := t.scan(ctx, t.tx.NewRaw("SELECT (SELECT COALESCE(MAX(seq), 0) FROM audit), (SELECT COALESCE(MAX(position), -1) + 1 FROM audit_hashes)"), &last, &hashes)
	if err != nil {
		return fmt.Errorf("read the end of the audit log: %w", err)
	}
	for more := hashes != tlog.StoredHashCount(last); more; {
		if more, err = t.plant(ctx); err != nil {
			return err
		}
	}
	rows := make([]*auditRow, len(t.entries))
	for i, e := range t.entries {
		rows[i] = &auditRow{
			Seq: last + int64(i) + 1, At: at(orTime(e.At, t.now())), Actor: text(e.Actor), Action: text(string(e.Action)),
			Task: text(e.Task), Environment: text(e.Environment), Detail: text(string(e.Detail)),
		}
	}
	if _, err := t.exec(ctx, t.tx.NewInsert().Model(&rows)); err != nil {
		return fmt.Errorf("write audit entries %d to %d: %w", rows[0].Seq, rows[len(rows)-1].Seq, err)
	}
	return t.grow(ctx, rows)
}

func (r *auditRow) entry() audit.Entry {
	return audit.Entry{
		Seq: r.Seq, At: r.At.Time, Actor: r.Actor, Action: audit.Action(r.Action), Task: r.Task,
		Environment: r.Environment, Detail: json.RawMessage(r.Detail),
	}
}
