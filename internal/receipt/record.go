package receipt

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
)

// told is the part of the entries' details that receipts are made of. Which keys
// there are depends on the action.
type told struct {
	URL, Text, Repository                      string // task.created
	Base, Tree, Digest                         string // proposal.recorded, push.intended
	Approval, Review                           string // everything after
	Reviews                                    []approval.Reviewed
	Landing                                    *Landing
	Checks, Judges                             []Result
	Armed, Decision, Replay                    json.RawMessage // approval.recorded of before had them
	Commit, Parent, Ref, Expected              string
	Outcome                                    json.RawMessage
	Deployment, Environment, Profile           string
	ProfileVersion, Covers, RequestedBy, State string
	ExitCode                                   *int
}

// isDeployment are the entries about deployments that a receipt carries.
func isDeployment(a audit.Action) bool {
	return slices.Contains([]audit.Action{
		audit.DeployRequested, audit.DeployMerged, audit.DeployIntent, audit.DeployStarted, audit.DeployEnded,
	}, a)
}

// ErrTellsMore is an approval whose entry, of an earlier version, tells of other
// environments: it is proven as a whole or not at all.
var ErrTellsMore = errors.New("the audit log's entry of the approval was written by an earlier version and tells more than a receipt may show, so there is no receipt")

// Select picks the entries of a task's log that belong to an approval's receipt, and
// counts deployments in environments that are not to be shown.
func Select(log []audit.Entry, approvalID, digest string, shows func(environment string) bool) (chosen []audit.Entry, hidden int, err error) {
	elsewhere, proposed := map[string]bool{}, false
	for _, e := range log {
		var d told
		switch {
		case e.Action == audit.TaskCreated:
			chosen = append(chosen, e)
			continue
		case !isDeployment(e.Action) && !slices.Contains([]audit.Action{
			audit.ProposalRecorded, audit.ApprovalRecorded, audit.PushIntent, audit.PushDone, audit.CommitKept,
		}, e.Action):
			continue
		}
		if err := json.Unmarshal(e.Detail, &d); err != nil {
			return nil, 0, fmt.Errorf("read audit entry %d: %w", e.Seq, err)
		}
		switch {
		case e.Action == audit.ProposalRecorded && d.Digest == digest && !proposed:
			proposed = true
		case e.Action == audit.ProposalRecorded || d.Approval != approvalID:
			continue
		case e.Action == audit.ApprovalRecorded && (d.Landing == nil || len(d.Armed)+len(d.Decision)+len(d.Replay) > 0):
			return nil, 0, ErrTellsMore
		case isDeployment(e.Action) && !shows(e.Environment):
			elsewhere[d.Deployment] = true
			continue
		}
		chosen = append(chosen, e)
	}
	return chosen, len(elsewhere), nil
}

// ErrNothingLanded is an approval under which no commit was pushed or kept.
var ErrNothingLanded = errors.New("nothing landed under the approval, so there is no receipt")

// story is what the entries say together.
type story struct {
	Record
	task, environment, repository string
	approval, digest              string
	proposed                      told
	intended, landed              *told
	landing                       Landing
	checks, judges                []Result
	approver                      string // actor of the approval: the commit's author
	numbers                       map[audit.Action]int64
}

// read makes a record of entries, in the order of the log. What they say of one
// thing they must all say.
func read(approvalID string, entries []audit.Entry) (story, error) {
	s := story{approval: approvalID, numbers: map[audit.Action]int64{}}
	s.Deployments, s.checks, s.judges = []Deployment{}, []Result{}, []Result{}
	for i, e := range entries {
		if i > 0 && e.Seq <= entries[i-1].Seq {
			return s, fmt.Errorf("entry %d stands after entry %d", e.Seq, entries[i-1].Seq)
		}
		if err := s.add(e); err != nil {
			return s, fmt.Errorf("entry %d (%s): %w", e.Seq, e.Action, err)
		}
	}
	for _, a := range []audit.Action{audit.TaskCreated, audit.ProposalRecorded, audit.ApprovalRecorded} {
		if s.numbers[a] == 0 {
			return s, fmt.Errorf("there is no entry %s", a)
		}
	}
	if s.landed == nil {
		return s, ErrNothingLanded
	}
	return s, s.agrees()
}

// ground is the entry before which another one cannot be.
func ground(a audit.Action) audit.Action {
	switch a {
	case audit.TaskCreated:
		return ""
	case audit.ProposalRecorded:
		return audit.TaskCreated
	case audit.ApprovalRecorded:
		return audit.ProposalRecorded
	case audit.PushDone:
		return audit.PushIntent
	}
	return audit.ApprovalRecorded
}

// kept is the outcome of a commit that was not pushed.
const kept = "kept"

func (s *story) add(e audit.Entry) error {
	var d told
	if err := json.Unmarshal(e.Detail, &d); err != nil {
		return fmt.Errorf("read its detail: %w", err)
	}
	if s.task = cmp.Or(s.task, e.Task); e.Task != s.task || e.Task == "" {
		return fmt.Errorf("it is of task %q, and those before of %q", e.Task, s.task)
	}
	if !isDeployment(e.Action) {
		if s.numbers[e.Action] != 0 {
			return fmt.Errorf("it is there twice, also as entry %d", s.numbers[e.Action])
		}
		s.numbers[e.Action] = e.Seq
	}
	if before := ground(e.Action); before != "" && s.numbers[before] == 0 {
		return fmt.Errorf("no entry %s comes before it", before)
	}
	switch e.Action {
	case audit.TaskCreated:
		s.environment, s.repository = e.Environment, d.Repository
		s.Request.By, s.Request.URL, s.Request.At, s.Request.Text = e.Actor, d.URL, e.At, d.Text
		return nil
	case audit.ProposalRecorded:
		s.proposed, s.digest = d, d.Digest
		return nil
	}
	if d.Approval != s.approval {
		return fmt.Errorf("it is of approval %q", d.Approval)
	}
	switch {
	case e.Action == audit.ApprovalRecorded:
		return s.approved(e, d)
	case e.Action == audit.PushIntent:
		s.intended = &d
	case e.Action == audit.PushDone, e.Action == audit.CommitKept:
		return s.ended(e, d)
	case isDeployment(e.Action):
		return s.deployed(e, d)
	default:
		return errors.New("it does not belong into a receipt")
	}
	return nil
}

// approved puts the review that completed the quorum first: its author is the actor.
func (s *story) approved(e audit.Entry, d told) error {
	s.ApprovedAt, s.approver = e.At, e.Actor
	first := slices.IndexFunc(d.Reviews, func(r approval.Reviewed) bool { return r.Author.Subject.String() == e.Actor && r.URL == d.Review })
	if first < 0 {
		return errors.New("the review of its actor is not among its reviews")
	}
	s.Approvers = append([]approval.Reviewed{d.Reviews[first]}, slices.Delete(slices.Clone(d.Reviews), first, first+1)...)
	seen := map[forge.Subject]bool{}
	for _, r := range s.Approvers {
		if r.Author.Subject.IsZero() || seen[r.Author.Subject] {
			return fmt.Errorf("somebody approves twice or is nobody: %s", r.Author.Subject)
		}
		seen[r.Author.Subject] = true
	}
	if d.Landing == nil {
		return errors.New("it does not say what the commit says")
	}
	s.landing = *d.Landing
	s.checks, s.judges = append(s.checks, d.Checks...), append(s.judges, d.Judges...)
	if d.Digest != s.digest {
		return fmt.Errorf("it approves %s, and the proposal is %s", d.Digest, s.digest)
	}
	return nil
}

func (s *story) ended(e audit.Entry, d told) error {
	if s.landed != nil {
		return errors.New("the commit was pushed or kept twice")
	}
	s.landed = &d
	s.Push = Push{Outcome: outcome(e.Action, d.Outcome), Ref: d.Ref, Expected: d.Expected, At: e.At}
	if s.intended != nil {
		s.Push.Expected = s.intended.Expected // a push that was found does not say it again
	}
	return nil
}

// outcome is a push's in words.
func outcome(a audit.Action, raw json.RawMessage) string {
	var words string
	var pushed struct{ AlreadyPushed bool }
	switch {
	case a == audit.CommitKept:
		return kept
	case json.Unmarshal(raw, &words) == nil && words != "":
		return words
	case json.Unmarshal(raw, &pushed) == nil && pushed.AlreadyPushed:
		return "was there already"
	}
	return "pushed"
}

// deployed keeps how far a deployment came. What it is does not change on the way.
func (s *story) deployed(e audit.Entry, d told) error {
	next := Deployment{
		ID: d.Deployment, Environment: d.Environment, Profile: d.Profile, ProfileVersion: d.ProfileVersion, Commit: d.Commit,
		Covers: d.Covers, RequestedBy: d.RequestedBy, State: d.State, ExitCode: d.ExitCode, At: e.At,
	}
	if d.Environment != e.Environment {
		return fmt.Errorf("it is of environment %q and tells of %q", e.Environment, d.Environment)
	}
	i := slices.IndexFunc(s.Deployments, func(o Deployment) bool { return o.ID == d.Deployment })
	if i < 0 {
		s.Deployments = append(s.Deployments, next)
		return nil
	}
	same := s.Deployments[i]
	same.State, same.ExitCode, same.At = next.State, next.ExitCode, next.At
	if same != next {
		return fmt.Errorf("it tells of deployment %s otherwise than those before", d.Deployment)
	}
	s.Deployments[i] = next
	return nil
}

// agrees holds what the entries say of the commit against each other.
func (s *story) agrees() error {
	told := []*told{s.landed}
	if s.intended != nil {
		told = append(told, s.intended)
	}
	for _, d := range told {
		switch {
		case d.Commit != s.landed.Commit || d.Commit == "":
			return fmt.Errorf("the entries name two commits, %q and %q", d.Commit, s.landed.Commit)
		case d.Tree != "" && d.Tree != s.proposed.Tree, d.Parent != "" && d.Parent != s.proposed.Base:
			return errors.New("the commit has another tree or parent than the proposal")
		case d.Ref != s.landed.Ref:
			return fmt.Errorf("the entries name two refs, %q and %q", d.Ref, s.landed.Ref)
		}
	}
	for _, d := range s.Deployments {
		if d.Covers == approval.CoversLanded && d.Commit != s.landed.Commit {
			return fmt.Errorf("deployment %s is of commit %s, which is not the one that landed", d.ID, d.Commit)
		}
	}
	return nil
}
