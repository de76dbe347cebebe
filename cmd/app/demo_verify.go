package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// verified has an auditor prove in a clone who approved the commit, with the
// commands that an auditor has.
func (t *story) verified(ctx context.Context) error {
	done, err := t.task(ctx)
	if err != nil {
		return err
	}
	dir := filepath.Join(t.dir, "auditor")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, step := range []struct {
		keep string // the file for what it prints
		args []string
	}{
		{"token", []string{"tokens", "create", "-c", t.config, "--for", t.subject(tom), "--name", "auditor", "--permission", "tasks:view,deployments:view"}},
		{"", []string{"receipt", string(done.ID), "--server", t.server, "--token-file", in("token"), "-o", in("receipt.json")}},
		{"audit.pub", []string{"audit", "checkpoint", "--key", "-c", t.config}},
	} {
		printed, err := t.command(ctx, step.args...)
		if err != nil {
			return err
		}
		if step.keep == "" {
			continue
		}
		if err := os.WriteFile(in(step.keep), []byte(printed), 0o600); err != nil {
			return err
		}
	}
	clone, err := t.clone(ctx, in("git"), done)
	if err != nil {
		return err
	}
	verify := func(commit string) (string, error) {
		return t.command(ctx, "verify", commit, "--repo", clone, "--receipt", in("receipt.json"), "--key", in("audit.pub"))
	}
	chain, err := verify(done.LandedCommit)
	if err != nil {
		return err
	}
	t.line("✓", "an auditor proves it with a clone, the receipt and the public key, and asks no server:")
	t.more("%s", chain)
	if said, err := verify(done.LandedCommit + "~1"); err == nil {
		return fmt.Errorf("the receipt was taken for the commit before it:\n%s", said)
	}
	t.line("✓", "for any other commit the receipt proves nothing: NOT VERIFIED")
	return nil
}

// command runs one of this program's commands and returns what it prints.
func (t *story) command(ctx context.Context, args ...string) (string, error) {
	var out, said bytes.Buffer
	if status := run(ctx, args, streams{out: &out, err: &said}); status != 0 {
		return out.String(), fmt.Errorf("coderflow %s: %s", args[0], strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}

// task is the newest one.
func (t *story) task(ctx context.Context) (task.Task, error) {
	db, err := (configFlag{Config: t.config}).open(ctx)
	if err != nil {
		return task.Task{}, err
	}
	tasks, err := db.Tasks(ctx, store.TaskFilter{Limit: 1})
	if err = errors.Join(err, db.Close()); err != nil {
		return task.Task{}, err
	}
	if len(tasks) == 0 {
		return task.Task{}, errors.New("there is no task")
	}
	return tasks[0], nil
}

// clone clones the task's branch as tom and returns where.
func (t *story) clone(ctx context.Context, dir string, of task.Task) (string, error) {
	info := t.hub.Info()
	at, err := url.Parse(sampleRemote(info))
	if err != nil {
		return "", err
	}
	git, err := gitops.New(gitops.Options{
		Dir: dir, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Committer: committer, AllowHTTPHosts: []string{at.Host},
	})
	if err != nil {
		return "", err
	}
	token := forge.Token{Source: "the auditor's own", Value: forge.Secret(sampleUser(info, tom).Token)}
	remote := gitops.Remote{Repository: of.Repository, URL: at.String(), Token: token}
	if _, err := git.Fetch(ctx, remote, of.ID.Branch()); err != nil {
		return "", fmt.Errorf("clone the repository: %w", err)
	}
	return filepath.Join(dir, "mirrors", of.Repository.Host+"-"+of.Repository.ID+".git"), nil
}
