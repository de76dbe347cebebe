package gitops

import (
	"bufio"
	"bytes"
	"context"
	"fmt"

	"github.com/coderflow/coderflow/internal/risk"
	"github.com/coderflow/coderflow/internal/task"
)

// Bounds of the scan, in bytes. A larger file is named as one that was not looked
// through.
const (
	maxScanned   = 32 << 20 // one file, old or new
	maxScanBatch = 16 << 20 // read at once, beyond the first file
)

// lineSets are the lines of one file that a diff adds and removes.
type lineSets struct{ added, removed risk.Lines }

// changedLines collects the lines of each file of a diff.
func changedLines(diff []byte) (map[string]*lineSets, error) {
	sets := map[string]*lineSets{}
	for line, err := range patchLines(diff, nil) {
		if err != nil {
			return nil, err
		}
		of := sets[line.path]
		if of == nil {
			of = &lineSets{}
			sets[line.path] = of
		}
		if line.added {
			of.added.Add(line.line)
		} else {
			of.removed.Add(line.line)
		}
	}
	return sets, nil
}

// scan looks through the changed files. What looks like a secret of somebody else
// becomes a problem; the rest is returned.
func (b *build) scan(ctx context.Context, lines map[string]*lineSets) ([]task.Risk, error) {
	var found []risk.Finding
	var batch []task.PathChange
	size := int64(0)
	flush := func() error {
		some, err := b.scanBatch(ctx, batch, lines)
		found, batch, size = append(found, some...), nil, 0
		return err
	}
	var risks []task.Risk
	for _, c := range b.manifest {
		old := b.byPath[c.Path].Size
		if c.NewMode == modeGitlink || c.OldMode == modeGitlink {
			continue
		}
		if old > maxScanned || c.Size > maxScanned {
			risks = append(risks, task.Risk{Name: RiskUnscanned, Path: c.Path, Why: "it is too large to be looked through for dangers"})
			continue
		}
		batch = append(batch, c)
		if size += old + c.Size; size > maxScanBatch {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	for _, f := range risk.Settle(found) {
		if f.Name == risk.SecretPattern && (b.req.AllowSecrets == nil || !b.req.AllowSecrets(f.Path)) {
			b.problems.add(at(f), "35", "%s; rule %s. No approval can lift this: take it out, and have it revoked if it is real", f.Why, f.Rule)
			continue
		}
		risks = append(risks, task.Risk{Name: f.Name, Rule: f.Rule, Path: f.Path, Line: f.Line, Removed: f.Removed, Why: f.Why, Excerpt: f.Excerpt, More: f.More})
	}
	return risks, nil
}

func at(f risk.Finding) string {
	if f.Line > 0 {
		return fmt.Sprintf("%s:%d", f.Path, f.Line)
	}
	return f.Path
}

// scanBatch reads the old and new content of some files and looks through them.
func (b *build) scanBatch(ctx context.Context, batch []task.PathChange, lines map[string]*lineSets) ([]risk.Finding, error) {
	var questions bytes.Buffer
	for _, c := range batch {
		for _, blob := range []string{c.OldBlob, c.NewBlob} {
			if blob != "" {
				questions.WriteString(blob + "\n")
			}
		}
	}
	if questions.Len() == 0 {
		return nil, nil
	}
	var out bytes.Buffer
	_, err := b.q.run(ctx, invocation{args: []string{"cat-file", "--batch"}, stdin: &questions, stdout: &out})
	if err != nil {
		return nil, fmt.Errorf("read the changed files: %w", err)
	}
	answers := bufio.NewReader(&out)
	var found []risk.Finding
	for _, c := range batch {
		in := risk.Input{Path: c.Path, Opaque: c.Binary || c.NewMode == modeSymlink, Known: c.Kind != task.Added}
		if in.Old, err = readBlob(answers, c.OldBlob); err == nil {
			in.New, err = readBlob(answers, c.NewBlob)
		}
		if err != nil {
			return nil, fmt.Errorf("read the changed file %.200q: %w", c.Path, err)
		}
		if of := lines[c.Path]; of != nil {
			in.Added, in.Removed = of.added, of.removed
		}
		found = append(found, risk.Statements(ctx, in)...)
		found = append(found, risk.Secrets(ctx, in)...)
		if err := ctx.Err(); err != nil { // what was found is not all of it
			return nil, fmt.Errorf("look through the changed file %.200q: %w", c.Path, err)
		}
	}
	return found, nil
}

// readBlob reads the next answer, nil if there was no question.
func readBlob(answers *bufio.Reader, blob string) ([]byte, error) {
	if blob == "" {
		return nil, nil
	}
	text, err := readBatched(answers)
	return []byte(text), err
}
