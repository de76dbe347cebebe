package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

func (l *lab) Deployment(context.Context, string) (deploy.Run, error) {
	return deploy.Run{}, task.ErrNotFound
}
func (l *lab) Owner(context.Context, string) (task.Task, error)   { return l.w.t, nil }
func (l *lab) SetCursor(context.Context, string, time.Time) error { return nil }
func (l *lab) DropCursor(context.Context, string) error           { return nil }

// retire does what the retention sweep does with containers and workspaces.
func (l *lab) retire(t *testing.T) {
	t.Helper()
	r := &retirement{engine: l.e, set: &manifest.Set{}, owners: map[string]*task.Task{}}
	if err := errors.Join(r.containers(t.Context()), r.workspaces(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// A proposal can wait for weeks, and be examined often.
func TestWhatAnExaminationLeavesGoesWithItsEnd(t *testing.T) {
	t.Parallel()
	l := newLab(check("tests"))
	l.look(t)
	name := l.started[0].Name
	l.output[name] = "so far"
	l.retire(t)
	if len(l.box) != 1 || len(l.filled) != 1 {
		t.Fatalf("of one that runs, %d containers and %d workspaces are left", len(l.box), len(l.filled))
	}
	l.output[name] = "so far, and its end"
	l.exits(name, sandbox.ReasonOK, 0)
	l.stuck = errors.New("the engine is slow")
	l.look(t)
	if l.states("tests") != "passed" || len(l.box) != 0 || len(l.filled) != 1 {
		t.Errorf("%s, and %d containers and %d workspaces are left", l.states("tests"), len(l.box), len(l.filled))
	}
	l.stuck = nil
	l.retire(t)
	if len(l.filled) != 0 {
		t.Error("what could not be removed stays while the proposal waits")
	}
	l.retire(t)
	if got := string(l.logs[l.all[0].LogStream()]); got != "so far, and its end" {
		t.Errorf("its output is %q", got)
	}
	l.jobs = nil
	if err := l.e.examinationChanged(t.Context(), l.all[0].ID); err != nil || len(l.jobs) != 0 {
		t.Errorf("its removal has the forge read: %v, %v", l.jobs, err)
	}
}

func TestACancelledExaminationLeavesItsOutputAlone(t *testing.T) {
	t.Parallel()
	l := newLab(check("tests"))
	l.look(t)
	l.output[l.started[0].Name] = "until now"
	l.defines()
	l.look(t)
	if l.states("tests") != "cancelled" || len(l.box)+len(l.filled) != 0 || string(l.logs[l.all[0].LogStream()]) != "until now" {
		t.Errorf("%s: %v and %v are left, and %q", l.states("tests"), l.box, l.filled, l.logs)
	}
}
