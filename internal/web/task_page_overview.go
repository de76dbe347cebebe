package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// overview is the first page of a task.
type overview struct {
	Digest    string
	Checks    []examView
	Judges    []judgeView
	Aspects   []string // that judges score
	Timeline  []timelineAct
	Usage     task.Usage
	Refusals  []task.Refusal
	Hosts     []task.HostUse
	Revisions []task.Revision
	Variants  []taskRow // more than this task alone
	Runs      []deploymentView
	Feed      feed
	RunTime   time.Duration // of the agent; 0: not known
}

// timelineAct is something that happened.
type timelineAct struct {
	audit.Act
	Step string
}

// examView is a check or a judge on the newest proposal.
type examView struct {
	task.Examination
	Level, Words string
	Took         time.Duration
}

// judgeView is a judge with its verdict; without one if none came.
type judgeView struct {
	examView
	Verdict *verdictShown
	Mark    string // of the recommendation: good, warn or bad
	// Measured is what it found of defects that were put into copies of past changes;
	// nil: it was not calibrated.
	Measured *judge.Measured
}

// verdictShown is the part of a verdict that pages show. It was checked when it came.
type verdictShown struct {
	Summary        string
	Recommendation string
	Scores         map[string]struct {
		Score int
		Notes string
	}
	Findings []findingShown
}

type findingShown struct {
	Path, Severity, Title, Text string
	Line                        int
}

func showOverview(c *call) error {
	p, err := c.proposal()
	if err != nil {
		return err
	}
	body, err := c.overview(p)
	if err != nil {
		return err
	}
	h, err := c.head("overview", p)
	if err != nil {
		return err
	}
	h.Body = body
	return c.taskPage(h, "overview")
}

func (c *call) overview(p *task.Proposal) (o overview, err error) {
	ctx, id, records := c.Request().Context(), c.task.ID, c.s.API.Records
	if p != nil {
		o.Digest = p.Digest
	}
	var exams []task.Examination
	o.Usage, err = records.ModelUsage(ctx, id)
	for _, read := range []func() error{
		func() (err error) { o.Refusals, err = records.ModelRefusals(ctx, id); return },
		func() (err error) { o.Hosts, err = records.HostUses(ctx, id); return },
		func() (err error) { exams, err = c.s.API.TaskBook.Examinations(ctx, id); return },
		func() (err error) { o.Revisions, err = c.s.API.TaskBook.Revisions(ctx, id); return },
		func() (err error) { o.Variants, err = c.variants(); return },
		func() (err error) { o.Runs, err = c.taskRuns(); return },
		func() (err error) { o.Timeline, err = c.timeline(); return },
		func() (err error) { o.Feed, err = c.feed(); return },
	} {
		if err == nil {
			err = read()
		}
	}
	if err != nil {
		return o, fmt.Errorf("read what belongs to task %s: %w", id, err)
	}
	if p != nil {
		o.Checks, o.Judges = viewExams(task.LatestExaminations(exams, p.Revision))
		o.Aspects = aspects(o.Judges)
		err = c.measure(o.Judges)
	}
	if run := c.task.Run; !run.StartedAt.IsZero() && run.FinishedAt.After(run.StartedAt) {
		o.RunTime = run.FinishedAt.Sub(run.StartedAt)
	}
	return o, err
}

// measure adds what is known of the judges from calibration.
func (c *call) measure(judges []judgeView) error {
	for i, j := range judges {
		m, err := c.s.API.TaskBook.Measured(c.Request().Context(), j.Environment, j.Name, j.Definition)
		if errors.Is(err, task.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		judges[i].Measured = &m
	}
	return nil
}

// variants are the tasks of the same request, if there are others.
func (c *call) variants() ([]taskRow, error) {
	if c.task.Group == "" {
		return nil, nil
	}
	tasks, err := c.s.API.TaskBook.Variants(c.Request().Context(), c.task.Group)
	if err != nil {
		return nil, err
	}
	var rows []taskRow
	for _, t := range tasks {
		if c.holds(policy.TasksView, policy.EnvironmentResource(t.Environment)).OK {
			rows = append(rows, viewRow(t))
		}
	}
	return rows, nil
}

// taskRuns are the task's deployments into environments whose deployments the viewer
// may see.
func (c *call) taskRuns() ([]deploymentView, error) {
	runs, err := c.s.API.Records.DeployRuns(c.Request().Context(), c.task.ID)
	if err != nil {
		return nil, err
	}
	runs = slices.DeleteFunc(slices.Clone(runs), func(r deploy.Run) bool {
		return !c.holds(policy.DeploymentsView, policy.EnvironmentResource(r.Environment)).OK
	})
	return c.viewRuns(runs)
}

// timeline are the acts of the task's approval chain, newest first.
func (c *call) timeline() ([]timelineAct, error) {
	chain, err := c.chain()
	if errors.Is(err, errNoTask) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var acts []timelineAct
	for _, step := range chain.Steps {
		for _, act := range step.Acts {
			acts = append(acts, timelineAct{act, strings.TrimSuffix(stepTitle(step.Name), " by")})
		}
	}
	slices.SortStableFunc(acts, func(a, b timelineAct) int { return cmp.Compare(b.Entry, a.Entry) })
	return acts, nil
}

// viewExams tells checks and judges apart.
func viewExams(exams []task.Examination) (checks []examView, judges []judgeView) {
	for _, x := range exams {
		v := viewExam(x)
		if x.Kind == task.Check {
			checks = append(checks, v)
			continue
		}
		j := judgeView{examView: v}
		shown := verdictShown{}
		if x.State == task.ExaminationPassed && json.Unmarshal(x.Result, &shown) == nil {
			j.Verdict = &shown
			j.Mark = map[string]string{"approve": "good", "revise": "warn", "reject": "bad"}[shown.Recommendation]
		}
		judges = append(judges, j)
	}
	return checks, judges
}

func viewExam(x task.Examination) examView {
	v := examView{Examination: x}
	switch x.State {
	case task.ExaminationQueued:
		v.Level, v.Words = "", "waits"
	case task.ExaminationRunning:
		v.Level, v.Words = "busy", "runs"
	case task.ExaminationPassed:
		v.Level, v.Words = "good", "passed"
	case task.ExaminationFailed:
		v.Level, v.Words = "bad", "failed"
	case task.ExaminationBroken:
		v.Level, v.Words = "bad", "broken: it says nothing"
	case task.ExaminationCancelled:
		v.Level, v.Words = "", "cancelled"
	}
	if x.Kind == task.Judge && x.State == task.ExaminationPassed {
		v.Words = "answered"
	}
	if x.FinishedAt.After(x.StartedAt) && !x.StartedAt.IsZero() {
		v.Took = x.FinishedAt.Sub(x.StartedAt)
	}
	return v
}

// aspects are what the judges score, in the order in which verdicts show them.
func aspects(judges []judgeView) []string {
	var list []string
	for _, name := range []string{"correctness", "quality", "completeness", "performance", "security"} {
		if slices.ContainsFunc(judges, func(j judgeView) bool {
			if j.Verdict == nil {
				return false
			}
			_, scored := j.Verdict.Scores[name]
			return scored
		}) {
			list = append(list, name)
		}
	}
	return list
}
