package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/client"
)

type auditShowCmd struct {
	whereFlags
	outputFlag
	Key   string `type:"path" placeholder:"FILE" help:"The public key that the checkpoint must be signed with, as /audit/key gave it earlier; without it, the one that the server names now."`
	Entry int64  `arg:"" name:"number" help:"Number of the entry."`
}

// Help implements kong.HelpProvider.
func (auditShowCmd) Help() string {
	return `Prints an entry, the line that is hashed, its hash, and the proof that the signed log has it, which is checked here.
Exit status 1: it does not hold, or there is no proof yet; 4: there is no such entry, or you may not see it.

Examples:

  coderflow audit show 17
  coderflow audit show 17 --key audit.pub -o json`
}

// shownEntry is an entry that was proven here, or why not.
type shownEntry struct {
	client.AuditEntry
	client.AuditProof
	Log      string `json:"log,omitempty"` // whose signature it is
	Verified bool   `json:"verified"`
}

// Run shows an entry.
func (c auditShowCmd) Run(ctx context.Context, s streams) error {
	if c.Entry < 1 {
		return usage("entries have numbers from 1 on")
	}
	var key string
	if c.Key != "" {
		text, err := os.ReadFile(c.Key)
		if err != nil {
			return err
		}
		key = string(text)
	}
	shown, err := ask(ctx, c.whereFlags, s,
		func(l local) (shownEntry, error) { return l.auditEntry(ctx, c.Entry, key) },
		func(server *client.Client) (shownEntry, error) { return auditEntryAt(ctx, server, c.Entry, key) })
	if err != nil {
		return err
	}
	if err := c.print(s, shown, func(t *table) { shown.draw(t) }); err != nil || shown.Verified {
		return err
	}
	return fmt.Errorf("entry %d is not proven: %s", c.Entry, shown.Unproven)
}

func (l local) auditEntry(ctx context.Context, number int64, key string) (shown shownEntry, err error) {
	e, err := l.AuditEntry(ctx, number)
	if err != nil {
		return shown, notFound("there is no audit entry %d", number)
	}
	leaf, err := e.Leaf()
	if err != nil {
		return shown, err
	}
	shown.Leaf, shown.Hash = string(leaf), audit.LeafHash(leaf).String()
	cfg, err := l.cfg()
	if err != nil {
		return shown, err
	}
	w, err := openWitness(ctx, cfg, l.Store, false)
	if err != nil {
		return shown, err
	}
	note, signed, err := w.newestStored(ctx)
	if err != nil {
		return shown, err
	}
	if signed.Size < number {
		shown.Unproven = "no checkpoint has it yet; the server signs one a minute while it runs"
		return shown, shown.read(number)
	}
	proof, err := w.Inclusion(ctx, number, signed.Size)
	if err != nil {
		return shown, err
	}
	shown.Checkpoint, shown.Proof = string(note), &proof
	if key == "" {
		key = w.PublicKey()
	}
	return shown, errors.Join(shown.read(number), shown.verify(key))
}

func auditEntryAt(ctx context.Context, server *client.Client, number int64, key string) (shown shownEntry, err error) {
	if shown.AuditProof, err = server.AuditEntry(ctx, number); err != nil {
		return shown, err
	}
	if key == "" {
		if key, err = server.AuditKey(ctx); err != nil {
			return shown, err
		}
	}
	if err := shown.read(number); err != nil || shown.Proof == nil {
		return shown, err
	}
	return shown, shown.verify(key)
}

// read takes what the entry says from its leaf: that is what is proven.
func (e *shownEntry) read(number int64) error {
	if e.Leaf == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(e.Leaf), &e.AuditEntry); err != nil || e.Number != number {
		return fmt.Errorf("what should be entry %d is something else", number)
	}
	return nil
}

// verify checks signature and proof. What does not hold is no error: it is shown.
func (e *shownEntry) verify(key string) error {
	signed, err := audit.OpenCheckpoint([]byte(e.Checkpoint), key)
	if err == nil {
		err = e.Proof.Check([]byte(e.Leaf), signed)
	}
	if err == nil && e.Proof.Entry != e.Number {
		err = fmt.Errorf("%w: it is of entry %d", audit.ErrProof, e.Proof.Entry)
	}
	if err != nil {
		e.Unproven = err.Error()
		return nil
	}
	e.Log, e.Verified, e.Hash = signed.Origin, true, audit.LeafHash([]byte(e.Leaf)).String()
	return nil
}

func (e shownEntry) draw(t *table) {
	t.row("entry", e.Number)
	t.row("at", e.At.UTC().Format(time.RFC3339Nano))
	t.row("actor", e.Actor)
	t.row("action", e.Action)
	t.row("task", dash(e.Task))
	t.row("environment", dash(e.Environment))
	t.row("leaf", e.Leaf)
	t.row("hash", e.Hash)
	if e.Proof != nil {
		for i, h := range e.Proof.Hashes {
			t.row(map[bool]string{true: "proof", false: ""}[i == 0], h)
		}
		t.row("checkpoint", strings.SplitN(e.Checkpoint, "\n\n", 2)[0])
	}
	var detail bytes.Buffer
	if json.Indent(&detail, e.Detail, "", "  ") == nil {
		t.line("%s", detail.String())
	}
	if e.Verified {
		t.line("✓ the log of %d entries that %s signed has exactly this line as entry %d", e.Proof.Size, e.Log, e.Number)
	} else {
		t.line("✗ %s", e.Unproven)
	}
}
