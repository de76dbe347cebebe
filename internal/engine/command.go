package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/command"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/present"
	"github.com/coderflow/coderflow/internal/task"
)

// mayCommand is the cheap test before anything is read or written.
func mayCommand(author forge.User, body string) bool {
	return author.Kind == forge.Person && strings.Contains(strings.ToLower(body), "/coderflow")
}

// handleComment follows the commands of a new comment. In a repository that no
// environment lists, CoderFlow does not speak at all.
func (e *Engine) handleComment(ctx context.Context, event forge.Event) error {
	if event.Comment == nil || event.Issue == nil || !mayCommand(event.Comment.Author, event.Comment.Body) {
		return nil
	}
	if event.Issue.IsPullRequest && e.Forge.Traits(event.Repository.Host).DirectivesInComments && command.HasDirective(event.Comment.Body) {
		return nil // it says what its author's review means, whenever that is given
	}
	commands, problems := command.Parse(event.Comment.Body)
	if len(commands) == 0 && len(problems) == 0 || e.beforeRestore(ctx, event.Comment.CreatedAt, event.Comment.URL) {
		return nil
	}
	event.Actor = event.Comment.Author // who wrote it asks, whoever sent the delivery
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	rules := set.Policy(e.Admins...)
	c := &conversation{e: e, event: event, set: set, rules: rules, topic: event.Issue.Topic()}
	return e.once(ctx, c.meaning(), func() (func(Tx) error, error) {
		if !listed(rules, event.Repository) {
			return e.refusedRequest(ctx, event, policy.Decision{
				Reason: policy.No("no environment lists this repository by its numeric id"), PolicyVersion: rules.Version,
			}), nil
		}
		for _, p := range problems {
			c.say(present.CommandProblem(p.Text))
		}
		for _, cmd := range commands {
			if err := c.follow(ctx, cmd); err != nil {
				return nil, err
			}
		}
		return c.finish(ctx)
	})
}

func listed(rules *policy.Policy, ref forge.RepositoryRef) bool {
	for _, env := range rules.Environments {
		if env.Has(ref) {
			return true
		}
	}
	return false
}

// refusedRequest keeps a refusal. Its decision has no version of a policy where none
// was asked.
func (e *Engine) refusedRequest(ctx context.Context, event forge.Event, d policy.Decision) func(Tx) error {
	return func(tx Tx) error {
		detail := map[string]any{"repository": event.Repository.Key(), "reason": d.Reason, "policyVersion": d.PolicyVersion}
		if event.Issue != nil {
			detail["issue"], detail["url"] = event.Issue.Number, event.Issue.URL
		}
		if event.Comment != nil {
			detail["url"] = event.Comment.URL
		}
		entry, err := audit.New(e.Now(), event.Actor.Subject.String(), audit.RequestRefused, detail)
		if err != nil {
			return err
		}
		return tx.Audit(ctx, entry)
	}
}

// conversation answers one comment: at most one reply, one reaction, and what
// is to be written in the transaction that marks the comment as handled.
type conversation struct {
	e       *Engine
	event   forge.Event
	set     *manifest.Set
	rules   *policy.Policy
	topic   forge.Topic // where the comment stands
	replies []string
	refused bool
	writes  []func(Tx) error
	// apart is written before writes, in a transaction of its own: what is asked of judges
	// is never part of one in which a task moves. It may be written more than once.
	apart []func(Tx) error
}

// meaning is the comment as what is handled once.
func (c *conversation) meaning() string {
	return c.event.Repository.Key() + "/comment:" + c.event.Comment.ID
}

func (c *conversation) say(markdown string)    { c.replies = append(c.replies, markdown) }
func (c *conversation) write(f func(Tx) error) { c.writes = append(c.writes, f) }

func (c *conversation) writeApart(f func(Tx) error) { c.apart = append(c.apart, f) }

func (c *conversation) refuse(ctx context.Context, d policy.Decision) {
	c.refused = true
	c.say(present.Refusal(d))
	c.write(c.e.refusedRequest(ctx, c.event, d))
}

func (c *conversation) follow(ctx context.Context, cmd command.Command) error {
	switch cmd.Name {
	case command.Help:
		c.say(present.Help(c.e.Forge.Traits(c.event.Repository.Host)))
		return nil
	case command.Run:
		return c.run(ctx, cmd)
	case command.Retry:
		return c.retry(ctx)
	case command.Revise, command.Rebase:
		return c.revise(ctx, cmd)
	case command.Check, command.Judge:
		return c.examineAgain(ctx, cmd)
	case command.Status, command.Why, command.Cancel:
		return c.about(ctx, cmd)
	}
	c.say(present.CommandProblem(fmt.Sprintf("/coderflow %s is not supported by this version", cmd.Name)))
	return nil
}

// run creates a task if the policy lets the author.
func (c *conversation) run(ctx context.Context, cmd command.Command) error {
	if c.event.Issue.IsPullRequest {
		c.say(present.CommandProblem("/coderflow run works on issues, not on pull requests"))
		return nil
	}
	_, err := c.start(ctx, cmd.Options, cmd.Text)
	return err
}

// start makes the tasks of a request and tells how many; 0 if it said why there is none.
func (c *conversation) start(ctx context.Context, o command.Options, text string) (started int, err error) {
	environment, base := o.Env, o.Base
	repository, err := c.e.Forge.Repository(ctx, c.event.Repository)
	if err != nil {
		return 0, fmt.Errorf("read the repository: %w", err)
	}
	environment, decision := c.rules.DecideRun(policy.RunRequest{
		Requester: c.event.Actor, Repository: repository, Environment: environment,
	})
	if decision.Allowed && base != "" && !c.set.Environments[environment].AllowsBase(base, repository.DefaultBranch) {
		decision = policy.Decision{
			Reason:        policy.No(fmt.Sprintf("environment %q does not allow tasks based on the branch %q", environment, base)),
			PolicyVersion: decision.PolicyVersion,
		}
	}
	if !decision.Allowed {
		c.refuse(ctx, decision)
		return 0, nil
	}
	if free, err := c.unfrozen(ctx, environment, "comment again"); err != nil || !free {
		return 0, err
	}
	write, no, err := c.e.accept(ctx, c.set.Environments[environment], request{
		newTask: newTask{
			trigger: "comment:" + c.event.Comment.ID, triggerURL: c.event.Comment.URL, event: c.event,
			at: c.event.Comment.CreatedAt, environment: environment, base: base, text: text, policy: decision.PolicyVersion,
		},
		agents: o.Agents, supersede: o.Supersede, decision: decision,
	}, c.rules)
	if err != nil {
		return 0, err
	}
	if no != nil {
		c.refused = true
		c.say(no.words)
		if no.decision != nil {
			c.write(c.e.refusedRequest(ctx, c.event, *no.decision))
		}
		return 0, nil
	}
	c.write(write)
	return max(len(o.Agents), 1), nil
}

func canRun(rules *policy.Policy, environment string) func(forge.User) bool {
	return func(u forge.User) bool { return rules.Decide(u, policy.TasksCreate, environment).Allowed }
}

// latest is the task that a command on this issue or pull request is about.
func (c *conversation) latest(ctx context.Context) (task.Task, bool, error) {
	t, err := c.e.Store.LatestTask(ctx, c.event.Repository, c.topic)
	if errors.Is(err, task.ErrNotFound) {
		c.say(present.CommandProblem("there is no task here yet; start one with /coderflow run"))
		return t, false, nil
	}
	if err != nil {
		return t, false, fmt.Errorf("find the task: %w", err)
	}
	return t, true, nil
}

// about answers commands on an existing task. Seeing takes tasks:view.
func (c *conversation) about(ctx context.Context, cmd command.Command) error {
	t, found, err := c.latest(ctx)
	if err != nil || !found {
		return err
	}
	if d := c.rules.Decide(c.event.Actor, policy.TasksView, t.Environment); !d.Allowed {
		c.refuse(ctx, d)
		return nil
	}
	switch cmd.Name {
	case command.Status:
		if t.Group != "" && !c.topic.PullRequest {
			return c.groupStatus(ctx, t)
		}
		view, err := c.e.statusView(ctx, &t)
		if err != nil {
			return err
		}
		c.say(present.Status(view))
		return c.noteFreeze(ctx, t)
	case command.Why:
		c.say(present.Why(t, decisions(t)...))
		return c.noteFreeze(ctx, t)
	case command.Cancel:
		return c.cancelNewest(ctx)
	}
	return nil
}

// finish posts the one reply and hands over what is to be written with it.
func (c *conversation) finish(ctx context.Context) (func(Tx) error, error) {
	reaction := forge.ReactionEyes
	if c.refused {
		reaction = forge.ReactionConfused
	}
	if err := c.e.Forge.React(ctx, c.event.Repository, c.event.Comment.ID, reaction); err != nil {
		c.e.Logger.WarnContext(ctx, "reaction not set", "comment", c.event.Comment.URL, "error", err)
	}
	if len(c.replies) > 0 {
		marker := "<!-- coderflow:reply=" + c.event.Comment.ID + " -->"
		body := marker + "\n" + strings.Join(c.replies, "\n\n")
		if _, err := c.e.Forge.UpsertComment(ctx, c.event.Repository, c.topic, marker, body); err != nil {
			return nil, fmt.Errorf("answer comment %s: %w", c.event.Comment.ID, err)
		}
	}
	if len(c.apart) > 0 {
		if err := c.e.Store.InTx(ctx, inOrder(c.apart)); err != nil {
			return nil, fmt.Errorf("ask for what comment %s wants examined: %w", c.event.Comment.ID, err)
		}
	}
	return inOrder(c.writes), nil
}

// inOrder does one after the other.
func inOrder(writes []func(Tx) error) func(Tx) error {
	return func(tx Tx) error {
		for _, f := range writes {
			if err := f(tx); err != nil {
				return err
			}
		}
		return nil
	}
}

// decisions are the judgements of a task's reviews, newest first.
func decisions(t task.Task) []policy.Decision {
	var all []policy.Decision
	for i := len(t.Judged) - 1; i >= 0; i-- {
		all = append(all, decisionOf(t.Judged[i]))
	}
	return all
}
