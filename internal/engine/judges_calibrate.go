package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/task"
)

// Calibration measures judges: copies of past changes get a known defect each, or none, and each
// judge is asked about all of them. It runs in a process of its own beside the server's, with
// containers and ways of its own, and no task knows of it.
type Calibration struct {
	Environment string
	Judge       string // empty: all
	Past        []task.Task
	By          string // who asked, for the audit log
	// Tell is told what was asked and answered, for people.
	Tell func(text string)
}

// Samples makes and forgets copies of past changes.
type Samples interface {
	BuildTree(ctx context.Context, r gitops.BuildRequest) (gitops.Result, error)
	ForgetResult(ctx context.Context, repo forge.RepositoryRef, id task.ID, revision int) error
}

// Calibrate returns what was measured of each judge, and stores it: where it fails half-way,
// too, what was answered until then. What cannot be copied any more is left out, and told.
func (e *Engine) Calibrate(ctx context.Context, c Calibration, samples Samples) ([]judge.Measured, error) {
	if err := e.Freezes.Unfrozen(ctx, c.Environment); err != nil {
		return nil, err
	}
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	env, known := set.Environments[c.Environment]
	if !known {
		return nil, fmt.Errorf("there is no environment %q", c.Environment)
	}
	asked := slices.DeleteFunc(slices.Clone(env.Judges), func(j manifest.Judge) bool { return c.Judge != "" && j.Name != c.Judge })
	if len(asked) == 0 {
		return nil, fmt.Errorf("environment %s has no such judge", c.Environment)
	}
	measured := make([]judge.Measured, len(asked))
	for i, j := range asked {
		measured[i] = judge.Measured{Environment: env.Name, Judge: j.Name, Definition: env.JudgeDefinition(j)}
	}
	if err := e.auditCalibration(ctx, c, asked); err != nil {
		return nil, err
	}
	for _, t := range c.Past {
		if err = e.calibrateOn(ctx, c, samples, env, t, asked, measured); err != nil {
			break // what was answered before was paid for
		}
	}
	for i := range measured {
		if err != nil && measured[i].Copies() == 0 {
			continue
		}
		measured[i].At = e.Now().UTC()
		err = errors.Join(err, e.keepMeasured(context.WithoutCancel(ctx), c, measured[i]))
	}
	return measured, err
}

// auditCalibration writes who is about to spend money on which judges.
func (e *Engine) auditCalibration(ctx context.Context, c Calibration, asked []manifest.Judge) error {
	var names []string
	for _, j := range asked {
		names = append(names, j.Name)
	}
	entry, err := audit.New(e.Now(), c.By, audit.JudgeCalibration, map[string]any{"judges": names, "changes": len(c.Past)})
	if err != nil {
		return err
	}
	entry.Environment = c.Environment
	return e.Store.InTx(ctx, func(tx Tx) error { return tx.Audit(ctx, entry) })
}

// keepMeasured stores a measure with its audit entry, which is advice like all that judges say.
func (e *Engine) keepMeasured(ctx context.Context, c Calibration, m judge.Measured) error {
	entry, err := audit.New(m.At, c.By, audit.JudgeCalibrated, m)
	if err != nil {
		return err
	}
	entry.Environment = m.Environment
	return e.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.SetMeasured(ctx, m); err != nil {
			return err
		}
		return tx.Audit(ctx, entry)
	})
}

// sample is a copy of a past change.
type sample struct {
	p      task.Proposal
	defect judge.Defect // the zero one: it is as it was
	path   string
	line   int
}

// calibrateOn asks the judges about the copies of one past change.
func (e *Engine) calibrateOn(ctx context.Context, c Calibration, samples Samples, env manifest.Environment, t task.Task, asked []manifest.Judge, measured []judge.Measured) error {
	p, err := e.Store.Proposal(ctx, t.ID)
	if err != nil {
		return fmt.Errorf("read the proposal of task %s: %w", t.ID, err)
	}
	seeded, err := e.seed(ctx, samples, t, p)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		c.Tell(fmt.Sprintf("task %s: no copy can be made: %v", t.ID, err))
		return nil
	}
	defer func() {
		if err := samples.ForgetResult(context.WithoutCancel(ctx), p.Repository, seeded.p.Task, 1); err != nil {
			e.Logger.WarnContext(ctx, "a copy of a past change stays in the mirror", "error", err)
		}
	}()
	for _, s := range []sample{{p: p}, seeded} {
		for i, j := range asked {
			v, problem, err := e.askSample(ctx, env, j, t, s.p)
			if err != nil {
				return fmt.Errorf("ask judge %q about a copy of task %s: %w", j.Name, t.ID, err)
			}
			found := v != nil && s.path != "" && v.Finds(s.path, s.line)
			measured[i].Count(s.defect.Category, v, found)
			c.Tell(outcomeOf(j.Name, t.ID, s, v, found, problem))
		}
	}
	return nil
}

func outcomeOf(name string, id task.ID, s sample, v *judge.Verdict, found bool, problem string) string {
	about := fmt.Sprintf("%s, task %s as it was: ", name, id)
	if s.path != "" {
		about = fmt.Sprintf("%s, task %s with %s at %q:%d: ", name, id, s.defect.Name, s.path, s.line)
	}
	switch {
	case v == nil:
		return about + problem
	case s.path != "" && found:
		return about + "found"
	case s.path != "":
		return about + "missed"
	case v.Alarms():
		return about + "a false alarm"
	}
	return about + "no alarm"
}

// maxSampleFile bounds a file that gets a defect, in bytes.
const maxSampleFile = 1 << 20

// errNoSample is a change that no defect of the catalogue fits.
var errNoSample = errors.New("no defect of the catalogue fits its lines")

// seed copies a past change with one defect in a line that it adds.
func (e *Engine) seed(ctx context.Context, samples Samples, t task.Task, p task.Proposal) (sample, error) {
	commit, err := e.Git.ResultCommit(ctx, resultOf(p))
	if err != nil {
		return sample{}, err
	}
	added := addedLines(p.Diff)
	for _, change := range p.Manifest {
		if change.Kind == task.Deleted || change.Binary || change.NewMode != "100644" || len(added[change.Path]) == 0 {
			continue
		}
		text, err := e.Git.File(ctx, p.Repository, commit, change.Path, maxSampleFile)
		if errors.Is(err, gitops.ErrNoFile) {
			continue
		}
		if err != nil {
			return sample{}, err
		}
		made, ok := judge.Seed(change.Path, text, added[change.Path], string(t.ID))
		if !ok {
			continue
		}
		copied, err := copyWith(ctx, samples, p, commit, change.Path, made.Text)
		return sample{p: copied, defect: made.Defect, path: change.Path, line: made.Line}, err
	}
	return sample{}, errNoSample
}

// copyWith is the proposal with another text in one file, under an id that no task has.
func copyWith(ctx context.Context, samples Samples, p task.Proposal, start, path string, text []byte) (task.Proposal, error) {
	id := task.NewID()
	result, err := samples.BuildTree(ctx, gitops.BuildRequest{
		Repository: p.Repository, Base: p.BaseCommit, Task: id, Revision: 1, Start: start,
		Changes: func(yield func(gitops.Change, error) bool) {
			yield(gitops.Change{Path: path, Kind: gitops.Regular, Size: int64(len(text)), Content: bytes.NewReader(text)}, nil)
		},
	})
	if err != nil {
		return p, fmt.Errorf("make a copy with a defect: %w", err)
	}
	p.Task, p.Revision, p.Tree, p.Manifest, p.Diff, p.Risks = id, 1, result.Tree, result.Manifest, result.Diff, result.Risks
	p.Digest = p.ComputeDigest()
	return p, nil
}

// addedLines are the lines, from 1, that a patch adds to each file.
func addedLines(diff []byte) map[string][]int {
	lines, index := map[string][]int{}, gitops.PatchLines(diff)
	n := 0
	for text := range bytes.Lines(diff) {
		n++
		if path, line, removed, ok := index.Place(n); ok && line > 0 && !removed && text[0] == '+' {
			lines[path] = append(lines[path], line)
		}
	}
	return lines
}
