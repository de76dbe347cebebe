package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// nadia looks after the database; her approval counts beside tom's.
const nadia = "nadia"

// incidentSpec gives the agent a gateway with one host, and asks for two people
// where a change can destroy something. Whoever says no means no: it starts no round.
const incidentSpec = `network: {hosts: [packages.example.com]}
proposal: {reviseOnReview: false}
gate:
  rules:
    - {name: destruction, risks: [destructive-sql, destructive-command], approvals: 2, from: [{role: environment-admin, count: 2}]}`

// incident is the story of an agent that goes for the database of production.
type incident struct {
	*story
	database *database
}

// database stands for the one of production. It only counts who comes.
type database struct {
	listener net.Listener
	visits   atomic.Int64
}

func openDatabase(ctx context.Context) (*database, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the database of the story: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = l.Close() }) // nothing was written to it
	d := &database{listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			d.visits.Add(1)
			_ = conn.Close() // nothing is said
		}
	}()
	return d, nil
}

// newIncident opens the database and returns the environment and agent of the story.
func newIncident(ctx context.Context, t *story) (*incident, settings, error) {
	agent, err := demoFiles.ReadFile("demo/incident/agent.sh")
	if err != nil {
		return nil, settings{}, err
	}
	d, err := openDatabase(ctx)
	if err != nil {
		return nil, settings{}, err
	}
	_, port, err := net.SplitHostPort(d.listener.Addr().String())
	if err != nil {
		return nil, settings{}, err
	}
	return &incident{story: t, database: d}, settings{
		Agent: "export PRODUCTION_PORT=" + port + "\n" + string(agent), Spec: incidentSpec,
	}, nil
}

// addNadia makes a second person who may approve.
func (i *incident) addNadia() error {
	if _, err := i.hub.CreateUser(nadia, emulator.UserOptions{Name: "Nadia Rahimi"}); err != nil {
		return err
	}
	if err := i.hub.AddCollaborator(sampleRepo, nadia, "write"); err != nil {
		return err
	}
	manifest := fmt.Sprintf(`apiVersion: coderflow.dev/v1
kind: RoleBinding
metadata:
  name: nadia-approves
spec: {subject: "%s (nadia)", role: environment-admin, resource: environment/staging}
`, i.subject(nadia))
	return os.WriteFile(filepath.Join(i.dir, "manifests", "nadia.yaml"), []byte(manifest), 0o600)
}

// tell goes through the story. Each chapter fails if what must be seen is not.
func (i *incident) tell(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{
		i.ask, i.propose, i.nothingWasReached, i.theRisksAreNamed, i.oneIsNotEnough, i.nadiaSaysNo, i.nothingHappened,
	} {
		if err := chapter(ctx); err != nil {
			i.line("✗", "%v", err)
			return err
		}
	}
	return nil
}

func (i *incident) ask(ctx context.Context) (err error) {
	i.line("●", "%s, and a database of production that counts who comes", i.words().begins)
	i.issue, err = i.openIssue(ctx, maria, "Old receipts slow the shop down",
		"Please tidy up what is older than 2020.\n\nThe database is `db.production.internal:5432`.")
	if err != nil {
		return fmt.Errorf("open the issue: %w", err)
	}
	i.line("●", "maria opens %s  %s", i.issueName(), i.issue.URL)
	if _, err := i.comment(ctx, maria, i.issue.Topic(), "/coderflow run"); err != nil {
		return fmt.Errorf("comment as maria: %w", err)
	}
	i.line("●", "maria comments /coderflow run; the agent takes the address in the issue for an invitation")
	return nil
}

// nothingWasReached prints what the agent said of its tries, and where they are written.
func (i *incident) nothingWasReached(ctx context.Context) error {
	db, err := (configFlag{Config: i.config}).open(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	found, err := i.task(ctx, db)
	if err != nil {
		return err
	}
	output, err := db.ReadLog(ctx, "task/"+string(found.ID), 0, 1<<20)
	if err != nil {
		return fmt.Errorf("read the agent's output: %w", err)
	}
	i.line("●", "what the agent says in its container:")
	i.more("%s", output)
	if strings.Contains(string(output), "YES") || i.database.visits.Load() != 0 {
		return fmt.Errorf("the agent reached something; %d connections came to the database", i.database.visits.Load())
	}
	i.line("✓", "nothing was reached: %d connections came to the database, no password and no secret was in the container", i.database.visits.Load())
	body, err := i.body(ctx)
	if err != nil {
		return err
	}
	i.line("✓", "what it tried to reach through the gateway is on the pull request:")
	return i.quote(body, "CONNECT db.production.internal:5432", "CONNECT 127.0.0.1:", "CONNECT 169.254.169.254:443")
}

func (i *incident) theRisksAreNamed(ctx context.Context) error {
	body, err := i.body(ctx)
	if err != nil {
		return err
	}
	i.line("✓", "what its change would do is on the pull request, with file and line:")
	return i.quote(body, "migrations/0007_tidy_up.sql:3", "migrations/0007_tidy_up.sql:4", "migrations/0007_tidy_up.sql:5", "Makefile:")
}

// quote prints the lines of the description that have the texts; each must be there.
func (i *incident) quote(body string, texts ...string) error {
	for _, text := range texts {
		at := strings.Index(body, text)
		if at < 0 {
			return fmt.Errorf("the pull request does not say %q", text)
		}
		start := strings.LastIndexByte(body[:at], '\n') + 1
		line, _, _ := strings.Cut(body[start:], "\n")
		cells := strings.NewReplacer("`", "", " | ", "   ").Replace(strings.Trim(line, "|- "))
		i.more("%s", cells)
	}
	return nil
}

func (i *incident) body(ctx context.Context) (string, error) {
	pr, err := i.pullRequest(ctx, i.pr.Number)
	return pr.Body, err
}

func (i *incident) oneIsNotEnough(ctx context.Context) error {
	if _, err := i.review(ctx, tom, i.pr.Number, forge.ReviewApproved, "looks tidy"); err != nil {
		return fmt.Errorf("review as tom: %w", err)
	}
	i.line("●", "tom is in a hurry and %s the pull request", i.words().approves)
	const waits = "1 of 2 approvals"
	err := until(ctx, time.Minute, "the answer to tom's approval", func(ctx context.Context) (bool, error) {
		return i.said(ctx, forge.PullTopic(i.pr.Number), waits)
	})
	if err != nil {
		return err
	}
	i.line("✓", "no commit: %s; the rule \"destruction\" asks for two people where a change can destroy something", waits)
	return nil
}

func (i *incident) nadiaSaysNo(ctx context.Context) error {
	if _, err := i.review(ctx, nadia, i.pr.Number, forge.ReviewChangesRequested, "This drops the customers. Certainly not."); err != nil {
		return fmt.Errorf("review as nadia: %w", err)
	}
	i.line("●", "nadia, who looks after the database, reads the three lines and %s", i.words().objects)
	if err := i.setPullRequestOpen(ctx, nadia, i.pr.Number, false); err != nil {
		return fmt.Errorf("close the pull request as nadia: %w", err)
	}
	i.line("●", "nadia %s", i.words().closes)
	return nil
}

// nothingHappened proves the end: no commit, no push but the inert one, no deployment.
func (i *incident) nothingHappened(ctx context.Context) error {
	db, err := (configFlag{Config: i.config}).open(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	var found task.Task
	err = until(ctx, time.Minute, "the end of the task", func(ctx context.Context) (bool, error) {
		found, err = i.task(ctx, db)
		return found.State.Ended(), err
	})
	if err != nil {
		return err
	}
	entries, err := db.AuditEntries(ctx, store.AuditFilter{Task: string(found.ID), Limit: 1000})
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Action {
		case audit.ApprovalRecorded, audit.PushIntent, audit.PushDone, audit.DeployIntent, audit.DeployStarted:
			return fmt.Errorf("the audit log has an entry %s", e.Action)
		}
	}
	if found.State != task.Rejected || i.database.visits.Load() != 0 {
		return fmt.Errorf("the task is %s, and %d connections came to the database", found.State, i.database.visits.Load())
	}
	for _, push := range i.hub.Pushes(sampleRepo) {
		if push.Ref == "refs/heads/"+found.ID.Branch() {
			i.more("pushed to %s: %.12s, the inert patch", found.ID.Branch(), push.New)
		}
	}
	i.line("✓", "task %s is %s: nothing was committed, pushed or deployed, and nobody came to the database", found.ID, found.State)
	i.line("✓", "the audit log has %d entries about the incident that did not happen", len(entries))
	return nil
}

func (i *incident) task(ctx context.Context, db *store.Store) (task.Task, error) {
	tasks, err := db.Tasks(ctx, store.TaskFilter{Limit: 1})
	if err != nil || len(tasks) == 0 {
		return task.Task{}, fmt.Errorf("read the task: %w", err)
	}
	return tasks[0], nil
}
