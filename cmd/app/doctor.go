package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/doctor"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
)

type doctorCmd struct {
	configFlag
	outputFlag
}

// doctorSchema names the JSON's shape. Keys are added to it, never changed.
const doctorSchema = "coderflow.dev/doctor/v1"

type doctorReport struct {
	Schema   string           `json:"schema"`
	Version  string           `json:"version"` // of coderflow
	At       time.Time        `json:"at"`
	Summary  doctor.Summary   `json:"summary"`
	Findings []doctor.Finding `json:"findings"`
}

// Run examines an installation. The server may run, or not, or not be able to:
// nothing is locked, migrated or started but one container for a second.
func (c doctorCmd) Run(ctx context.Context, s streams) (err error) {
	options, closers := c.options()
	defer func() {
		for _, closer := range closers {
			err = errors.Join(err, closer())
		}
	}()
	checks := doctor.Checks(options)
	findings := doctor.Run(ctx, checks, progress(s.err, len(checks), c.format() != "table"))
	summary := doctor.Summarize(findings)
	done, err := c.encoded(s, doctorReport{doctorSchema, version, time.Now().UTC(), summary, findings})
	if !done {
		err = printFindings(s.out, doctor.NewStyle(checks, characterDevice(s.out)), findings, summary)
	}
	if err == nil && summary.Problems > 0 {
		return &exitError{1, fmt.Errorf("%s; each has its fix", summary)}
	}
	return err
}

func printFindings(w io.Writer, style doctor.Style, findings []doctor.Finding, summary doctor.Summary) error {
	for _, f := range findings {
		if err := style.Write(w, f); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", summary)
	return err
}

// progress counts on a terminal; elsewhere it would only be noise.
func progress(w io.Writer, of int, quiet bool) func(doctor.Finding) {
	if quiet || !characterDevice(w) {
		return nil
	}
	done := 0
	return func(f doctor.Finding) {
		done++
		if done < of {
			fmt.Fprintf(w, "\r\x1b[K%d of %d looked at, last %s", done, of, f.Check)
			return
		}
		fmt.Fprint(w, "\r\x1b[K")
	}
}

func characterDevice(w any) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// options opens what can be opened. What cannot is for the checks to say.
func (c doctorCmd) options() (doctor.Options, []func() error) {
	from := c.Config
	if _, err := os.Stat("coderflow.yaml"); from == "" && err == nil {
		from = "coderflow.yaml"
	}
	cfg, err := config.Salvage(from, os.Environ())
	return doctorOptions(cfg, err, from)
}

// doctorOptions are those of an installation with the configuration, as far as it
// could be read.
func doctorOptions(cfg config.Config, configErr error, from string) (doctor.Options, []func() error) {
	options := doctor.Options{
		Config: cfg, ConfigErr: configErr, From: from, Guest: guestPath(cfg), Now: time.Now, Git: gitops.Version,
		Packages: doctor.Packages{Docs: "/usr/share/doc"},
		Client:   &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		Database: func(ctx context.Context) doctor.DatabaseFacts { return lookAtDatabase(ctx, cfg) },
	}
	var closers []func() error
	at := endpointOf(cfg)
	options.Elsewhere = cfg.Docker.Files == "copy" || cfg.Docker.Files != "bind" && at.Elsewhere()
	engine, err := docker.Dial(at)
	if err != nil {
		options.Engine = noEngine{err}
	} else {
		options.Engine, closers = engine, append(closers, engine.Close)
	}
	box, closeBox, err := newDoctorSandbox(cfg, options.Guest)
	if err != nil {
		options.SandboxErr = err
	} else {
		options.Sandbox, closers = box, append(closers, closeBox)
	}
	if cfg.GitHub != nil {
		hub, err := newGitHub(*cfg.GitHub, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			options.AppErr = err
		} else {
			options.App = hub
		}
	}
	if cfg.AzureDevOps != nil {
		azure, err := newAzureDevOps(*cfg.AzureDevOps, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			options.OrganizationErr = err
		} else {
			options.Organization = azure
		}
	}
	return options, closers
}

// guestPath is where the server looks for the helper.
func guestPath(cfg config.Config) string {
	if cfg.Sandbox.Guest != "" {
		return cfg.Sandbox.Guest
	}
	self, err := os.Executable()
	if err != nil {
		return "coderflow-guest"
	}
	return filepath.Join(filepath.Dir(self), "coderflow-guest")
}
