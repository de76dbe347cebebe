package approval_test

import (
	"context"
	"errors"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/policy"
)

// stops are what is frozen from the nth look on.
type stops struct {
	set   freeze.Set
	from  int
	looks int
	err   error
}

func (s *stops) Unfrozen(_ context.Context, environments ...string) error {
	if s.looks++; s.looks < s.from {
		return nil
	}
	if s.err != nil {
		return &freeze.Error{Cause: s.err}
	}
	return s.set.Refuse(environments...)
}

// A freeze that comes before, or while the forge is being read, or that cannot be
// read, gives no grant; the approval is what it was.
func TestNoGrantWhileFrozen(t *testing.T) {
	t.Parallel()
	staging := freeze.Set{{ID: "1", Resource: freeze.Environment("staging"), Reason: "a leak", By: "github:1"}}
	elsewhere := freeze.Set{{ID: "1", Resource: freeze.Environment("test")}}
	for name, row := range map[string]struct {
		s     stops
		grant bool
	}{
		"before":            {stops{set: staging}, false},
		"during":            {stops{set: staging, from: 2}, false},
		"the whole server":  {stops{set: freeze.Set{{ID: "1", Resource: freeze.Server}}}, false},
		"elsewhere":         {stops{set: elsewhere}, true},
		"nobody can tell":   {stops{err: errors.New("no database")}, false},
		"nobody can, later": {stops{err: errors.New("no database"), from: 2}, false},
	} {
		w := newWorld()
		r := recorded(t, w)
		gate := w.gate()
		gate.Freezes = &row.s
		grant, err := gate.Redeem(t.Context(), r.ID, policy.ToLand)
		frozen, refused := (*freeze.Error)(nil), (*approval.RefusedError)(nil)
		if row.grant != (grant.Check() == nil) || !row.grant && (!errors.As(err, &frozen) || errors.As(err, &refused)) {
			t.Errorf("%s: %v, %v", name, grant.Check(), err)
		}
	}
}

func TestNoDeploymentWhileItsOrItsApprovalsEnvironmentIsFrozen(t *testing.T) {
	t.Parallel()
	for resource, want := range map[string]bool{
		freeze.Environment("staging"): false, freeze.Environment("production"): false, freeze.Server: false, freeze.Environment("test"): true,
	} {
		w, r := deployable(t)
		w.policy.Bindings = append(w.policy.Bindings, policy.Binding{
			Name: "p", Subject: grace.Subject, Role: "environment-admin", Resource: "environment/production",
		})
		gate := w.gate()
		gate.Freezes = &stops{set: freeze.Set{{ID: "1", Resource: resource}}, from: 2}
		grant, err := gate.RedeemDeployment(t.Context(), r.ID, asked(r, "production", landed, false))
		frozen := (*freeze.Error)(nil)
		if want != (grant.Check() == nil) || !want && !errors.As(err, &frozen) {
			t.Errorf("%s: %v, %v", resource, grant.Check(), err)
		}
	}
}
