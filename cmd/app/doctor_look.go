package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/doctor"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// noEngine is an engine that cannot even be addressed.
type noEngine struct{ err error }

// Facts implements doctor.Engine.
func (n noEngine) Facts(context.Context) (sandbox.EngineFacts, error) {
	return sandbox.EngineFacts{}, n.err
}

// HasImage implements doctor.Engine.
func (n noEngine) HasImage(context.Context, string) error { return n.err }

// Connection implements doctor.Engine.
func (n noEngine) Connection(context.Context) (sandbox.Connection, error) {
	return sandbox.Connection{}, n.err
}

// doctorSandbox makes containers as the server does, under a name of its own.
type doctorSandbox struct{ *docker.Runner }

// Workspaces implements doctor.Sandbox.
func (s doctorSandbox) Workspaces(ctx context.Context) (mode, why string, err error) {
	found, why, err := s.WorkspaceMode(ctx)
	return string(found), why, err
}

// newDoctorSandbox keeps its files in a directory of its own, within the data
// directory if it is there: what is not visible to the engine there is not
// visible to it from the server either.
func newDoctorSandbox(cfg config.Config, guest string) (doctor.Sandbox, func() error, error) {
	directory, err := os.MkdirTemp(cfg.DataDir, "doctor-")
	if err != nil {
		directory, err = os.MkdirTemp("", "coderflow-doctor-")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("make a directory for the probe's files: %w", err)
	}
	runner, err := docker.New(docker.Config{
		Endpoint: endpointOf(cfg), Files: cfg.Docker.Files, DataDir: directory, GuestPath: guest, Workspaces: cfg.Sandbox.Workspaces,
		Instance: "doctor-" + strings.ToLower(rand.Text()[:12]),
	})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(directory))
	}
	return doctorSandbox{runner}, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return errors.Join(runner.Clear(ctx), runner.Close(), os.RemoveAll(directory))
	}, nil
}

// lookAtDatabase opens the database without making or migrating it.
func lookAtDatabase(ctx context.Context, cfg config.Config) (facts doctor.DatabaseFacts) {
	options := store.Options{DSN: "sqlite", Path: cfg.SQLitePath(), Logger: slog.New(slog.DiscardHandler), Timeout: 5 * time.Second}
	facts.Where = options.Path
	if cfg.Database.Postgres {
		options.DSN, facts.Where = cfg.Database.DSN.Reveal(), "PostgreSQL"
		if u, err := url.Parse(options.DSN); err == nil {
			facts.Where = u.Redacted()
		}
	} else if _, err := os.Stat(options.Path); err != nil {
		facts.Missing = errors.Is(err, os.ErrNotExist)
		facts.Err = err
		if facts.Missing {
			facts.Err = nil
			facts.Environments, facts.Repositories, facts.ManifestErr = bootstrapped(cfg)
		}
		return facts
	}
	db, err := store.Open(ctx, options)
	if err != nil {
		facts.Err = err
		return facts
	}
	defer func() { facts.Err = errors.Join(facts.Err, db.Close()) }()
	if facts.Found, facts.Known, facts.Err = db.SchemaVersion(ctx); facts.Err != nil || facts.Found != facts.Known {
		return facts
	}
	facts.WriteErr = db.Ping(ctx)
	set, err := (&rules{store: db, admins: cfg.Admins, image: cfg.Sandbox.Image}).Manifests(ctx)
	if err != nil {
		if !errors.Is(err, task.ErrNotFound) {
			facts.ManifestErr = err
		}
		return facts
	}
	facts.Environments, facts.Repositories = environmentsOf(set), repositoriesOf(set)
	return facts
}

// bootstrapped are the environments that the server's first start will have.
func bootstrapped(cfg config.Config) ([]doctor.Environment, []forge.RepositoryRef, error) {
	if cfg.Bootstrap == "" {
		return nil, nil, nil
	}
	set, err := manifest.Load(cfg.Bootstrap)
	if err != nil {
		return nil, nil, err
	}
	return environmentsOf(set.WithImage(cfg.Sandbox.Image)), repositoriesOf(set), nil
}

// repositoriesOf are those that environments list, each once, by name.
func repositoriesOf(set *manifest.Set) []forge.RepositoryRef {
	var list []forge.RepositoryRef
	for _, e := range set.Environments {
		for _, r := range e.Repositories {
			if ref := r.Ref(); !slices.ContainsFunc(list, func(o forge.RepositoryRef) bool { return o.Key() == ref.Key() }) {
				list = append(list, ref)
			}
		}
	}
	slices.SortFunc(list, func(a, b forge.RepositoryRef) int { return strings.Compare(a.FullName()+a.Key(), b.FullName()+b.Key()) })
	return list
}

func environmentsOf(set *manifest.Set) []doctor.Environment {
	var list []doctor.Environment
	for name, e := range set.Environments {
		for _, agent := range e.AgentNames() {
			as, _ := e.WithAgent(agent)
			list = append(list, doctor.Environment{Name: name, Image: as.Agent.Image, Runtime: as.Sandbox.Runtime, Preset: as.Agent.Preset})
		}
	}
	slices.SortFunc(list, func(a, b doctor.Environment) int { return strings.Compare(a.Name, b.Name) })
	return list
}
