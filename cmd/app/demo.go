package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/sandbox"
)

type demoCmd struct {
	Story  string `help:"Which story: first (a repair on its way from the issue to its deployment) or incident (an agent that goes for the database of production)." enum:"first,incident" default:"first"`
	Forge  string `help:"Which local forge: github or azuredevops." enum:"github,azuredevops" default:"github"`
	Exit   bool   `help:"End after the story, with a status other than 0 if any step was wrong." env:"DEMO_EXIT"`
	Dir    string `help:"Where the demo keeps everything. Default: a new temporary directory." type:"path"`
	Listen string `help:"Address of the local forge." default:"127.0.0.1:0"`
}

// Run plays the story: a real server, a real engine and real git; only the
// forge is a local one.
func (c demoCmd) Run(ctx context.Context, s streams) (err error) {
	dir := c.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "coderflow-demo-"); err != nil {
			return fmt.Errorf("make a directory for the demo: %w", err)
		}
		defer func() { // after a story that went wrong it is kept, with the server's log
			if c.Exit && err == nil {
				err = os.RemoveAll(dir)
			}
		}()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the demo's directory: %w", err)
	}
	logFile, err := os.OpenFile(filepath.Join(dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make the demo's log: %w", err)
	}
	defer logFile.Close() //nolint:errcheck // a log
	log := slog.New(slog.NewTextHandler(logFile, nil))
	ctx, cancel := context.WithCancel(ctx)
	hub, err := startForge(ctx, emulator.Options{Kind: c.Forge, Dir: filepath.Join(dir, "forge"), Listen: c.Listen, Logger: log})
	if err != nil {
		cancel()
		return err
	}
	defer func() { err = errors.Join(err, hub.Close()) }()
	listen, err := unusedAddress(ctx)
	if err != nil {
		cancel()
		return err
	}
	t := &story{server: "http://" + listen, people: newPeople(hub), out: s, began: time.Now(), dir: dir}
	in, tell, err := c.prepare(ctx, t, listen)
	if err != nil {
		cancel()
		return err
	}
	t.config = in.config
	served := make(chan error, 1)
	address := make(chan string, 1)
	go func() {
		cfg, err := in.load()
		if err == nil {
			err = serve(ctx, cfg, log, func(a string) { address <- a })
		}
		served <- err
	}()
	defer func() {
		cancel()
		err = errors.Join(err, <-served)
	}()
	select {
	case err := <-served:
		served <- nil
		return fmt.Errorf("the server did not start: %w", err)
	case a := <-address:
		hub.SetWebhookURL(webhookURL(hub.Info(), a))
		hub.SetConsoleURL("http://" + a)
	}
	if err := tell(ctx); err != nil {
		return fmt.Errorf("the story went wrong: %w; the server's log is %s", err, logFile.Name())
	}
	if c.Exit {
		return t.tidy(ctx)
	}
	t.invite(strings.TrimSuffix(hub.Info().HTMLURL, "/") + "/")
	<-ctx.Done()
	return nil
}

// prepare writes the server's configuration for the story, and returns what tells it.
func (c demoCmd) prepare(ctx context.Context, t *story, listen string) (in installation, tell func(context.Context) error, err error) {
	if c.Story != "incident" {
		in, err = install(t.dir, t.hub.Info(), settings{Listen: listen})
		return in, t.tell, err
	}
	i, set, err := newIncident(ctx, t)
	if err != nil {
		return in, nil, err
	}
	set.Listen = listen
	if in, err = install(t.dir, t.hub.Info(), set); err != nil {
		return in, nil, err
	}
	return in, i.tell, i.addNadia()
}

// story is the demo's timeline.
type story struct {
	people
	out    streams
	began  time.Time
	dir    string
	config string
	server string // its address

	issue forge.Issue
	pr    forge.PullRequest
}

func (t *story) line(mark, format string, args ...any) {
	fmt.Fprintf(t.out.out, "%6.1fs  %s %s\n", time.Since(t.began).Seconds(), mark, fmt.Sprintf(format, args...))
}

func (t *story) more(format string, args ...any) {
	for _, line := range strings.Split(strings.TrimRight(fmt.Sprintf(format, args...), "\n"), "\n") {
		fmt.Fprintf(t.out.out, "           │ %s\n", line)
	}
}

// tell goes through the story. Each chapter fails if what must be seen is not.
func (t *story) tell(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{
		t.ask, t.propose, t.requesterCannotApprove, t.strangerCannotApprove, t.approve, t.landed, t.deployed, t.audited, t.verified,
	} {
		if err := chapter(ctx); err != nil {
			t.line("✗", "%v", err)
			return err
		}
	}
	return nil
}

func (t *story) ask(ctx context.Context) (err error) {
	t.line("●", "%s", t.words().begins)
	t.issue, err = t.openIssue(ctx, maria, "The total of a receipt is wrong",
		"Three apples at 1.20 and one bread at 3.50 should be 7.10, the program prints 4.70.\n\n`make test` shows it.")
	if err != nil {
		return fmt.Errorf("open the issue: %w", err)
	}
	t.line("●", "maria opens %s  %s", t.issueName(), t.issue.URL)
	if _, err := t.comment(ctx, eve, t.issue.Topic(), "/coderflow run"); err != nil {
		return fmt.Errorf("comment as eve: %w", err)
	}
	t.line("●", "eve, who has no role, comments /coderflow run")
	err = until(ctx, time.Minute, "the refusal of eve's request", func(ctx context.Context) (bool, error) {
		return t.said(ctx, t.issue.Topic(), "has no role in environment")
	})
	if err != nil {
		return err
	}
	t.line("✓", "refused, with the reason under the issue")
	if _, err := t.comment(ctx, maria, t.issue.Topic(), "/coderflow run please repair it and run the test"); err != nil {
		return fmt.Errorf("comment as maria: %w", err)
	}
	t.line("●", "maria comments /coderflow run")
	return nil
}

// said reports whether CoderFlow wrote something with the text.
func (t *story) said(ctx context.Context, topic forge.Topic, text string) (bool, error) {
	comments, err := t.comments(ctx, topic)
	if err != nil {
		return false, err
	}
	for _, c := range comments {
		if t.ours(c.Author) && strings.Contains(c.Body, text) {
			return true, nil
		}
	}
	return false, nil
}

func (t *story) propose(ctx context.Context) error {
	err := until(ctx, 3*time.Minute, "a draft pull request", func(ctx context.Context) (bool, error) {
		prs, err := t.pullRequests(ctx)
		if err != nil || len(prs) == 0 {
			return false, err
		}
		ready, err := t.said(ctx, t.issue.Topic(), "Waiting for approval")
		t.pr = prs[0]
		return ready, err
	})
	if err != nil {
		return err
	}
	t.line("✓", "the agent worked in a container without a network; its change is %s, %s  %s", t.pullName(), t.words().toRead, t.pr.URL)
	files, err := t.files(ctx, t.pr.Number)
	if err != nil {
		return fmt.Errorf("list the pull request's files: %w", err)
	}
	if len(files) != 1 || !strings.HasPrefix(files[0].Path, ".coderflow/proposals/") {
		return fmt.Errorf("the pull request carries %d files, want the inert patch alone", len(files))
	}
	t.more("before approval the repository holds one inert file: %s", files[0].Path)
	return nil
}

func (t *story) requesterCannotApprove(ctx context.Context) error {
	return t.refused(ctx, maria, "the requester of a task cannot approve it")
}

func (t *story) strangerCannotApprove(ctx context.Context) error {
	return t.refused(ctx, eve, "has no role in environment")
}

// refused has somebody approve in vain.
func (t *story) refused(ctx context.Context, login, why string) error {
	if _, err := t.review(ctx, login, t.pr.Number, forge.ReviewApproved, "ship it"); err != nil {
		return fmt.Errorf("review as %s: %w", login, err)
	}
	t.line("●", "%s %s the pull request", login, t.words().approves)
	err := until(ctx, time.Minute, "the refusal of "+login+"'s approval", func(ctx context.Context) (bool, error) {
		return t.said(ctx, forge.PullTopic(t.pr.Number), why)
	})
	if err != nil {
		return err
	}
	pr, err := t.pullRequest(ctx, t.pr.Number)
	if err != nil {
		return err
	}
	if pr.Head.Commit != t.pr.Head.Commit {
		return fmt.Errorf("the branch moved after %s's approval", login)
	}
	t.line("✓", "no commit: %s", why)
	return nil
}

func (t *story) approve(ctx context.Context) error {
	body := "Multiply the price by the quantity\n\nThe total of a receipt counted each line once.\n\n/coderflow deploy publish channel=beta"
	if _, err := t.review(ctx, tom, t.pr.Number, forge.ReviewApproved, body); err != nil {
		return fmt.Errorf("review as tom: %w", err)
	}
	t.line("●", "tom, who may, does so with a commit message and /coderflow deploy publish channel=beta")
	return nil
}

func (t *story) landed(ctx context.Context) error {
	var pr forge.PullRequest
	err := until(ctx, time.Minute, "the landed commit", func(ctx context.Context) (moved bool, err error) {
		pr, err = t.pullRequest(ctx, t.pr.Number)
		return err == nil && pr.Head.Commit != t.pr.Head.Commit && !pr.Draft, err
	})
	if err != nil {
		return err
	}
	commit, err := t.commit(ctx, pr.Head.Commit)
	if err != nil {
		return fmt.Errorf("read the landed commit: %w", err)
	}
	author, committer := commit.Author, commit.Committer
	if author.Name != "Tom Lindqvist" && author.Name != tom || len(commit.Parents) != 1 {
		return fmt.Errorf("the landed commit is by %s with %d parents", author.Name, len(commit.Parents))
	}
	t.line("✓", "committed and pushed: %.12s, author %s <%s>, committer %s", commit.SHA, author.Name, author.Email, committer.Name)
	t.more("%s", commit.Message)
	for _, f := range commit.Files {
		t.more("%s", f)
	}
	t.line("✓", "%s  %s", t.words().landed, pr.URL)
	return nil
}

func (t *story) deployed(ctx context.Context) error {
	err := until(ctx, 2*time.Minute, "the deployment's outcome", func(ctx context.Context) (bool, error) {
		return t.said(ctx, t.issue.Topic(), "published: Monday")
	})
	if err != nil {
		return err
	}
	t.line("✓", "profile publish ran on the landed commit in a container of its own, exit status 0")
	return nil
}

// audited waits for the last entry and prints what was written down.
func (t *story) audited(ctx context.Context) error {
	db, err := (configFlag{Config: t.config}).open(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	return t.auditTrail(ctx, db)
}

// tidy removes what the story left on the engine. (Otherwise containers and
// workspaces are kept for inspection.)
func (t *story) tidy(ctx context.Context) error {
	cfg, err := config.Load(t.config, nil)
	if err != nil {
		return err
	}
	node, err := os.ReadFile(filepath.Join(cfg.DataDir, "node"))
	if err != nil {
		return fmt.Errorf("find what to tidy up: %w", err)
	}
	runner, err := newRunner(cfg, strings.TrimSpace(string(node)), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer runner.Close() //nolint:errcheck // nothing depends on it any more
	left, err := runner.List(ctx)
	if err != nil {
		return fmt.Errorf("list what to tidy up: %w", err)
	}
	for _, c := range left { // a container and its volume have one name
		if err := errors.Join(runner.Remove(ctx, c.Name), runner.RemoveVolume(ctx, c.Name)); err != nil {
			return fmt.Errorf("tidy up: %w", err)
		}
	}
	if _, err := runner.EvictBases(ctx, sandbox.EvictPolicy{MaxBytes: 1}); err != nil {
		return fmt.Errorf("tidy up: %w", err)
	}
	return nil
}

// unusedAddress is one of this machine that nobody listens on. It is chosen before
// the server starts, because people are sent back to it from the forge.
func unusedAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

func (t *story) invite(page string) {
	pull := page + t.words().pulls
	if t.pr.Number != 0 {
		pull = t.pr.URL
	}
	fmt.Fprintf(t.out.out, `
Everything stays up. Open in a browser:
  %-45s %s
  %-45s the pull request of the story: its change, checks, and the review
  %-45s %s
Or in a terminal:
  bin/coderflow tasks -c %s
  bin/coderflow audit -c %s
Stop with Ctrl-C. All of it is kept in %s.
`, page+t.words().issues, t.words().visitor, pull, t.server, t.words().inSignIn, t.config, t.config, t.dir)
}
