package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// runSession is how the session of a deployment is called at the gateway. A task's
// has the task's id.
const runSession = "deploy/"

// examSession is how the session of an examination is called.
const examSession = "examination/"

// calibrateSession begins the session of a judge that is measured: the past task and
// the id of the container follow. It is recorded like an examination of that task.
const calibrateSession = "calibrate/"

// atGateway is whose container a session of the gateway belongs to.
type atGateway struct {
	task        task.ID
	deployment  string // or examination, whose container it is; empty: the task's own
	examination bool
	environment string // empty for a task, whose environment nobody has read
}

func ownerAt(ctx context.Context, db *store.Store, session string) (atGateway, error) {
	if id, isExam := strings.CutPrefix(session, examSession); isExam {
		x, err := db.Examination(ctx, id)
		if err != nil {
			return atGateway{}, fmt.Errorf("find examination %s of the gateway: %w", id, err)
		}
		return atGateway{x.Task, x.ID, true, x.Environment}, nil
	}
	if rest, isCalibration := strings.CutPrefix(session, calibrateSession); isCalibration {
		of, id, _ := strings.Cut(rest, "/")
		t, err := db.Task(ctx, task.ID(of))
		if err != nil {
			return atGateway{}, fmt.Errorf("find the task of calibration %s: %w", id, err)
		}
		return atGateway{t.ID, id, true, t.Environment}, nil
	}
	id, isRun := strings.CutPrefix(session, runSession)
	if !isRun {
		return atGateway{task: task.ID(session)}, nil
	}
	run, err := db.Deployment(ctx, id)
	if err != nil {
		return atGateway{}, fmt.Errorf("find deployment %s of the gateway: %w", id, err)
	}
	return atGateway{run.Task, run.ID, false, run.Environment}, nil
}

// journal keeps what happened at the gateway.
type journal struct{ db *store.Store }

// owner is whose container a session belongs to, with its environment.
func (j journal) owner(ctx context.Context, session string) (atGateway, error) {
	who, err := ownerAt(ctx, j.db, session)
	if err != nil || who.deployment != "" {
		return who, err
	}
	t, err := j.db.Task(ctx, who.task)
	if err != nil {
		return who, fmt.Errorf("find task %s for the audit log: %w", who.task, err)
	}
	who.environment = t.Environment
	return who, nil
}

func (w atGateway) entry(action audit.Action, data map[string]any) (audit.Entry, error) {
	switch {
	case w.examination:
		data["examination"] = w.deployment
	case w.deployment != "":
		data["deployment"] = w.deployment
	}
	entry, err := audit.New(time.Now(), audit.System, action, data)
	entry.Task, entry.Environment = string(w.task), w.environment
	return entry, err
}

// Audit implements gateway.Journal.
func (j journal) Audit(ctx context.Context, session, kind string, data map[string]any) error {
	who, err := j.owner(ctx, session)
	if err != nil {
		return err
	}
	entry, err := who.entry(audit.Action(kind), data)
	if err != nil {
		return err
	}
	return j.db.InTx(ctx, func(tx *store.Tx) error { return tx.Audit(ctx, entry) })
}

// Trip implements gateway.Journal. The task is looked at next, and what has the
// canary stopped.
func (j journal) Trip(ctx context.Context, session, canary, where string) error {
	who, err := j.owner(ctx, session)
	if err != nil {
		return err
	}
	trip := secret.Trip{
		Task: string(who.task), Deployment: who.deployment, Environment: who.environment,
		Canary: canary, Place: secret.InRequest, Where: where, At: time.Now(),
	}
	entry, err := who.entry(audit.CanaryTripped, engine.TripDetail(trip))
	if err != nil {
		return err
	}
	return j.db.InTx(ctx, func(tx *store.Tx) error {
		fresh, err := tx.InsertTrip(ctx, trip)
		if err == nil && fresh {
			err = tx.Audit(ctx, entry)
		}
		if err != nil {
			return err
		}
		return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(who.task)})
	})
}

// Transcript implements gateway.Journal.
func (j journal) Transcript(ctx context.Context, session string, line []byte) error {
	if strings.HasPrefix(session, runSession) {
		return nil // no model is spoken to; what was refused is in the record of the run
	}
	if strings.HasPrefix(session, calibrateSession) {
		return nil // a copy that is forgotten: nothing would remove what was said about it
	}
	cut := fmt.Appendf(nil, "{\"cut\":\"%d bytes: the transcript would be longer than %d\"}\n", len(line), maxTranscript)
	return j.db.AddLog(ctx, "model/"+session, append(line, '\n'), cut, maxTranscript)
}
