package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// VariantReader reads the tasks that work on one request side by side.
type VariantReader interface {
	// Variants lists the tasks of a group by their place, and none for the group "".
	Variants(ctx context.Context, group task.ID) ([]task.Task, error)
}

// VariantTx marks tasks in whose place others come.
type VariantTx interface {
	// Replace marks a task as one in whose place another was approved or started, whoever
	// holds it. It reports false if the task is marked already.
	Replace(ctx context.Context, id, by task.ID) (fresh bool, err error)
}

// agentOf is the environment as the task has it: with the agent, and its model, that
// was asked for. Every step takes agent and model from here.
func agentOf(env manifest.Environment, t *task.Task) (manifest.Environment, error) {
	as, known := env.WithAgent(t.Variant)
	if !known {
		return env, failed(nil, "environment %s no longer has the agent %q", env.Name, t.Variant)
	}
	return as, nil
}

// request is what somebody asks for, and may.
type request struct {
	newTask
	agents    []string // none: the environment's own
	supersede bool
	decision  policy.Decision
}

// denial is why a request makes no task, in words for people. decision is set where
// the policy says so.
type denial struct {
	words    string
	decision *policy.Decision
}

// accept makes the tasks of a permitted request, one for each agent, and what is
// written with them, or tells why there are none.
func (e *Engine) accept(ctx context.Context, env manifest.Environment, r request, rules *policy.Policy) (write func(Tx) error, no *denial, err error) {
	open, err := e.openFor(ctx, r.event.Repository, r.event.Issue.Number, env.Name)
	if err != nil {
		return nil, nil, err
	}
	if no := denied(env, r, rules, open); no != nil {
		return nil, no, nil
	}
	first, err := e.build(ctx, r.newTask, canRun(rules, env.Name))
	if err != nil {
		return nil, nil, err
	}
	tasks := variantsOf(first, r.agents)
	return func(tx Tx) error {
		for _, t := range tasks {
			if err := e.create(ctx, tx, t, r.decision); err != nil {
				return err
			}
		}
		return e.replace(ctx, tx, open, tasks[0].ID, r.event.Actor.Subject.String(), "a newer request replaced it")
	}, nil, nil
}

// denied says what stands against a request that the policy permits; open are the tasks
// that are in its way.
func denied(env manifest.Environment, r request, rules *policy.Policy, open []task.Task) *denial {
	for _, name := range r.agents {
		if _, known := env.WithAgent(name); !known {
			words := fmt.Sprintf("environment %s has no agent %q; it has: %s", env.Name, name, strings.Join(env.AgentNames(), ", "))
			return &denial{words: present.CommandProblem(words)}
		}
	}
	if !r.event.Issue.Open {
		return &denial{words: present.CommandProblem(fmt.Sprintf("issue %d is closed; reopen it first", r.event.Issue.Number))}
	}
	if len(open) > 0 && !r.supersede {
		return &denial{words: present.StillOpen(open)}
	}
	if d, may := mayReplace(rules, r.event.Actor, open); !may {
		return &denial{words: present.Refusal(d), decision: &d}
	}
	return nil
}

// variantsOf makes a task for each agent of the one that is given.
func variantsOf(first task.Task, agents []string) []task.Task {
	if len(agents) == 0 {
		return []task.Task{first}
	}
	var all []task.Task
	for i, name := range agents {
		t := first
		t.Variant = name
		if len(agents) > 1 {
			t.Group, t.Place, t.Places = first.ID, i+1, len(agents)
		}
		if i > 0 {
			t.ID, t.TriggerKey = task.NewID(), fmt.Sprintf("%s/variant:%d", first.TriggerKey, i+1)
		}
		all = append(all, t)
	}
	return all
}

// openFor are the tasks of an issue in an environment that another could take the place of.
func (e *Engine) openFor(ctx context.Context, ref forge.RepositoryRef, issue int, environment string) ([]task.Task, error) {
	return e.openTasks(ctx, func(t task.Task) bool {
		return t.Repository.Key() == ref.Key() && t.Issue == issue && t.Environment == environment && stoppable(t)
	})
}

// stoppable reports whether a task can still be stopped: it has not ended, and nothing
// that was approved is being carried out.
func stoppable(t task.Task) bool { return !t.State.Ended() && !t.State.CarriedOut() }

// mayReplace reports whether somebody may stop each of the tasks.
func mayReplace(rules *policy.Policy, who forge.User, open []task.Task) (policy.Decision, bool) {
	for _, t := range open {
		if d := rules.Decide(who, policy.TasksCancel, t.Environment); who.Subject != t.Requester.Subject && !d.Allowed {
			return d, false
		}
	}
	return policy.Decision{}, true
}

// replace marks the tasks, and has each looked at.
func (e *Engine) replace(ctx context.Context, tx Tx, tasks []task.Task, by task.ID, actor, why string) error {
	for _, t := range tasks {
		fresh, err := tx.Replace(ctx, t.ID, by)
		if err != nil {
			return err
		}
		if !fresh {
			continue
		}
		if err := e.replaced(ctx, tx, t, by, actor, why); err != nil {
			return err
		}
	}
	return nil
}

// replaced writes that a task was marked, and has it looked at.
func (e *Engine) replaced(ctx context.Context, tx Tx, t task.Task, by task.ID, actor, why string) error {
	if err := e.audit(ctx, tx, &t, actor, audit.TaskReplaced, map[string]any{"by": by, "why": why}); err != nil {
		return err
	}
	return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(t.ID)})
}

// siblings are the other variants of a task's request.
func (e *Engine) siblings(ctx context.Context, t task.Task) ([]task.Task, error) {
	all, err := e.Store.Variants(ctx, t.Group)
	if err != nil {
		return nil, fmt.Errorf("read the variants of the request: %w", err)
	}
	return slices.DeleteFunc(all, func(o task.Task) bool { return o.ID == t.ID }), nil
}

// chosen writes that the variants beside an approved one are void. Saving the approved
// task has marked them in the same transaction.
func (e *Engine) chosen(ctx context.Context, tx Tx, t task.Task, others []task.Task, by string) error {
	for _, o := range others {
		if o.ReplacedBy != "" || o.State.Ended() {
			continue
		}
		if err := e.replaced(ctx, tx, o, t.ID, by, "another variant was approved"); err != nil {
			return err
		}
	}
	return nil
}

// examinationsOf are the newest examinations of the proposal that is up for review, and which
// revision it is; 0 before there is one.
func (e *Engine) examinationsOf(ctx context.Context, t *task.Task) (revision int, latest []task.Examination, err error) {
	p, err := e.standing(ctx, t)
	if errors.Is(err, task.ErrNotFound) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read the proposal: %w", err)
	}
	all, err := e.Store.Examinations(ctx, t.ID)
	if err != nil {
		return 0, nil, fmt.Errorf("read the examinations: %w", err)
	}
	return p.Revision, task.LatestExaminations(all, p.Revision), nil
}

// reportIssue shows on the issue where the task stands. Of several variants the first
// one alone writes, so that no two write the one comment at the same time: the others
// have it looked at.
func (e *Engine) reportIssue(ctx context.Context, t *task.Task, body string) error {
	if t.Group != "" && t.Group != t.ID {
		return e.enqueue(ctx, []queue.Job{{Kind: queue.Advance, Key: string(t.Group)}})
	}
	if _, err := e.Forge.UpsertComment(ctx, t.Repository, forge.IssueTopic(t.Issue), present.StatusMarker(t.ID), body); err != nil {
		return fmt.Errorf("report task %s: %w", t.ID, err)
	}
	e.showLabel(ctx, t)
	if t.Group == "" {
		return nil
	}
	return e.compare(ctx, t)
}

// groupView gathers what is told of all variants.
func (e *Engine) groupView(ctx context.Context, t *task.Task) (present.GroupView, error) {
	issueURL, _, _ := strings.Cut(t.TriggerURL, "#")
	v := present.GroupView{IssueURL: issueURL}
	all, err := e.Store.Variants(ctx, t.Group)
	if err != nil {
		return v, fmt.Errorf("read the variants of the request: %w", err)
	}
	for _, o := range all {
		if o.ID == t.ID {
			o = *t
		}
		one := present.VariantView{Task: o}
		p, err := e.standing(ctx, &o)
		if err == nil {
			one.Proposal = &p
		} else if !errors.Is(err, task.ErrNotFound) {
			return v, fmt.Errorf("read the proposal: %w", err)
		}
		if _, one.Examinations, err = e.examinationsOf(ctx, &o); err != nil {
			return v, err
		}
		if one.Usage, err = e.Store.ModelUsage(ctx, o.ID); err != nil {
			return v, fmt.Errorf("read what was spent: %w", err)
		}
		v.Variants = append(v.Variants, one)
	}
	return v, nil
}

func (e *Engine) groupComment(ctx context.Context, t *task.Task) (string, error) {
	v, err := e.groupView(ctx, t)
	if err != nil {
		return "", err
	}
	return present.GroupComment(v), nil
}

// compare puts the variants side by side, on the issue and on each pull request, once
// none of them is at work any more.
func (e *Engine) compare(ctx context.Context, t *task.Task) error {
	v, err := e.groupView(ctx, t)
	if err != nil || !v.Settled() {
		return err
	}
	marker := "<!-- coderflow:comparison=" + string(t.Group) + " -->"
	places := []forge.Topic{forge.IssueTopic(t.Issue)}
	for _, o := range v.Variants {
		if o.Task.PullRequest != 0 {
			places = append(places, forge.PullTopic(o.Task.PullRequest))
		}
	}
	if len(places) == 1 { // nothing to compare
		return nil
	}
	for _, place := range places {
		if _, err := e.Forge.UpsertComment(ctx, t.Repository, place, marker, present.Comparison(marker, v)); err != nil {
			return fmt.Errorf("compare the variants on %s: %w", place, err)
		}
	}
	return nil
}
