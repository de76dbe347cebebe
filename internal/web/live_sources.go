package web

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// followTask follows a task, or with ?exam=ID the output of one of its examinations.
func followTask(c *call) error {
	what := &followedTask{call: c, exam: c.QueryParam("exam")}
	if err := what.read(); err != nil {
		return err
	}
	if what.exam != "" {
		return c.follow(what, nil)
	}
	return c.follow(what, activity.NewParser(c.s.API.Format(c.task)))
}

// followedTask is a task with its examinations.
type followedTask struct {
	*call
	exam  string // whose output is followed; empty: the agent's
	exams []task.Examination
}

var errNoExamination = &apiError{status: http.StatusNotFound, text: "the task has no such examination"}

func (f *followedTask) read() (err error) {
	f.exams, err = f.s.API.TaskBook.Examinations(f.Request().Context(), f.task.ID)
	if err == nil && f.exam != "" {
		_, err = examOf(f.exams, f.exam)
	}
	return err
}

func (f *followedTask) look() error {
	if err := f.call.look(); err != nil {
		return err
	}
	return f.read()
}

func (f *followedTask) stream() (string, bool) {
	if f.exam == "" {
		return f.call.stream()
	}
	x, err := examOf(f.exams, f.exam)
	return x.LogStream(), err != nil || x.State.Ended()
}

func (f *followedTask) ended() bool {
	if f.exam == "" {
		return f.task.State.Ended()
	}
	_, over := f.stream()
	return over
}

func (f *followedTask) mark() string {
	t := f.task
	short := fmt.Sprint(t.State, t.UpdatedAt.UnixNano(), t.Revision, t.CancelRequested)
	for _, x := range f.exams {
		short += string(x.State)
	}
	return short
}

func (f *followedTask) seen() bool {
	return f.holds(policy.TasksView, policy.EnvironmentResource(f.task.Environment)).OK
}

// examOf finds one of a task's examinations.
func examOf(exams []task.Examination, id string) (task.Examination, error) {
	i := slices.IndexFunc(exams, func(x task.Examination) bool { return x.ID == id })
	if i < 0 {
		return task.Examination{}, errNoExamination
	}
	return exams[i], nil
}

// followRun follows the output of a deployment.
func followRun(c *call) error {
	c.row = apiRow{permission: policy.DeploymentsView, on: onDeployment}
	if err := c.permitDeployment(); err != nil {
		return err
	}
	return c.follow(&followedRun{c}, nil)
}

// followedRun is a deployment.
type followedRun struct{ *call }

func (f *followedRun) ended() bool { return f.run.State.Ended() }

func (f *followedRun) mark() string { return string(f.run.State) }

func (f *followedRun) seen() bool {
	return f.holds(policy.DeploymentsView, policy.EnvironmentResource(f.run.Environment)).OK
}
