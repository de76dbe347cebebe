package doctor

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// Sandbox runs containers as tasks get them.
type Sandbox interface {
	// Probe runs one and returns what a program finds in it.
	Probe(ctx context.Context, image, runtime string) (sandbox.ProbeResult, error)
	// Workspaces says how workspaces are made, and why.
	Workspaces(ctx context.Context) (mode, why string, err error)
	// SecretsDir is where secrets lie in memory, or why they cannot; empty for the engine's machine's.
	SecretsDir() (string, error)
}

// Environment is what an environment asks of the engine.
type Environment struct{ Name, Image, Runtime, Preset string }

// sandboxChecks look at what containers are made from, and make one.
type sandboxChecks struct {
	engine       *engineChecks
	sandbox      Sandbox
	sandboxErr   error // why there is none
	guest        string
	image        string // where an environment names none
	environments func(ctx context.Context) ([]Environment, error)

	once   sync.Once
	result sandbox.ProbeResult
	failed error
}

// probed runs the one probe that several checks look at.
func (s *sandboxChecks) probed(ctx context.Context) (sandbox.ProbeResult, error) {
	s.once.Do(func() { s.result, s.failed = s.sandbox.Probe(ctx, s.image, "") })
	return s.result, s.failed
}

func (s *sandboxChecks) checks() []Check {
	return []Check{
		{Name: "runtimes", Run: s.runtimes},
		{Name: "images", Run: s.images},
		{Name: "guest-helper", Run: s.helper},
		{Name: "workspaces", Run: s.workspaces, Limit: containerTime},
		{Name: "secrets", Run: s.secrets},
		{Name: "probe-container", Run: s.probe, Limit: containerTime},
	}
}

func (s *sandboxChecks) runtimes(ctx context.Context) Finding {
	facts, err := s.engine.ask(ctx)
	if err != nil {
		return unknown("an environment may ask for a runtime that is not there")
	}
	environments, err := s.environments(ctx)
	if err != nil {
		return warning("which runtimes are needed cannot be told: "+err.Error(), "a task in an environment with a missing runtime fails",
			"see the finding database")
	}
	list := strings.Join(facts.Runtimes, ", ")
	for _, e := range environments {
		if e.Runtime != "" && !slices.Contains(facts.Runtimes, e.Runtime) {
			return problem(fmt.Sprintf("environment %s asks for the runtime %q; the engine has %s", e.Name, e.Runtime, list),
				"its tasks fail", "add the runtime under \"runtimes\" in /etc/docker/daemon.json and reload Docker (systemctl reload docker), or change spec.sandbox.runtime").
				with("available", facts.Runtimes)
		}
	}
	return fine("%s; the default is %s", list, facts.DefaultRuntime).with("available", facts.Runtimes).with("default", facts.DefaultRuntime)
}

// images looks for every image that is named anywhere.
func (s *sandboxChecks) images(ctx context.Context) Finding {
	if _, err := s.engine.ask(ctx); err != nil {
		return unknown("a task whose image is missing fails")
	}
	wanted := map[string]string{s.image: "the server's default"}
	presets := map[string]string{}
	environments, err := s.environments(ctx)
	for _, e := range environments {
		if e.Image != "" {
			wanted[e.Image], presets[e.Image] = "environment "+e.Name, e.Preset
		}
	}
	for _, image := range slices.Sorted(maps.Keys(wanted)) {
		switch err := s.engine.engine.HasImage(ctx, image); {
		case errors.Is(err, sandbox.ErrImageMissing):
			fix := "build or load it on this engine: make setup (coderflow/sandbox), or docker load < IMAGE.tar"
			if preset := presets[image]; preset != "" && preset != "exec" {
				fix = "build it: coderflow images build " + preset
			}
			return problem(fmt.Sprintf("image %s of %s is not on this engine", image, wanted[image]),
				"nothing is pulled when a task runs, so that it fails", fix)
		case err != nil:
			return warning(err.Error(), "whether the images are there cannot be told", seeEngine)
		}
	}
	if err != nil {
		return warning("the default image is there; which ones environments name cannot be told: "+err.Error(),
			"a task whose image is missing fails", "see the finding database")
	}
	return fine("there: %s", strings.Join(slices.Sorted(maps.Keys(wanted)), ", ")).with("images", slices.Sorted(maps.Keys(wanted)))
}

// helper checks the program that every container begins with. It has to run in any image, so that it must be static.
func (s *sandboxChecks) helper(context.Context) Finding {
	const why, fix = "every container begins with it", "make build, and set sandbox.guest if it is not beside the coderflow program"
	program, err := elf.Open(s.guest)
	if err != nil {
		return problem("the guest helper cannot be used: "+err.Error(), why, fix)
	}
	defer program.Close()
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			return problem(s.guest+" is not a static program", "it would need libraries that an image may not have",
				"build it with CGO_ENABLED=0: make build")
		}
	}
	return fine("%s is a static program", s.guest).with("path", s.guest)
}

func (s *sandboxChecks) secrets(context.Context) Finding {
	if s.sandboxErr != nil {
		return s.none()
	}
	dir, err := s.sandbox.SecretsDir()
	if err != nil {
		return warning(err.Error(), "tasks and deployments that have secrets fail", "mount a tmpfs: mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run")
	}
	if dir == "" {
		return fine("containers' secrets lie in the memory of the engine's machine")
	}
	return fine("containers' secrets lie in memory, below %s", dir).with("directory", dir)
}

func (s *sandboxChecks) workspaces(ctx context.Context) Finding {
	if _, err := s.engine.ask(ctx); err != nil {
		return unknown("copies of a large repository take long")
	}
	if s.sandboxErr != nil {
		return s.none()
	}
	mode, why, err := s.sandbox.Workspaces(ctx)
	switch {
	case err != nil:
		return warning("how workspaces are made cannot be told: "+err.Error(), "copies of a large repository take long", "see the findings images and probe-container")
	case mode != "overlay":
		return warning(fmt.Sprintf("workspaces are made by %s: %s", mode, why),
			"the start of a task grows with its repository", "keep Docker's data on a file system that can hold overlays (ext4, xfs with ftype=1), or set sandbox.workspaces: copy to accept it").with("mode", mode)
	}
	return fine("workspaces are overlays: %s", why).with("mode", mode)
}

func (s *sandboxChecks) none() Finding {
	return warning("no container can be made: "+s.sandboxErr.Error(), "this could not be looked at", "see the findings configuration and guest-helper")
}

// probe makes a real container and believes only what a program in it saw.
func (s *sandboxChecks) probe(ctx context.Context) Finding {
	if _, err := s.engine.ask(ctx); err != nil {
		return unknown("whether containers are as hardened as they should be is not known")
	}
	if s.sandboxErr != nil {
		return s.none()
	}
	result, err := s.probed(ctx)
	if err != nil {
		return problem("a hardened container does not run: "+err.Error(), "no task can run", "see the findings images, storage and data-directory; then the engine's log: journalctl -u docker")
	}
	if holes := holes(result); len(holes) > 0 {
		return problem("in a hardened container: "+strings.Join(holes, "; "), "a hostile program has more than it should",
			"do not run tasks on this engine; install a current one (apt-get install docker.io) and look again").with("probe", result)
	}
	return fine("hardened as it should be (user 10001, no capabilities, no new privileges, system calls filtered, no network, read-only root), in %d ms", result.Took.Milliseconds()).
		with("milliseconds", result.Took.Milliseconds())
}

// holes compares what was seen in a container with what has to be.
func holes(r sandbox.ProbeResult) []string {
	var found []string
	want := func(ok bool, format string, arguments ...any) {
		if !ok {
			found = append(found, fmt.Sprintf(format, arguments...))
		}
	}
	const coder = "10001 10001 10001 10001"
	want(r.UID == coder && r.GID == coder, "the user is %s, the group %s", r.UID, r.GID)
	want(strings.Trim(r.CapEff, "0") == "" && r.CapEff != "", "it has the capabilities %s", r.CapEff)
	want(r.NoNewPrivs == "1", "privileges can be gained")
	want(r.Seccomp == "2", "system calls are not filtered")
	want(len(r.Interfaces) == 0 || slices.Equal(r.Interfaces, []string{"lo"}), "it has the network interfaces %v", r.Interfaces)
	want(!r.RootRW, "the root file system can be written")
	return found
}
