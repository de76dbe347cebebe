package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/receipt"
)

type verifyCmd struct {
	whereFlags
	outputFlag
	Commits    []string `arg:"" name:"commit" help:"Commits of the clone: full ids, branches, tags, HEAD, also with ~1 and ^2."`
	Repo       string   `type:"path" default:"." placeholder:"DIR" help:"The clone; otherwise the one of the working directory."`
	Receipt    string   `type:"path" placeholder:"FILE" help:"The receipt, of one commit; without it, it is asked for where the flags below say."`
	Key        string   `type:"path" placeholder:"FILE" help:"The public key of the audit log, which you kept (GET /audit/key)."`
	Checkpoint []string `type:"path" placeholder:"FILE" help:"A checkpoint of the audit log that you kept; again for more."`
	IfClaimed  bool     `help:"Commits that do not say that CoderFlow made them are good: for a check of every commit."`
}

// Help implements kong.HelpProvider.
func (verifyCmd) Help() string {
	return `Proves who approved exactly the bytes of a commit, as the holder of the audit log's key vouches for it. With --receipt
and --key it needs the clone, the receipt and the key, and no network. It computes the tree, the diff, the digest that was
approved, and the commit itself with its author, dates, message and trailers; checks the signature, and the proofs that
the signed audit log has each entry; and prints every link of the chain. Nothing of the clone's configuration is used.

Of a merge, what it brings in and CoderFlow made is verified. If the merge has another tree than that, nobody approved
the merge: the answer is NO CLAIM, which is good with --if-claimed only. A squash or a rebase is another commit, which
nobody approved.

Whoever has the private key, which lies beside the server, can sign an approval that nobody gave. They cannot change what
was in the log when a checkpoint was made that you kept, nor make the review at the forge, whose address is printed.

Without --key the key is the one that the server names, which proves nothing against whoever runs it. A kept
checkpoint (--checkpoint) shows that the log was not written anew since; unless it is of the receipt's size, that takes
a proof of the server's.

Exit status 1: something does not hold.

Examples:

  coderflow verify HEAD --receipt change.receipt.json --key audit.pub
  coderflow verify 3f2a91c --context work --key audit.pub --checkpoint monday.checkpoint
  coderflow verify $(git rev-list origin/main..HEAD) --if-claimed --context ci --key audit.pub`
}

// Run verifies commits.
func (c verifyCmd) Run(ctx context.Context, s streams) error {
	e, err := c.evidence(ctx, s)
	if err != nil {
		return err
	}
	defer e.close()
	verdicts := []receipt.Verdict{}
	for _, name := range c.Commits {
		v, err := c.verify(ctx, name, e.fetch)
		if err != nil {
			return err
		}
		verdicts = append(verdicts, v)
	}
	if err := c.print(s, verdicts, func(t *table) { drawVerdicts(t, verdicts, e.keyFrom) }); err != nil {
		return err
	}
	bad := 0
	for _, v := range verdicts {
		if !v.Valid {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("not verified: %d of %d commits", bad, len(verdicts))
	}
	return nil
}

// verify verifies one commit, within the bounds of a clone of its own: those before it
// use nothing of them up.
func (c verifyCmd) verify(ctx context.Context, name string, fetch receipt.Fetch) (receipt.Verdict, error) {
	clone, err := gitops.OpenClone(ctx, c.Repo)
	if err != nil {
		return receipt.Verdict{}, err
	}
	id, err := clone.Resolve(name)
	if err != nil {
		return receipt.Verdict{}, errors.Join(notFound("%w", err), clone.Close())
	}
	v := receipt.Verify(ctx, clone, id, c.IfClaimed, fetch)
	return v, clone.Close()
}

// papers are where receipts, the key and proofs come from.
type papers struct {
	key     string
	keyFrom string // in words
	kept    [][]byte
	receipt func(ctx context.Context, commit string) ([]byte, error)
	proof   func(ctx context.Context, from, to int64) (audit.Consistency, error)
	closers []io.Closer
}

func (e *papers) close() {
	for _, c := range e.closers {
		_ = c.Close() // it was only read
	}
}

func (e *papers) fetch(ctx context.Context, commit string) (receipt.Evidence, error) {
	envelope, err := e.receipt(ctx, commit)
	if err != nil {
		return receipt.Evidence{}, noReceipt("commit "+commit, err)
	}
	return receipt.Evidence{Envelope: envelope, Key: e.key, Kept: e.kept, Consistency: e.proof}, nil
}

// maxEvidence bounds a public key or a checkpoint in a file, in bytes.
const maxEvidence = 4 << 10

func (c verifyCmd) evidence(ctx context.Context, s streams) (*papers, error) {
	e := &papers{}
	for _, path := range c.Checkpoint {
		note, err := readFile(path, maxEvidence)
		if err != nil {
			return nil, fmt.Errorf("--checkpoint: %w", err)
		}
		e.kept = append(e.kept, note)
	}
	if c.Key != "" {
		text, err := readFile(c.Key, maxEvidence)
		if err != nil {
			return nil, fmt.Errorf("--key: %w", err)
		}
		if e.key, e.keyFrom = strings.TrimSpace(string(text)), "from "+c.Key; e.key == "" {
			return nil, fmt.Errorf("--key: %s is empty", c.Key)
		}
	}
	offline := c.Receipt != "" && c.Config == "" && c.Context == "" && c.Server == "" && c.TokenFile == ""
	switch {
	case c.Receipt != "" && len(c.Commits) != 1:
		return nil, usage("--receipt is the receipt of one commit; without it, each commit's own is asked for")
	case offline && e.key == "":
		return nil, usage("--receipt needs --key, the public key of the audit log, which you keep from GET /audit/key; or name the server")
	case !offline:
		if err := c.connect(ctx, s, e); err != nil {
			return nil, err
		}
	}
	if c.Receipt != "" {
		envelope, err := readFile(c.Receipt, audit.MaxEnvelope)
		if err != nil {
			return nil, fmt.Errorf("--receipt: %w", err)
		}
		e.receipt = func(context.Context, string) ([]byte, error) { return envelope, nil }
	}
	return e, nil
}

// readFile reads a file of at most so many bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return text, err
}

// connect has receipts, proofs and if need be the key come from where the flags say.
func (c verifyCmd) connect(ctx context.Context, s streams, e *papers) error {
	p, err := c.place(s.err)
	if err != nil {
		return err
	}
	if p.server == nil {
		return e.here(ctx, p.local)
	}
	e.proof = p.server.Consistency
	e.receipt = func(ctx context.Context, commit string) ([]byte, error) { return p.server.ReceiptOf(ctx, commit, "") }
	if e.key == "" {
		e.key, err = p.server.AuditKey(ctx)
		e.key, e.keyFrom = strings.TrimSpace(e.key), "as "+p.server.Server()+" names it now: it proves nothing against whoever runs that server; keep it, and give it with --key"
	}
	return err
}

// here takes everything from this machine's database.
func (e *papers) here(ctx context.Context, at configFlag) error {
	db, err := at.open(ctx)
	if err != nil {
		return err
	}
	e.closers = append(e.closers, db)
	l := local{db, at}
	w, err := l.witness(ctx)
	if err != nil {
		return err
	}
	e.proof = w.Consistency
	e.receipt = func(ctx context.Context, commit string) ([]byte, error) { return l.receiptOf(ctx, commit, "") }
	if e.key == "" {
		e.key, e.keyFrom = w.PublicKey(), "of this machine's own server"
	}
	return nil
}

var marks = map[receipt.State]string{receipt.Holds: "✓", receipt.Fails: "✗", receipt.Absent: "–"}

// drawVerdicts prints every link of every chain, and the verdicts last.
func drawVerdicts(t *table, verdicts []receipt.Verdict, keyFrom string) {
	for _, v := range verdicts {
		for _, l := range v.Links {
			t.row(marks[l.State], l.Name, l.Text)
			if l.Name == "receipt" && l.State == receipt.Holds {
				t.row("", "", "the key is "+keyFrom)
			}
			for _, d := range l.Details {
				t.row("", "", d)
			}
		}
		switch {
		case v.Partial:
			t.line("✓ VERIFIED  %s", v.Commit)
			t.line("– NO CLAIM  %s", v.Asked)
		case !v.Valid:
			t.line("✗ NOT VERIFIED  %s", v.Asked)
		case v.Claimed:
			t.line("✓ VERIFIED  %s", v.Asked)
		default:
			t.line("– NO CLAIM  %s", v.Asked)
		}
	}
}
