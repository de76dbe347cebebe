package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/command"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// People send a proposal back in two ways: by a command, which is kept as feedback as
// soon as it is read, and by a review that requests changes, which the task's own step
// finds at the forge. Feedback is taken up by the step (see revision.go).

// revise keeps what the author of a comment asks of the proposal.
func (c *conversation) revise(ctx context.Context, cmd command.Command) error {
	if !c.event.Issue.IsPullRequest {
		c.say(present.CommandProblem(fmt.Sprintf("/coderflow %s works on the pull request of a proposal", cmd.Name)))
		return nil
	}
	t, found, err := c.latest(ctx)
	if err != nil || !found {
		return err
	}
	repository, err := c.e.Forge.Repository(ctx, c.event.Repository)
	if err != nil {
		return fmt.Errorf("read the repository: %w", err)
	}
	_, decision := c.rules.DecideRun(policy.RunRequest{Requester: c.event.Actor, Repository: repository, Environment: t.Environment})
	if !decision.Allowed {
		c.refuse(ctx, decision)
		return nil
	}
	if why := unrevisable(t, cmd, c.set.Environments[t.Environment]); why != "" {
		c.say(present.CommandProblem(why))
		return nil
	}
	if free, err := c.unfrozen(ctx, t.Environment, "comment again"); err != nil || !free {
		return err
	}
	f := task.Feedback{
		Task: t.ID, Key: "comment:" + c.event.Comment.ID, Kind: task.FeedbackRevise, By: c.event.Actor, URL: c.event.Comment.URL,
		Text: cut(cmd.Text), About: t.Round(), PolicyVersion: decision.PolicyVersion, At: c.event.Comment.CreatedAt,
	}
	if cmd.Name == command.Rebase {
		f.Kind, f.Key, f.Text = task.FeedbackRebase, f.Key+"/rebase", ""
	}
	c.say(present.RevisionAsked(t, f.Kind))
	c.write(func(tx Tx) error { return c.e.keepFeedback(ctx, tx, t, f) })
	return nil
}

// unrevisable says why nothing can be asked of the task's proposal now; empty if it can.
func unrevisable(t task.Task, cmd command.Command, env manifest.Environment) string {
	switch {
	case t.State.Ended():
		return fmt.Sprintf("task %s has ended: %s; comment /coderflow retry on the issue for a new proposal", t.ID, t.State)
	case t.State == task.Approved || t.State.CarriedOut():
		return fmt.Sprintf("task %s is %s: what was approved is being carried out and cannot be revised", t.ID, t.State)
	case t.Round() >= env.Proposal.MaxRevisions:
		return fmt.Sprintf("task %s has had %d revisions, which is as many as environment %s lets one have; comment /coderflow retry on the issue after closing this pull request", t.ID, t.Round(), t.Environment)
	case cmd.Name == command.Revise && strings.TrimSpace(cmd.Text) == "":
		return "say what is to be different: /coderflow revise TEXT"
	}
	return ""
}

// keepFeedback stores feedback with its audit entry and has the task looked at.
func (e *Engine) keepFeedback(ctx context.Context, tx Tx, t task.Task, f task.Feedback) error {
	fresh, err := tx.InsertFeedback(ctx, f)
	if err != nil || !fresh {
		return err
	}
	err = e.audit(ctx, tx, &t, f.By.Subject.String(), audit.RevisionAsked, map[string]any{
		"feedback": f.Key, "kind": f.Kind, "url": f.URL, "about": f.About, "policyVersion": f.PolicyVersion,
		"said": said(f), "text": feedbackDigest(f), "remarks": len(f.Remarks),
	})
	if err != nil {
		return err
	}
	return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(t.ID)})
}

// maxSaid bounds the words of feedback in the audit log, in bytes. The whole text is
// pinned by its digest.
const maxSaid = 2_000

func said(f task.Feedback) string {
	if len(f.Text) <= maxSaid {
		return f.Text
	}
	return strings.ToValidUTF8(f.Text[:maxSaid], "") + "…"
}

// feedbackDigest is "sha256:…" over the words of the feedback.
func feedbackDigest(f task.Feedback) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %s", len(f.Text), f.Text)
	for _, r := range f.Remarks {
		fmt.Fprintf(h, "\n%d %s %d %t %d %s", len(r.Path), r.Path, r.Line, r.Removed, len(r.Text), r.Text)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// takeReviews keeps reviews that request changes as feedback: of people who may ask for
// a task or approve one, about any revision of this task's proposal.
func (e *Engine) takeReviews(ctx context.Context, w *work, reviews []forge.Review, known []task.Feedback) error {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	env := set.Environments[w.t.Environment]
	if !env.Proposal.ReviseOnReview || w.t.Round() >= env.Proposal.MaxRevisions {
		return nil
	}
	rules := set.Policy(e.Admins...)
	for i, r := range reviews {
		key := "review:" + r.ID
		taken := slices.ContainsFunc(known, func(f task.Feedback) bool { return f.Key == key })
		if taken || !sendsBack(reviews[i:]) || e.isWordless(&w.t, r) || e.beforeRestore(ctx, r.SubmittedAt, r.URL) {
			continue
		}
		version, may := mayAsk(rules, r.Author, w.t.Environment)
		if !may {
			continue
		}
		f, about, err := e.reviewFeedback(ctx, &w.t, r)
		if err != nil {
			return err
		}
		if !about {
			continue
		}
		if f.Text == "" && len(f.Remarks) == 0 {
			e.said.Store(wordlessKey(&w.t, r), true)
			continue
		}
		f.Key, f.PolicyVersion = key, version
		if err := e.Store.InTx(ctx, func(tx Tx) error { return e.keepFeedback(ctx, tx, w.t, f) }); err != nil {
			return fmt.Errorf("keep review %s: %w", r.ID, err)
		}
	}
	return nil
}

// sendsBack reports whether the first of the reviews is a person's who still requests
// changes: they did not approve the same commit since.
func sendsBack(following []forge.Review) bool {
	r := following[0]
	return r.State == forge.ReviewChangesRequested && r.Author.Kind == forge.Person && !policy.Withdrawn(following)
}

// isWordless reports whether the review is known to say nothing, so that what it says of
// lines is not read at each look: it was sent with all that it says of them. Words can be
// added to it later.
func (e *Engine) isWordless(t *task.Task, r forge.Review) bool {
	_, known := e.said.Load(wordlessKey(t, r))
	return known && strings.TrimSpace(r.Body) == ""
}

func wordlessKey(t *task.Task, r forge.Review) string { return "wordless:" + string(t.ID) + "/" + r.ID }

// mayAsk reports whether the person may send a proposal back.
func mayAsk(rules *policy.Policy, who forge.User, environment string) (version string, may bool) {
	for _, permission := range []policy.Permission{policy.TasksCreate, policy.TasksApprove} {
		if d := rules.Decide(who, permission, environment); d.Allowed {
			return d.PolicyVersion, true
		}
	}
	return "", false
}

// Bounds of what is taken from one review.
const maxRemarks = 100

// reviewFeedback reads a review with its comments on lines. about reports whether it is
// of one of the task's proposals.
func (e *Engine) reviewFeedback(ctx context.Context, t *task.Task, r forge.Review) (f task.Feedback, about bool, err error) {
	proposals, err := e.Store.Proposals(ctx, t.ID)
	if err != nil {
		return f, false, err
	}
	i := slices.IndexFunc(proposals, func(p task.Proposal) bool { return p.Carrier == r.Commit && p.Carrier != "" })
	if i < 0 {
		return f, false, nil
	}
	f = task.Feedback{
		Task: t.ID, Kind: task.FeedbackReview, By: r.Author, URL: r.URL, Text: cut(strings.TrimSpace(r.Body)),
		About: proposals[i].Revision, At: r.SubmittedAt,
	}
	f.Remarks, err = e.remarks(ctx, t, r, proposals[i])
	return f, true, err
}
