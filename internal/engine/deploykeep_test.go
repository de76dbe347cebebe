package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// keepStore has runs that are too many, and remembers what is removed and audited.
type keepStore struct {
	Store
	Tx
	surplus []deploy.Run
	asked   []int
	removed []string
	log     []audit.Entry
}

func (s *keepStore) InTx(_ context.Context, f func(Tx) error) error { return f(s) }

func (s *keepStore) RunEnvironments(context.Context) ([]string, error) {
	return []string{"none", "removed", "staging"}, nil
}

func (s *keepStore) SurplusRuns(_ context.Context, environment string, keep, _ int) ([]deploy.Run, error) {
	s.asked = append(s.asked, keep)
	return slices.DeleteFunc(slices.Clone(s.surplus), func(r deploy.Run) bool { return r.Environment != environment }), nil
}

func (s *keepStore) RemoveRun(_ context.Context, r deploy.Run) error {
	s.removed = append(s.removed, r.ID)
	return nil
}

func (s *keepStore) Audit(_ context.Context, e audit.Entry) error {
	s.log = append(s.log, e)
	return nil
}

// keepStorage cannot remove one container yet, and one not at all.
type keepStorage struct {
	Storage
	volumes []string
}

func (s *keepStorage) Remove(_ context.Context, name string) error {
	switch name {
	case deploy.Run{ID: "used"}.ContainerName():
		return sandbox.ErrInUse
	case deploy.Run{ID: "stuck"}.ContainerName():
		return errors.New("the engine is away")
	}
	return nil
}

func (s *keepStorage) RemoveVolume(_ context.Context, name string) error {
	s.volumes = append(s.volumes, name)
	return nil
}

// A record goes with what is left of its container, so that nobody is left behind who
// is not known any more; the audit log tells what it was.
func TestOldDeploymentsGoWithWhatIsLeftOfThem(t *testing.T) {
	t.Parallel()
	environment := manifest.Environment{Name: "staging", Deployments: manifest.Deployments{Keep: 7}}
	db := &keepStore{}
	for _, id := range []string{"used", "stuck", "old"} {
		db.surplus = append(db.surplus, deploy.Run{ID: id, Environment: "staging", State: deploy.Succeeded, Task: "aaaaaaaaaaaa", Profile: "publish"})
	}
	db.surplus = append(db.surplus, deploy.Run{ID: "orphan", Environment: "removed", State: deploy.Failed, Task: "aaaaaaaaaaaa", Profile: "publish"})
	storage := &keepStorage{}
	e := New(Options{Store: db, Storage: storage, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	r := &retirement{engine: e, set: &manifest.Set{Environments: map[string]manifest.Environment{"staging": environment, "none": {}}}}
	if err := r.deployments(t.Context()); err == nil {
		t.Error("a container that stays is not told of")
	}
	if !slices.Equal(db.asked, []int{manifest.DefaultKeep, 7}) || !slices.Equal(db.removed, []string{"orphan", "old"}) {
		t.Errorf("asked to keep %v, removed %q", db.asked, db.removed)
	}
	if len(db.log) != 2 || db.log[1].Action != audit.DeployRemoved || db.log[1].Environment != "staging" || db.log[1].Task != "aaaaaaaaaaaa" {
		t.Errorf("the log has %+v", db.log)
	}
}
