package token

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/policy"
)

func drawScope(t *rapid.T, name string) Scope {
	var s Scope
	if rapid.Bool().Draw(t, name+" narrowed") {
		s.Permissions = rapid.SliceOfNDistinct(rapid.SampledFrom([]policy.Permission{policy.TasksView, policy.TasksCancel, policy.AuditView}), 1, 3, rapid.ID[policy.Permission]).Draw(t, name)
	}
	if rapid.Bool().Draw(t, name+" placed") {
		s.Environments = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 3, rapid.ID[string]).Draw(t, name+" in")
	}
	return s
}

// A scope covers another exactly if it reaches everything that the other reaches.
func TestThreat49AScopeCoversWhatReachesNoMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		wide, narrow := drawScope(t, "wide"), drawScope(t, "narrow")
		more := false
		for _, info := range policy.Permissions() {
			for _, resource := range []string{"environment/a", "environment/b", "environment/c", "environment/d", "team/x", policy.Server, policy.Everything} {
				more = more || narrow.Within(info.Permission, resource).OK && !wide.Within(info.Permission, resource).OK
			}
		}
		if wide.Covers(narrow) == more {
			t.Fatalf("%+v covers %+v: %t", wide, narrow, !more)
		}
		if !wide.Covers(wide) || !(Scope{}).Covers(narrow) || wide.Narrowed() && wide.Covers(Scope{}) {
			t.Fatal("a scope covers itself, no limit covers all, a limit does not cover none")
		}
	})
}
