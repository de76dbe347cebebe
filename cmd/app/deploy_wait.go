package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/coderflow/coderflow/internal/client"
)

// deployWait follows one run to its end.
type deployWait struct {
	server  *client.Client
	s       streams
	output  outputFlag
	timeout time.Duration // 0: none
}

// run prints what the run writes until it has ended, and says how: nil is a run
// that succeeded.
func (w deployWait) run(ctx context.Context, d client.Deployment) error {
	if w.timeout > 0 {
		bounded, cancel := context.WithTimeout(ctx, w.timeout)
		defer cancel()
		ctx = bounded
	}
	w.say("deployment %s: %s/%s of %s is %s", d.ID, d.Environment, d.Profile, shortCommit(d.Commit), stateInWords(d))
	reader := logReader{follow: true, out: w.live(), sleep: sleep, warn: func(text string) { w.say("%s", text) }}
	last, err := w.follow(ctx, reader, d)
	if err != nil {
		return w.goesOn(ctx, d, err)
	}
	if done, err := w.output.encoded(w.s, last); done && err != nil {
		return err
	}
	if last.State != "succeeded" {
		return errors.New(outcome(last))
	}
	w.say("deployment %s succeeded%s", last.ID, exitWords(last))
	return nil
}

// follow reads the log until it ends for good, and then the run as it is.
func (w deployWait) follow(ctx context.Context, reader logReader, d client.Deployment) (client.Deployment, error) {
	err := reader.run(ctx, func(from int64) (client.LogPiece, error) {
		piece, err := w.server.DeploymentLog(ctx, d.ID, from, true)
		if err == nil && piece.Text == "" && !piece.End {
			d = w.progress(ctx, d)
		}
		return piece, err
	})
	if err != nil {
		return d, err
	}
	_, err = reader.again(ctx, func() (client.LogPiece, error) {
		var err error
		d, err = w.server.Deployment(ctx, d.ID)
		return client.LogPiece{}, err
	})
	return d, err
}

// progress says what has changed about a run that writes nothing: it may wait for
// another one.
func (w deployWait) progress(ctx context.Context, d client.Deployment) client.Deployment {
	now, err := w.server.Deployment(ctx, d.ID)
	if err != nil || now.Ended || now.State == d.State && now.Detail == d.Detail {
		return d // of an error the next look at the log will tell
	}
	said := stateInWords(now)
	if now.Detail != "" {
		said += " (" + now.Detail + ")"
	}
	w.say("deployment %s is %s", now.ID, said)
	return now
}

// live is where the output goes: not between the documents that a program reads.
func (w deployWait) live() io.Writer {
	if w.output.format() == "table" {
		return w.s.out
	}
	return w.s.err
}

func (w deployWait) say(format string, args ...any) {
	fmt.Fprintln(w.s.err, "coderflow:", visible(fmt.Sprintf(format, args...)))
}

// goesOn is the end of waiting before the end of the run.
func (w deployWait) goesOn(ctx context.Context, d client.Deployment, err error) error {
	next := fmt.Sprintf("the deployment goes on: `coderflow deployments logs -f %s` follows it, `coderflow deployments show %s` says how it is", d.ID, d.ID)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("deployment %s has not ended after %s; %s", d.ID, w.timeout, next)
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted; %s", next)
	}
	return fmt.Errorf("deployment %s cannot be followed: %w\n%s", d.ID, err, next)
}

// outcome says how a run ended that did not succeed, why, and what to do next.
func outcome(d client.Deployment) string {
	said := fmt.Sprintf("deployment %s %s%s", d.ID, endWords[d.State], exitWords(d))
	if _, known := endWords[d.State]; !known {
		said = fmt.Sprintf("deployment %s is %s", d.ID, d.State)
	}
	if d.Detail != "" {
		said += "\n" + d.Detail
	}
	if next := nextStep[d.State]; next != "" {
		said += "\n" + fmt.Sprintf(next, d.ID)
	}
	return said
}

var endWords = map[string]string{
	"failed": "failed", "unknown": "has an unknown outcome", "withheld": "was withheld: it did not run",
}

var nextStep = map[string]string{
	"failed":   "`coderflow deploy --again %s` tries it again, under checks made anew",
	"unknown":  "look at what it deploys to: it may have done its work or part of it; `coderflow deploy --again %s` runs it once more",
	"withheld": "once the reason is gone, `coderflow deploy --again %s` asks anew",
}

// exitWords are a run's own exit status, if it has one.
func exitWords(d client.Deployment) string {
	if d.ExitCode == nil {
		return ""
	}
	return fmt.Sprintf(" with exit status %d", *d.ExitCode)
}

// stateInWords adds to a state what it waits for.
func stateInWords(d client.Deployment) string {
	switch d.State {
	case "armed":
		return "armed: it waits for the merge"
	case "pending":
		return "pending: it starts when nothing else runs before it"
	}
	return d.State
}

// shortCommit is the beginning of a commit's id, for tables.
func shortCommit(id string) string { return id[:min(12, len(id))] }
