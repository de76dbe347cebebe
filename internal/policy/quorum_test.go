package policy_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

// quorum is an approval by several people of staging, the last of whom has the words.
func quorum(people ...forge.User) policy.QuorumFacts {
	f := policy.QuorumFacts{ApprovalFacts: approved()}
	f.Others = nil
	for i, u := range people {
		r := forge.Review{ID: strconv.Itoa(10 + i), Author: u, State: forge.ReviewApproved, Commit: carrier}
		f.Others = append(f.Others, r)
		f.With = append(f.With, policy.Approval{Review: r, Access: forge.AccessWrite})
	}
	f.Review = f.Others[len(people)-1]
	f.With = f.With[:len(people)-1]
	return f
}

// gated are the rules with a gate in staging, where dora approves without being an
// admin, and rob is in the team "security".
func gated(gate policy.Gate) *policy.Policy {
	p := rules()
	p.Roles = map[string]policy.Role{"approver": {Name: "approver", Permissions: []policy.Permission{policy.TasksApprove}}}
	p.Teams = map[string]policy.Team{"security": {Name: "security", Members: []policy.Member{{Subject: rob.Subject}}}}
	for _, u := range []forge.User{dora, rob} {
		p.Bindings = append(p.Bindings, policy.Binding{Name: u.Login, Subject: u.Subject, Role: "approver", Resource: "environment/staging"})
	}
	p.Environments["staging"] = policy.Environment{Name: "staging", Repositories: []string{repo.Key()}, Gate: gate}
	return p
}

var (
	dora = person("5", "dora") // approves, no admin
	rob  = person("6", "rob")  // approves, in the team "security"
)

func TestAQuorumIsWhatTheGateAsksFor(t *testing.T) {
	t.Parallel()
	admin, security := policy.Ask{Role: "environment-admin"}, policy.Ask{Team: "security"}
	two := policy.Gate{Approvals: 2}
	for name, row := range map[string]struct {
		gate    policy.Gate
		people  []forge.User
		missing string // empty: allowed
	}{
		"one":                         {policy.Gate{}, []forge.User{grace}, ""},
		"one of two":                  {two, []forge.User{grace}, "1 of 2 approvals"},
		"two of two":                  {two, []forge.User{grace, dora}, ""},
		"three of two":                {two, []forge.User{grace, dora, rob}, ""},
		"one person twice":            {two, []forge.User{grace, grace}, "1 of 2 approvals"},
		"one with another login":      {two, []forge.User{grace, {Subject: grace.Subject, Login: "gracie", Kind: forge.Person}}, "1 of 2 approvals"},
		"nobody of those asked for":   {policy.Gate{Approvals: 2, From: []policy.Ask{admin}}, []forge.User{dora, rob}, "2 of 2 approvals; one of them must be an environment-admin"},
		"one of those asked for":      {policy.Gate{Approvals: 2, From: []policy.Ask{admin}}, []forge.User{grace, rob}, ""},
		"one for two":                 {policy.Gate{From: []policy.Ask{admin, security}}, []forge.User{rob}, "1 of 1 approvals; one of them must be an environment-admin"},
		"one for each":                {policy.Gate{From: []policy.Ask{admin, security}}, []forge.User{rob, linus}, ""},
		"too few of a kind":           {policy.Gate{From: []policy.Ask{{Role: "environment-admin", Count: 2}}}, []forge.User{grace, rob}, "2 of 2 approvals; two of them must be an environment-admin"},
		"enough of a kind":            {policy.Gate{From: []policy.Ask{{Role: "environment-admin", Count: 2}}}, []forge.User{grace, linus}, ""},
		"a team that does not exist":  {policy.Gate{From: []policy.Ask{{Team: "ghosts"}}}, []forge.User{grace, rob, linus}, `3 approvals; one of them must be a member of team "ghosts"`},
		"an ask for nothing":          {policy.Gate{From: []policy.Ask{{}}}, []forge.User{grace}, "1 of 1 approvals; one of them must be a "},
		"a role of another":           {policy.Gate{From: []policy.Ask{{Role: "server-admin"}}}, []forge.User{grace}, "1 of 1 approvals; one of them must be a server-admin"},
		"a team asked for beside one": {policy.Gate{Approvals: 2, From: []policy.Ask{security}}, []forge.User{grace, linus}, `2 of 2 approvals; one of them must be a member of team "security"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := gated(row.gate).DecideQuorum(quorum(row.people...))
			if q.Allowed != (row.missing == "") || q.Missing != row.missing || q.Waiting != (row.missing != "") {
				t.Errorf("allowed %v, waiting %v, missing %q, want %q:\n%s", q.Allowed, q.Waiting, q.Missing, row.missing, q.Reason)
			}
			if !q.Allowed && !slices.Equal(q.Reason.Refusals(), []string{row.missing}) {
				t.Errorf("refusals %q", q.Reason.Refusals())
			}
		})
	}
}

// Each condition of THREATS.md holds for every approver: broken for one of the
// others, their approval does not count, and after the record nothing goes on.
func TestThreat40To48HoldForEachApproverOfAQuorum(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*policy.QuorumFacts, *policy.Policy){
		"threat 40: no role":          func(f *policy.QuorumFacts, _ *policy.Policy) { other(f, func(r *forge.Review) { r.Author = eve }) },
		"threat 40: read access only": func(f *policy.QuorumFacts, _ *policy.Policy) { f.With[0].Access = forge.AccessRead },
		"threat 41: an older head":    func(f *policy.QuorumFacts, _ *policy.Policy) { other(f, func(r *forge.Review) { r.Commit = landed }) },
		"threat 42: a bot": func(f *policy.QuorumFacts, _ *policy.Policy) {
			other(f, func(r *forge.Review) { r.Author.Kind = forge.Bot })
		},
		"threat 42: the requester": func(f *policy.QuorumFacts, _ *policy.Policy) { f.Requester = dora },
		"threat 44: dismissed": func(f *policy.QuorumFacts, _ *policy.Policy) {
			other(f, func(r *forge.Review) { r.State = forge.ReviewDismissed })
		},
		"threat 45: only a comment": func(f *policy.QuorumFacts, _ *policy.Policy) {
			other(f, func(r *forge.Review) { r.State = forge.ReviewCommented })
		},
		"threat 47: re-used login": func(f *policy.QuorumFacts, _ *policy.Policy) {
			other(f, func(r *forge.Review) { r.Author.Subject.ID = "99" })
		},
		"threat 48: role revoked":    func(_ *policy.QuorumFacts, p *policy.Policy) { p.Bindings = p.Bindings[:3] },
		"the forge does not list it": func(f *policy.QuorumFacts, _ *policy.Policy) { f.Others = f.Others[1:] },
		"they changed their mind":    func(f *policy.QuorumFacts, _ *policy.Policy) { object(f, dora, forge.ReviewChangesRequested) },
		"one of the others objects":  func(f *policy.QuorumFacts, _ *policy.Policy) { object(f, linus, forge.ReviewChangesRequested) },
		"an objection was dismissed": func(f *policy.QuorumFacts, _ *policy.Policy) { object(f, linus, forge.ReviewDismissed) },
		"the gate asks for more": func(_ *policy.QuorumFacts, p *policy.Policy) {
			p.Environments["staging"] = gated(policy.Gate{Approvals: 3}).Environments["staging"]
		},
		"the gate asks for an expert": func(_ *policy.QuorumFacts, p *policy.Policy) {
			p.Environments["staging"] = gated(policy.Gate{Approvals: 2, From: []policy.Ask{{Team: "security"}}}).Environments["staging"]
		},
		"the environment is gone":      func(_ *policy.QuorumFacts, p *policy.Policy) { delete(p.Environments, "staging") },
		"the other is the same person": func(f *policy.QuorumFacts, _ *policy.Policy) { other(f, func(r *forge.Review) { r.Author = grace }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, purpose := range []policy.Purpose{policy.ToRecord, policy.ToLand, policy.ToDeploy} {
				p, f := gated(policy.Gate{Approvals: 2}), quorum(dora, grace)
				f.Purpose, f.LandedHead = purpose, landed
				if purpose == policy.ToDeploy {
					f.PullRequest.Head.Commit = landed
				}
				if q := p.DecideQuorum(f); !q.Allowed {
					t.Fatalf("refused before:\n%s", q.Reason)
				}
				spoil(&f, p)
				if q := p.DecideQuorum(f); q.Allowed {
					t.Errorf("%s: allowed:\n%s", purpose, q.Reason)
				}
			}
		})
	}
}

// other changes the review of the other approver, also as the forge lists it.
func other(f *policy.QuorumFacts, change func(*forge.Review)) {
	change(&f.With[0].Review)
	f.Others = append([]forge.Review{f.With[0].Review}, f.Others[1:]...)
}

func object(f *policy.QuorumFacts, u forge.User, state forge.ReviewState) {
	f.Others = append(f.Others, forge.Review{ID: "30", Author: u, State: state, Commit: carrier})
}

// After the record every review of it must stand, also those that the gate would
// do without by now.
func TestThreat48ASurplusApprovalThatFellTakesTheWholeAway(t *testing.T) {
	t.Parallel()
	p, f := gated(policy.Gate{}), quorum(dora, grace)
	f.With[0].Access = forge.AccessRead
	if q := p.DecideQuorum(f); !q.Allowed || len(q.Counted) != 1 {
		t.Errorf("to record, it is simply not counted:\n%s", q.Reason)
	}
	f.Purpose = policy.ToLand
	if q := p.DecideQuorum(f); q.Allowed {
		t.Errorf("to land:\n%s", q.Reason)
	}
}

// The requester's approval counts as one where an admin says so: never as the only
// one unless one by anybody is enough, and never as one of those asked for.
func TestThreat42WhereTheRequesterMayApprove(t *testing.T) {
	t.Parallel()
	admin := []policy.Ask{{Role: "environment-admin"}}
	for name, row := range map[string]struct {
		gate   policy.Gate
		people []forge.User
		want   bool
	}{
		"not said":                {policy.Gate{Approvals: 2}, []forge.User{grace, dora}, false},
		"alone, one is enough":    {policy.Gate{RequesterMayApprove: true}, []forge.User{grace}, true},
		"alone of two":            {policy.Gate{RequesterMayApprove: true, Approvals: 2}, []forge.User{grace}, false},
		"alone, one is asked for": {policy.Gate{RequesterMayApprove: true, From: admin}, []forge.User{grace}, false},
		"with one not asked for":  {policy.Gate{RequesterMayApprove: true, Approvals: 2, From: admin}, []forge.User{grace, dora}, false},
		"with one asked for":      {policy.Gate{RequesterMayApprove: true, Approvals: 2, From: admin}, []forge.User{grace, linus}, true},
		"with anybody":            {policy.Gate{RequesterMayApprove: true, Approvals: 2}, []forge.User{grace, dora}, true},
		"twice":                   {policy.Gate{RequesterMayApprove: true, Approvals: 2}, []forge.User{grace, grace}, false},
	} {
		f := quorum(row.people...)
		f.Requester = grace
		if q := gated(row.gate).DecideQuorum(f); q.Allowed != row.want {
			t.Errorf("%s: allowed %v:\n%s", name, q.Allowed, q.Reason)
		}
	}
}

func TestThreat40ATeamWhoseMembersAreNotKnownIsNobody(t *testing.T) {
	t.Parallel()
	p := gated(policy.Gate{From: []policy.Ask{{Team: "security"}}})
	if q := p.DecideQuorum(quorum(rob)); !q.Allowed {
		t.Fatalf("a member:\n%s", q.Reason)
	}
	p.Teams["security"] = policy.Team{
		Name: "security", Members: p.Teams["security"].Members,
		Forge: &policy.ForgeTeam{Host: "github", Name: "acme/security", Unread: "502"},
	}
	if q := p.DecideQuorum(quorum(rob)); q.Allowed || !strings.Contains(q.Missing, "who is in acme/security at github is not known: 502") {
		t.Errorf("missing %q:\n%s", q.Missing, q.Reason)
	}
}

// Neither the order of the reviews nor whose words count changes the answer, and
// another approval never takes it away.
func TestTheOrderOfReviewsDoesNotMatter(t *testing.T) {
	t.Parallel()
	everybody := []forge.User{ada, grace, linus, eve, dora, rob}
	rapid.Check(t, func(t *rapid.T) {
		p := gated(anyGate.Draw(t, "gate"))
		good := rapid.SliceOfN(rapid.SampledFrom([]forge.User{grace, linus, dora, rob}), 1, 5).Draw(t, "people")
		f := quorum(good...)
		f.Requester = rapid.SampledFrom(everybody).Draw(t, "requester")
		f.Change = anyChange.Draw(t, "change")
		first := p.DecideQuorum(f)
		if !first.Allowed && !first.Waiting {
			return // whose words count does not count: only their own approval is refused
		}
		mixed := f
		all := rapid.Permutation(append(slices.Clone(f.With), policy.Approval{Review: f.Review, Access: f.Access})).Draw(t, "order")
		for i, a := range all {
			if !p.DecideApproval(of(f, a)).Allowed {
				continue
			}
			mixed.Review, mixed.Access = a.Review, a.Access
			mixed.With = slices.Delete(slices.Clone(all), i, i+1)
			if now := p.DecideQuorum(mixed); now.Allowed != first.Allowed || now.Missing != first.Missing {
				t.Fatalf("%q, then %q", first.Missing, now.Missing)
			}
		}
		more := quorum(append([]forge.User{rapid.SampledFrom(everybody).Draw(t, "another")}, good...)...)
		more.Requester, more.Change = f.Requester, f.Change
		if now := p.DecideQuorum(more); first.Allowed && !now.Allowed {
			t.Fatalf("another approval takes it away:\n%s", now.Reason)
		}
	})
}

func of(f policy.QuorumFacts, a policy.Approval) policy.ApprovalFacts {
	one := f.ApprovalFacts
	one.Review, one.Access = a.Review, a.Access
	return one
}

func TestAGateIsPartOfWhatTakesEnvironmentsManage(t *testing.T) {
	t.Parallel()
	before := gated(policy.Gate{Approvals: 2, Rules: []policy.GateRule{{Name: "r", Paths: []string{"a"}, Approvals: 3}}})
	for name, change := range map[string]func(*policy.Gate){
		"approvals":  func(g *policy.Gate) { g.Approvals = 1 },
		"from":       func(g *policy.Gate) { g.From = []policy.Ask{{Role: "approver"}} },
		"requester":  func(g *policy.Gate) { g.RequesterMayApprove = true },
		"rules":      func(g *policy.Gate) { g.Rules = nil },
		"paths":      func(g *policy.Gate) { g.Rules[0].Paths = []string{"b"} },
		"rule's ask": func(g *policy.Gate) { g.Rules[0].Approvals = 2 },
		"message":    func(g *policy.Gate) { g.CommitMessage = policy.MessageWritten },
	} {
		after := gated(policy.Gate{Approvals: 2, Rules: []policy.GateRule{{Name: "r", Paths: []string{"a"}, Approvals: 3}}})
		env := after.Environments["staging"]
		change(&env.Gate)
		after.Environments["staging"] = env
		if d := policy.CheckChange(policy.Authority{User: dora}, before, after); d.Allowed || !strings.Contains(d.Reason.String(), "environments:manage") {
			t.Errorf("%s is changed by whoever approves:\n%s", name, d.Reason)
		}
		if d := policy.CheckChange(policy.Authority{User: grace}, before, after); !d.Allowed {
			t.Errorf("%s:\n%s", name, d.Reason)
		}
	}
}
