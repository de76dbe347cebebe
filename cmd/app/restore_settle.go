package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// settle makes a state of it that goes on without doing anything twice, says so in the
// log, and freezes the server. A freeze that the backup has is in force again, thawed
// or not.
func (r *reading) settle(ctx context.Context, l *store.Loaded, thawed bool) (err error) {
	when := now()
	if r.settled, err = l.Settle(ctx, r.ended.Header.TakenAt, when); err != nil {
		return err
	}
	var lost []map[string]any
	for _, c := range r.lost {
		lost = append(lost, map[string]any{"size": c.Size, "root": c.Root.String()})
	}
	entry, err := audit.New(when, operator(), audit.RestoreDone, map[string]any{
		"backup": r.ended.ID, "takenAt": r.ended.Header.TakenAt, "program": r.ended.Header.Program, "schema": r.ended.Header.Schema,
		"entries": r.report.Entries, "root": r.report.Root.String(), "checkpoint": r.ended.Manifest.Log.Checkpoint,
		"signed": r.ended.Signature != nil, "lost": lost, "settled": r.settled,
	})
	if err != nil {
		return err
	}
	if err := l.Audit(ctx, entry); err != nil {
		return err
	}
	if !thawed {
		f := freeze.Freeze{
			ID: string(task.NewID()), Resource: freeze.Server, By: operator(), At: when,
			Reason: "restored from a backup of " + restoreTime(r.ended.Header.TakenAt),
		}
		if _, _, err = engine.SetFreeze(ctx, l.Tx, when, f, map[string]any{"restore": r.ended.ID}); err != nil {
			return err
		}
	}
	r.frozen, err = l.FreezesInForce(ctx)
	return err
}

// goesOn says what the restored server does when it is started; all of it is frozen
// or not.
func (r *reading) goesOn() (said string, frozen bool) {
	var parts []string
	for _, f := range r.frozen {
		if f.Resource == freeze.Server {
			return "It is frozen: it takes no requests and ships nothing.", true
		}
		parts = append(parts, f.What())
	}
	if len(parts) > 0 {
		return "It goes to work at once, but not in what was frozen when the backup was taken: " + oneLine(strings.Join(parts, ", ")) + ".", false
	}
	return "It goes to work at once.", false
}

// print says what was done, and what the operator has to do.
func (r *reading) print(out io.Writer, cfg config.Config, c restoreCmd) error {
	text := &strings.Builder{}
	taken := restoreTime(r.ended.Header.TakenAt)
	fmt.Fprintf(text, "restored     %s\nbackup of    %s (%s ago)\naudit        %d entries hold, %d signed checkpoints\n",
		r.ended.ID, taken, time.Since(r.ended.Header.TakenAt).Round(time.Minute), r.report.Entries, r.report.Checkpoints)
	for _, lost := range r.lost {
		fmt.Fprintf(text, "lost         audit entries %d to %d: a checkpoint that you kept has them\n", r.report.Entries+1, lost.Size)
	}
	fmt.Fprintf(text, "ended        tasks that were at work: %d; deployments, now unknown: %d\n", r.settled.Tasks, r.settled.Deployments)
	fmt.Fprintf(text, "\nThe state is that of %s. Since then perhaps revoked, removed or changed, and now as it was: API tokens, roles and bindings, secrets.\n\nNext:\n", taken)
	for i, step := range r.next(cfg, c) {
		fmt.Fprintf(text, "%2d. %s\n", i+1, step)
	}
	_, err := io.WriteString(out, visible(text.String())) // some of it is what the file says
	return err
}

// next is what is left to do.
func (r *reading) next(cfg config.Config, c restoreCmd) []string {
	var steps []string
	for _, name := range keyFiles {
		if _, err := os.Stat(cfg.DataDir + "/" + name); err == nil {
			continue
		}
		why := map[string]string{
			auditKeyFile:   "without it the server does not start; if it is lost for good, coderflow audit change-key gives the log a new one",
			secretsKeyFile: "without it no stored secret can be opened; nothing to do if none is stored",
		}[name]
		from := "bring it from where you keep it"
		if r.sealed != nil && r.identity == "" {
			from = "it is sealed in the backup, and --identity opens it: restore again with that, or bring it"
		}
		steps = append(steps, fmt.Sprintf("%s is not in %s: %s (mode 0600). %s.", name, cfg.DataDir, from, why))
	}
	if r.public == "" && len(r.log) > 0 {
		steps = append(steps, "Compare the log's key with the one that you kept: "+oneLine(r.log[len(r.log)-1]))
	}
	steps = append(steps, "Make sure that the former server does not run, anywhere.")
	said, frozen := r.goesOn()
	steps = append(steps, "Start the server: coderflow serve. "+said)
	steps = append(steps,
		"Put the manifests of today in force: coderflow apply -f DIR. Look at coderflow tokens list and coderflow secrets list.",
		"Compare the log with the forge: coderflow audit reconcile. What landed after "+restoreTime(r.ended.Header.TakenAt)+" is there and not here.")
	if cfg.Publish != nil {
		steps = append(steps, "Name another branch for audit.publish: the former has checkpoints that this log does not lead to, and nothing is signed as long as it is read.")
	}
	if frozen {
		steps = append(steps, "Let it go on: coderflow thaw. Reviews from before "+restoreTime(now())+" approve nothing; who reviewed then has to review again.")
	}
	return slices.Clip(steps)
}
