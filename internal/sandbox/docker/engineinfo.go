package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// checkRuntime reports an OCI runtime that the engine does not have. Without it the engine's own error would come
// after the volume and the inputs were made, and not say what there is. An empty name is the engine's default.
func checkRuntime(info system.Info, runtime string) error {
	if runtime == "" {
		return nil
	}
	if _, there := info.Runtimes[runtime]; there {
		return nil
	}
	return fmt.Errorf("runtime %q: %w; it has %s", runtime, sandbox.ErrRuntimeMissing,
		strings.Join(slices.Sorted(maps.Keys(info.Runtimes)), ", "))
}

// Engine looks at a Docker engine without running anything on it.
type Engine struct {
	at          Endpoint
	engine      *client.Client
	closeEngine func() error
}

// Dial makes a client. It does not talk to the engine yet.
func Dial(at Endpoint) (*Engine, error) {
	engine, closeEngine, err := at.client()
	if err != nil {
		return nil, fmt.Errorf("docker engine: %w", err)
	}
	return &Engine{at, engine, closeEngine}, nil
}

// Close releases the connections.
func (e *Engine) Close() error { return e.closeEngine() }

// HasImage returns ErrImageMissing when the engine does not have an image, and ErrEngineUnavailable when that cannot
// be told.
func (e *Engine) HasImage(caller context.Context, reference string) error {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	_, err := e.engine.ImageInspect(ctx, reference)
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("image %s: %w", reference, sandbox.ErrImageMissing)
	}
	return engineError(caller, "looking up image "+reference, err)
}

// Facts asks the engine about itself.
func (e *Engine) Facts(caller context.Context) (sandbox.EngineFacts, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	info, err := e.engine.Info(ctx)
	if err != nil {
		return sandbox.EngineFacts{}, engineError(caller, "asking the Docker engine about itself", err)
	}
	version, err := e.engine.ServerVersion(ctx)
	if err != nil {
		return sandbox.EngineFacts{}, engineError(caller, "asking the Docker engine for its version", err)
	}
	facts := factsOf(info)
	facts.Version, facts.APIVersion = version.Version, e.engine.ClientVersion()
	facts.Containerd, facts.Runc = componentVersion(version, "containerd"), componentVersion(version, "runc")
	return facts, nil
}

func factsOf(info system.Info) sandbox.EngineFacts {
	facts := sandbox.EngineFacts{
		OS: info.OperatingSystem, Kernel: info.KernelVersion, CPUs: info.NCPU, Memory: info.MemTotal,
		Root: info.DockerRootDir, StorageDriver: info.Driver, CgroupVersion: info.CgroupVersion,
		Runtimes: slices.Sorted(maps.Keys(info.Runtimes)), DefaultRuntime: info.DefaultRuntime,
		Authorization: len(info.Plugins.Authorization) > 0,
	}
	facts.Time, _ = time.Parse(time.RFC3339Nano, info.SystemTime)
	for _, pair := range info.DriverStatus {
		if pair[0] == "Backing Filesystem" {
			facts.BackingFS = pair[1]
		}
	}
	for _, option := range info.SecurityOptions {
		// "name=seccomp,profile=default"
		name, _, _ := strings.Cut(strings.TrimPrefix(option, "name="), ",")
		facts.SecurityOptions = append(facts.SecurityOptions, name)
	}
	for name, there := range map[string]bool{
		"memory": info.MemoryLimit, "pids": info.PidsLimit, "cpu": info.CPUCfsQuota,
	} {
		if !there {
			facts.MissingLimits = append(facts.MissingLimits, name)
		}
	}
	slices.Sort(facts.MissingLimits)
	for _, text := range info.Warnings {
		if strings.Contains(text, "without encryption") || strings.Contains(text, "is insecure") {
			facts.OpenToTheNetwork = true
		}
	}
	return facts
}

// componentVersion prefers the commit where a distribution puts its revision there, as Debian does.
func componentVersion(version types.Version, name string) string {
	for _, component := range version.Components {
		if component.Name != name {
			continue
		}
		if commit := component.Details["GitCommit"]; strings.HasPrefix(commit, component.Version) {
			return commit
		}
		return component.Version
	}
	return ""
}
