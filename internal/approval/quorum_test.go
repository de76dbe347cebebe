package approval_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

var linus = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "3"}, Login: "linus", Kind: forge.Person}

// newQuorumWorld has two approving reviews, by grace and then by linus, and a gate
// that asks for two approvals.
func newQuorumWorld() *world {
	w := newWorld()
	w.policy.Bindings = append(w.policy.Bindings,
		policy.Binding{Name: "l", Subject: linus.Subject, Role: "environment-admin", Resource: "environment/staging"})
	w.gateOf(func(g *policy.Gate) { g.Approvals = 2 })
	w.reviews = append(w.reviews, forge.Review{ID: "20", Author: linus, State: forge.ReviewApproved, Commit: carrier, URL: "https://forge/review/20"})
	w.accessOf = map[forge.Subject]forge.Access{}
	return w
}

func (w *world) gateOf(change func(*policy.Gate)) {
	environments := map[string]policy.Environment{}
	for name, env := range w.policy.Environments {
		change(&env.Gate)
		environments[name] = env
	}
	w.policy.Environments = environments
}

// counts has the gate judge a review that must wait for others, and keeps that.
func (w *world) counts(t *testing.T, review string) *approval.RefusedError {
	t.Helper()
	_, err := w.gate().Record(t.Context(), w.task.ID, review)
	refused := (*approval.RefusedError)(nil)
	if !errors.As(err, &refused) || !refused.Waiting {
		t.Fatalf("review %s is not counted: %v", review, err)
	}
	w.task.Judged = append(w.task.Judged, task.Judgement{Review: review, Counted: true})
	return refused
}

// approvedByBoth takes the world to where both approvals are recorded.
func approvedByBoth(t *testing.T, w *world) approval.Record {
	t.Helper()
	w.counts(t, "10")
	r, err := w.gate().Record(t.Context(), w.task.ID, "20")
	if err != nil {
		t.Fatalf("record: %v", err)
	}
	w.records[r.ID] = r
	w.task.State, w.task.ApprovalID = task.Approved, r.ID
	return r
}

func TestAQuorumIsRecordedWithEveryReviewOfIt(t *testing.T) {
	t.Parallel()
	w := newQuorumWorld()
	w.text = approval.Directives{Message: "Sum correctly"}
	r := approvedByBoth(t, w)
	want := []approval.Reviewed{{ID: "10", URL: "https://forge/review/10", Author: grace}, {ID: "20", URL: "https://forge/review/20", Author: linus}}
	if !slices.Equal(r.Reviews, want) || r.Approver != linus || r.ReviewID != "20" {
		t.Errorf("record %+v", r)
	}
	if !slices.Equal(r.Approvers(), []forge.User{linus, grace}) {
		t.Errorf("approvers %v", r.Approvers())
	}
	if !strings.HasPrefix(r.Message, "Sum correctly\n\nCoderflow-Task: ") || !strings.HasSuffix(r.Message, "\nApproved-by: grace (github:2)\n") {
		t.Errorf("message:\n%s", r.Message)
	}
	g, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand)
	if err != nil || g.Author() != linus {
		t.Errorf("%v, author %v", err, g.Author())
	}
}

func TestACountedReviewSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newQuorumWorld()
	w.gateOf(func(g *policy.Gate) { g.From = []policy.Ask{{Team: "security"}} })
	if refused := w.counts(t, "10"); !slices.Equal(refused.Decision.Reason.Refusals(),
		[]string{`1 of 2 approvals; one of them must be a member of team "security"`}) {
		t.Errorf("%q", refused.Decision.Reason.Refusals())
	}
}

// Where the review that is judged last is not the last in the forge's order, the
// words of that one count.
func TestTheNewestReviewOfTheForgesOrderHasTheWords(t *testing.T) {
	t.Parallel()
	w := newQuorumWorld()
	w.counts(t, "20")
	r, err := w.gate().Record(t.Context(), w.task.ID, "10")
	if err != nil || r.Approver != linus || r.ReviewID != "20" || len(r.Reviews) != 2 {
		t.Errorf("%v: %+v", err, r)
	}
}

// Reviews that do not make a quorum, whatever they look like.
func TestThreat40To48AQuorumNeedsDifferentPeopleOnOneHead(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*world){
		"one person twice":               func(w *world) { w.reviews[0].Author = linus },
		"one person under another login": func(w *world) { w.reviews[0].Author = linus; w.reviews[0].Author.Login = "torvalds" },
		"on different heads":             func(w *world) { w.reviews[0].Commit = strings.Repeat("9", 40) },
		"the first was dismissed":        func(w *world) { w.reviews[0].State = forge.ReviewDismissed },
		"the first may not any more":     func(w *world) { w.policy.Bindings = w.policy.Bindings[1:] },
		"the first only reads":           func(w *world) { w.accessOf[grace.Subject] = forge.AccessRead },
		"the first is the requester":     func(w *world) { w.task.Requester = grace },
		"the first is a bot":             func(w *world) { w.reviews[0].Author.Kind = forge.Bot },
		"nobody counted the first":       func(w *world) { w.task.Judged = nil },
		"the gate refused the first":     func(w *world) { w.task.Judged[0].Counted = false },
		"the rule was raised":            func(w *world) { w.gateOf(func(g *policy.Gate) { g.Approvals = 3 }) },
		"the head was rewritten":         func(w *world) { w.changes = []forge.HeadChange{{Actor: ada}} },
		"somebody objects": func(w *world) {
			w.reviews = append(w.reviews, forge.Review{ID: "30", Author: grace, State: forge.ReviewChangesRequested, Commit: carrier})
		},
		"an unclear directive":     func(w *world) { w.text.Problems = []string{"what?"} },
		"a deployment elsewhere":   func(w *world) { w.text.Deploy = []approval.Arming{{Profile: "x"}} },
		"a forged trailer":         func(w *world) { w.text.Message = "x\n\nApproved-by: ceo" },
		"a forged trailer, spaced": func(w *world) { w.text.Message = "x\n\n\tapproved-BY : ceo" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newQuorumWorld()
			w.counts(t, "10")
			spoil(w)
			if r, err := w.gate().Record(t.Context(), w.task.ID, "20"); err == nil {
				t.Errorf("recorded: %+v", r)
			}
		})
	}
}

// Between the record and the push each approver is looked at again, and so is what
// the gate asks for by then.
func TestThreat43To48EveryReviewOfAQuorumIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world, *approval.Record){
		"the first was dismissed":          func(w *world, _ *approval.Record) { w.reviews[0].State = forge.ReviewDismissed },
		"the second was dismissed":         func(w *world, _ *approval.Record) { w.reviews[1].State = forge.ReviewDismissed },
		"the first's role was taken away":  func(w *world, _ *approval.Record) { w.policy.Bindings = w.policy.Bindings[1:] },
		"the second's role was taken away": func(w *world, _ *approval.Record) { w.policy.Bindings = w.policy.Bindings[:1] },
		"the first only reads":             func(w *world, _ *approval.Record) { w.accessOf[grace.Subject] = forge.AccessRead },
		"the first belongs to another":     func(w *world, _ *approval.Record) { w.reviews[0].Author = ada },
		"the first belongs to the second":  func(w *world, _ *approval.Record) { w.reviews[0].Author = linus },
		"the first belongs to another who may approve": func(w *world, _ *approval.Record) {
			margaret := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "9"}, Login: "grace", Kind: forge.Person}
			w.policy.Bindings = append(w.policy.Bindings, policy.Binding{Name: "m", Subject: margaret.Subject, Role: "environment-admin", Resource: "environment/staging"})
			w.reviews[0].Author = margaret
		},
		"the first is gone":            func(w *world, _ *approval.Record) { w.reviews = w.reviews[1:] },
		"the first is of another head": func(w *world, _ *approval.Record) { w.reviews[0].Commit = strings.Repeat("9", 40) },
		"the gate asks for three":      func(w *world, _ *approval.Record) { w.gateOf(func(g *policy.Gate) { g.Approvals = 3 }) },
		"the gate asks for a team": func(w *world, _ *approval.Record) {
			w.gateOf(func(g *policy.Gate) { g.From = []policy.Ask{{Team: "security"}} })
		},
		"a rule was put in force": func(w *world, _ *approval.Record) {
			w.gateOf(func(g *policy.Gate) {
				g.Rules = []policy.GateRule{{Name: "new", Paths: []string{".github/**"}, Approvals: 3}}
			})
		},
		"the record lost a review": func(w *world, r *approval.Record) { r.Reviews = r.Reviews[1:]; w.records[r.ID] = *r },
		"the record lost them all": func(w *world, r *approval.Record) { r.Reviews = nil; w.records[r.ID] = *r },
		"the record says one twice": func(w *world, r *approval.Record) {
			r.Reviews = []approval.Reviewed{r.Reviews[1], {ID: "20", Author: linus}}
			w.records[r.ID] = *r
		},
		"the first objects": func(w *world, _ *approval.Record) {
			w.reviews = append(w.reviews, forge.Review{ID: "30", Author: grace, State: forge.ReviewChangesRequested, Commit: carrier})
		},
		"an objection was dismissed": func(w *world, _ *approval.Record) {
			w.reviews = append(w.reviews, forge.Review{ID: "30", Author: grace, State: forge.ReviewDismissed, Commit: carrier})
		},
		"the first became the requester": func(w *world, _ *approval.Record) { w.task.Requester = grace },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, purpose := range []policy.Purpose{policy.ToLand, policy.ToDeploy} {
				w := newQuorumWorld()
				w.proposal.Manifest = []task.PathChange{{Path: ".github/workflows/ci.yml", Kind: task.Deleted, OldMode: "100644"}}
				w.proposal.Digest = w.proposal.ComputeDigest()
				r := approvedByBoth(t, w)
				if purpose == policy.ToDeploy {
					w.task.LandedCommit, w.task.State = strings.Repeat("e", 40), task.Deploying
					w.pr.Head.Commit = w.task.LandedCommit
				}
				if _, err := w.redeem(t, r, purpose); err != nil {
					t.Fatalf("before the change: %v", err)
				}
				change(w, &r)
				if g, err := w.redeem(t, r, purpose); err == nil || g.Check() == nil {
					t.Errorf("redeemed for %q", purpose)
				}
			}
		})
	}
}

// What was recorded when one approval was always enough is still read, and stands
// only as long as one is.
func TestRecordsOfOneReviewAreStillRead(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := recorded(t, w)
	r.Reviews = nil
	w.records[r.ID] = r
	if _, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand); err != nil {
		t.Errorf("refused: %v", err)
	}
	w.gateOf(func(g *policy.Gate) { g.Approvals = 2 })
	if _, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand); err == nil {
		t.Error("one review lands what takes two by now")
	}
}

// Only the words of the review that completes the quorum have an effect, and arming
// takes the permission of its author.
func TestThreat52ArmingTakesThePermissionOfWhoCompletesTheQuorum(t *testing.T) {
	t.Parallel()
	w := newQuorumWorld()
	w.policy.Roles = map[string]policy.Role{"approver": {Name: "approver", Permissions: []policy.Permission{policy.TasksApprove}}}
	w.policy.Bindings[1].Role = "approver"
	w.counts(t, "10")
	w.text.Deploy = []approval.Arming{{Profile: "notify"}}
	if r, err := w.gate().Record(t.Context(), w.task.ID, "20"); err == nil {
		t.Errorf("armed without the permission: %+v", r.Armed)
	}
	w.policy.Bindings[0].Role, w.policy.Bindings[1].Role = "approver", "environment-admin"
	r, err := w.gate().Record(t.Context(), w.task.ID, "20")
	if err != nil || len(r.Armed) != 1 {
		t.Errorf("%v: armed %v", err, r.Armed)
	}
}

// Threat 50: names of approvers make one line each, whatever is in them.
func TestThreat50ApproversNamesMakeOneTrailerEach(t *testing.T) {
	t.Parallel()
	w := newQuorumWorld()
	w.reviews[0].Author.Login = "grace\nCoderflow-Task: other\u2028Approved-by: ceo\r"
	r := approvedByBoth(t, w)
	lines := strings.Split(strings.TrimSuffix(r.Message, "\n"), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "Approved-by: graceCoderflow-Task: other") || strings.Count(r.Message, "\nApproved-by:") != 1 ||
		strings.Count(r.Message, "\nCoderflow-Task:") != 1 {
		t.Errorf("message:\n%s", r.Message)
	}
}

// A repository that was taken out of the environment is not landed under its gate.
func TestThreat49AMovedRepositoryIsNotApprovedUnderTheFormerGate(t *testing.T) {
	t.Parallel()
	moved := func(w *world) {
		staging := w.policy.Environments["staging"]
		staging.Repositories = nil
		w.policy.Environments["staging"] = staging
	}
	w := newWorld()
	r := recorded(t, w)
	moved(w)
	if g, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand); err == nil || g.Check() == nil {
		t.Error("it lands")
	}
	w = newWorld()
	moved(w)
	var refused *approval.RefusedError
	if _, err := w.gate().Record(t.Context(), w.task.ID, "10"); !errors.As(err, &refused) {
		t.Errorf("recorded: %v", err)
	}
}

// A review under an environment that was removed is answered with a refusal.
func TestARemovedEnvironmentIsARefusal(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.policy.Environments = nil
	w.broken["Standing"] = errors.New("there is no such environment any more")
	var refused *approval.RefusedError
	if _, err := w.gate().Record(t.Context(), w.task.ID, "10"); !errors.As(err, &refused) {
		t.Errorf("not a refusal: %v", err)
	}
}

// One profile of one environment is armed once, however its environment is named.
func TestAProfileThatIsNamedTwiceIsUnclear(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.text.Deploy = []approval.Arming{{Profile: "notify"}, {Environment: "staging", Profile: "notify"}}
	_, err := w.gate().Record(t.Context(), w.task.ID, "10")
	var refused *approval.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Decision.Reason.String(), "staging/notify twice") {
		t.Errorf("recorded: %v", err)
	}
}
