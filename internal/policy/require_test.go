package policy_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

func joined(parts []string) string { return strings.Join(parts, "/") }

// plainMatch is what patterns mean, by trying every way.
func plainMatch(pattern, name []string) bool {
	if len(pattern) == 0 {
		return len(name) == 0
	}
	if pattern[0] == "**" {
		return plainMatch(pattern[1:], name) || len(name) > 0 && plainMatch(pattern, name[1:])
	}
	if len(name) == 0 {
		return false
	}
	matched, _ := path.Match(pattern[0], name[0])
	return matched && plainMatch(pattern[1:], name[1:])
}

var (
	anyAsk = rapid.Custom(func(t *rapid.T) policy.Ask {
		a := policy.Ask{Count: rapid.IntRange(0, 3).Draw(t, "count")}
		if rapid.Bool().Draw(t, "by role") {
			a.Role = rapid.SampledFrom([]string{"environment-admin", "own"}).Draw(t, "role")
		} else {
			a.Team = rapid.SampledFrom([]string{"red", "blue"}).Draw(t, "team")
		}
		return a
	})
	anyRule = rapid.Custom(func(t *rapid.T) policy.GateRule {
		return policy.GateRule{
			Name:  "r",
			Paths: rapid.SliceOfN(rapid.SampledFrom([]string{"a/**", "b", "**/*.sql"}), 0, 2).Draw(t, "paths"),
			Risks: rapid.SliceOfN(rapid.SampledFrom([]string{"workflow", "binary"}), 0, 1).Draw(t, "risks"),
			Files: rapid.IntRange(0, 4).Draw(t, "files"), Lines: rapid.IntRange(0, 40).Draw(t, "lines"),
			Approvals: rapid.IntRange(0, 4).Draw(t, "approvals"), From: rapid.SliceOfN(anyAsk, 0, 2).Draw(t, "from"),
		}
	})
	anyGate = rapid.Custom(func(t *rapid.T) policy.Gate {
		return policy.Gate{
			Approvals: rapid.IntRange(0, 3).Draw(t, "approvals"), From: rapid.SliceOfN(anyAsk, 0, 2).Draw(t, "from"),
			RequesterMayApprove: rapid.Bool().Draw(t, "requester"), Rules: rapid.SliceOfN(anyRule, 0, 3).Draw(t, "rules"),
		}
	})
	anyPath = rapid.Custom(func(t *rapid.T) task.PathChange {
		return task.PathChange{
			Path:    rapid.SampledFrom([]string{"a/x", "A/y", "b", "c", "db/1.sql"}).Draw(t, "path"),
			Kind:    rapid.SampledFrom([]task.ChangeKind{task.Added, task.Modified, task.Deleted}).Draw(t, "kind"),
			NewMode: rapid.SampledFrom([]string{"100644", "120000", ""}).Draw(t, "mode"),
			Added:   rapid.IntRange(-1, 20).Draw(t, "added"), Removed: rapid.IntRange(-1, 20).Draw(t, "removed"),
			Binary: rapid.Bool().Draw(t, "binary"), Size: rapid.Int64Range(0, 2000).Draw(t, "size"),
		}
	})
	anyRisk = rapid.Custom(func(t *rapid.T) task.Risk {
		return task.Risk{Name: rapid.SampledFrom([]string{"workflow", "binary", "symlink"}).Draw(t, "risk")}
	})
	anyChange = rapid.Custom(func(t *rapid.T) policy.Change {
		return policy.Change{
			Paths: rapid.SliceOfN(anyPath, 0, 5).Draw(t, "paths"), Risks: rapid.SliceOfN(anyRisk, 0, 2).Draw(t, "risks"),
		}
	})
)

// lower reports whether a asks for less than b in any respect.
func lower(a, b policy.Requirement) bool {
	if a.Approvals < b.Approvals {
		return true
	}
	return slices.ContainsFunc(b.From, func(ask policy.Ask) bool {
		return !slices.ContainsFunc(a.From, func(o policy.Ask) bool { return o.Role == ask.Role && o.Team == ask.Team && o.Count >= ask.Count })
	})
}

// Whatever is added, to the rules, to a rule's conditions or to the change: what is
// needed never becomes less, and the order of rules and paths does not matter.
func TestNothingThatIsAddedLowersWhatIsNeeded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		gate, change := anyGate.Draw(t, "gate"), anyChange.Draw(t, "change")
		before := gate.Require(change)
		if before.Approvals < 1 {
			t.Fatalf("nothing is needed: %+v", before)
		}
		more := change
		more.Paths = append(slices.Clone(change.Paths), anyPath.Draw(t, "more"))
		more.Risks = append(slices.Clone(change.Risks), anyRisk.Draw(t, "risk"))
		if lower(gate.Require(more), before) {
			t.Fatalf("a larger change needs less: %v, then %v", before, gate.Require(more))
		}
		stricter := gate
		stricter.Rules = append([]policy.GateRule{anyRule.Draw(t, "another")}, gate.Rules...)
		if lower(stricter.Require(change), before) {
			t.Fatalf("another rule lowers: %v, then %v", before, stricter.Require(change))
		}
		mixed := gate
		mixed.Rules = rapid.Permutation(gate.Rules).Draw(t, "rules")
		change.Paths = rapid.Permutation(change.Paths).Draw(t, "paths")
		if now := mixed.Require(change); lower(now, before) || lower(before, now) {
			t.Fatalf("the order matters: %v, then %v", before, now)
		}
	})
}

func TestSizeCountsFilesWithoutLines(t *testing.T) {
	t.Parallel()
	gate := policy.Gate{Rules: []policy.GateRule{{Name: "size", Lines: 100, Approvals: 2}}}
	for size, want := range map[int64]int{0: 1, 64: 1, 100 * 32: 2, 1 << 40: 2} {
		change := policy.Change{Paths: []task.PathChange{{Path: "x", Added: -1, Removed: -1, Binary: true, Size: size}}}
		if got := gate.Require(change).Approvals; got != want {
			t.Errorf("a binary file of %d bytes needs %d", size, got)
		}
	}
	gate = policy.Gate{Rules: []policy.GateRule{{Name: "size", Files: 2, Approvals: 3}}}
	for n, want := range map[int]int{2: 1, 3: 3} {
		if got := gate.Require(policy.Change{Paths: slicesOf(n)}).Approvals; got != want {
			t.Errorf("%d files need %d", n, got)
		}
	}
}

func TestARequirementInWords(t *testing.T) {
	t.Parallel()
	admin, security := policy.Ask{Role: "environment-admin"}, policy.Ask{Team: "security", Count: 2}
	for want, gate := range map[string]policy.Gate{
		"one approval":                          {},
		"2 approvals":                           {Approvals: 2},
		"one approval, by an environment-admin": {From: []policy.Ask{admin}},
		"3 approvals, two of them by a member of team \"security\", and one of them by an environment-admin": {Approvals: 3, From: []policy.Ask{admin, security}},
	} {
		if got := gate.Require(policy.Change{}).String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
