package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// Engine is a Docker engine that is looked at.
type Engine interface {
	Facts(ctx context.Context) (sandbox.EngineFacts, error)
	HasImage(ctx context.Context, reference string) error
	// Connection looks at the way to the engine.
	Connection(ctx context.Context) (sandbox.Connection, error)
}

// engineChecks look at one engine. Its facts are asked for once: the checks that need them wait for each other's
// question, and without an answer they all but one say so shortly.
type engineChecks struct {
	host      string
	elsewhere bool // it does not see this machine's files
	engine    Engine
	packages  Packages
	now       func() time.Time
	once      sync.Once
	facts     sandbox.EngineFacts
	asked     time.Time // our time when it answered
	err       error
}

func (e *engineChecks) ask(ctx context.Context) (sandbox.EngineFacts, error) {
	e.once.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		began := e.now()
		e.facts, e.err = e.engine.Facts(ctx)
		e.asked = began.Add(e.now().Sub(began) / 2)
	})
	return e.facts, e.err
}

// askTime bounds a question that several checks wait for, so that each of them still has its say.
const askTime = 6 * time.Second

const seeEngine = "see the finding docker-engine"

// unknown is the finding of a check that needs an engine that does not answer.
func unknown(what string) Finding {
	return warning("cannot be told: the Docker engine does not answer", what, seeEngine)
}

// given wraps a check of facts.
func (e *engineChecks) given(what string, look func(sandbox.EngineFacts) Finding) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		facts, err := e.ask(ctx)
		if err != nil {
			return unknown(what)
		}
		return look(facts)
	}
}

func (e *engineChecks) checks() []Check {
	return []Check{
		{Name: "docker-engine", Run: e.reachable},
		{Name: "engine-connection", Run: e.connection(e.now)},
		{Name: "engine-clock", Run: e.clock(e.now)},
		{Name: "docker-version", Run: e.versioned("docker", "the engine may have known vulnerabilities", "apt-get update && apt-get install --only-upgrade docker.io", func(f sandbox.EngineFacts) string { return f.Version })},
		{Name: "containerd", Run: e.versioned("containerd", "containerd may have known vulnerabilities", "apt-get update && apt-get install --only-upgrade containerd", func(f sandbox.EngineFacts) string { return f.Containerd })},
		{Name: "runc", Run: e.versioned("runc", "runc may have known vulnerabilities", "apt-get update && apt-get install --only-upgrade runc; where that brings none with the fix, Docker's own packages do (containerd.io)", func(f sandbox.EngineFacts) string { return f.Runc })},
		{Name: "kernel", Run: e.given("an old kernel lacks what containers need", kernel)},
		{Name: "cgroups", Run: e.given("without its controllers a limit is not kept", cgroups)},
		{Name: "storage", Run: e.given("workspaces need overlayfs to start fast", storage)},
		{Name: "user-namespace", Run: e.given("a remapped user namespace is a second wall", userNamespace)},
		{Name: "mandatory-access", Run: e.given("AppArmor or SELinux is a second wall", mandatoryAccess)},
	}
}

func (e *engineChecks) reachable(ctx context.Context) Finding {
	facts, err := e.ask(ctx)
	switch {
	case err == nil && parseVersion(facts.APIVersion).compare(parseVersion(leastAPI)) < 0:
		return problem(fmt.Sprintf("the engine at %s speaks API %s", e.host, facts.APIVersion),
			"CoderFlow needs "+leastAPI+" (Docker 20.10)", "install Docker 20.10 or later: apt-get install docker.io")
	case err == nil && facts.OpenToTheNetwork:
		return problem("the engine's API listens on the network without protection",
			"whoever reaches it is root on its machine", "remove the tcp address from the \"hosts\" of /etc/docker/daemon.json and restart Docker")
	case err == nil:
		return fine("Docker %s answers at %s, API %s, %s", facts.Version, e.host, facts.APIVersion, facts.OS).
			with("version", facts.Version).with("api", facts.APIVersion)
	}
	return e.unreachable(ctx, err)
}

// unreachable asks the socket itself: the client's error does not say why.
func (e *engineChecks) unreachable(ctx context.Context, err error) Finding {
	const why = "every task runs in a container of this engine"
	path, local := strings.CutPrefix(e.host, "unix://")
	if local {
		conn, dialErr := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path)
		if conn != nil {
			_ = conn.Close()
		}
		switch {
		case dialErr == nil:
			return problem("the engine at "+e.host+" takes the call and does not answer", why,
				"look at its log (journalctl -u docker) and restart it: systemctl restart docker")
		case errors.Is(dialErr, os.ErrPermission):
			return problem("this user may not use the engine at "+e.host, why,
				"run as the server's user, or add the user to the socket's group: usermod -aG docker "+userName())
		case errors.Is(dialErr, os.ErrNotExist):
			return problem("there is no engine at "+e.host, why,
				"install and start one (apt-get install docker.io && systemctl start docker), or set docker.host")
		}
		err = dialErr
	}
	if e.elsewhere {
		return problem(fmt.Sprintf("the engine at %s does not answer: %v", e.host, err), why,
			"on its machine: systemctl status docker; from here: its address, the firewalls in between, and the keys and certificates of docs/engines.md")
	}
	return problem(fmt.Sprintf("the engine at %s does not answer: %v", e.host, err), why,
		"start it (systemctl start docker), or set docker.host to where it is")
}

// leastAPI is that of Docker 20.10, the oldest engine that is tested.
const leastAPI = "1.41"

func userName() string {
	if name := os.Getenv("USER"); name != "" {
		return name
	}
	return "USER"
}

func (e *engineChecks) versioned(name, what, update string, version func(sandbox.EngineFacts) string) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		facts, err := e.ask(ctx)
		if err != nil {
			return unknown(what)
		}
		c := component{name: name, version: version(facts), authz: facts.Authorization, update: update}
		return c.judge(ctx, e.packages)
	}
}

func kernel(f sandbox.EngineFacts) Finding {
	v := parseVersion(f.Kernel)
	switch {
	case !v.known || v.compare(parseVersion("4.18")) < 0:
		return problem("the kernel is "+f.Kernel, "4.18 is the oldest on which overlayfs, seccomp and cgroups are as CoderFlow needs them",
			"run the engine on a current distribution: apt-get dist-upgrade, then reboot")
	case !slices.Contains(f.SecurityOptions, "seccomp"):
		return problem("the engine cannot filter system calls", "a hostile program could use every door of the kernel",
			"use a kernel with CONFIG_SECCOMP_FILTER and an engine built with seccomp: apt-get install docker.io")
	}
	return fine("Linux %s, with filters of system calls", f.Kernel).with("kernel", f.Kernel)
}

func cgroups(f sandbox.EngineFacts) Finding {
	if len(f.MissingLimits) > 0 {
		return problem("the engine cannot limit: "+strings.Join(f.MissingLimits, ", "), "one task could take the whole machine",
			"boot the kernel with cgroup_enable=memory, or with systemd.unified_cgroup_hierarchy=1, and restart Docker").with("missing", f.MissingLimits)
	}
	return fine("cgroup v%s limits memory, processes and CPU", f.CgroupVersion).with("version", f.CgroupVersion)
}

func storage(f sandbox.EngineFacts) Finding {
	found := fine("%s on %s, below %s", f.StorageDriver, orUnknown(f.BackingFS), f.Root)
	if f.StorageDriver != "overlay2" && f.StorageDriver != "overlayfs" {
		found = warning(fmt.Sprintf("the storage driver is %s on %s", f.StorageDriver, orUnknown(f.BackingFS)),
			"only overlay2 is tested; others start containers slowly", "set \"storage-driver\": \"overlay2\" in /etc/docker/daemon.json and restart Docker")
	}
	return found.with("driver", f.StorageDriver).with("backing", f.BackingFS).with("root", f.Root)
}

func orUnknown(text string) string {
	if text == "" {
		return "an unknown file system"
	}
	return text
}

func userNamespace(f sandbox.EngineFacts) Finding {
	switch {
	case slices.Contains(f.SecurityOptions, "rootless"):
		return fine("the engine runs without root").with("mode", "rootless")
	case slices.Contains(f.SecurityOptions, "userns"):
		return fine("users of containers are shifted to unprivileged ones of the host").with("mode", "remap")
	}
	return warning("users of containers are not shifted (userns-remap is off)",
		"a program that broke out of its container would be user 10001 of this machine; with the shift it is a user that owns nothing",
		"on an engine that CoderFlow has for itself, set \"userns-remap\": \"default\" in /etc/docker/daemon.json and restart Docker; images have to be built again").with("mode", "off")
}

func mandatoryAccess(f sandbox.EngineFacts) Finding {
	for _, name := range []string{"apparmor", "selinux"} {
		if slices.Contains(f.SecurityOptions, name) {
			return fine("%s confines containers", name).with("module", name)
		}
	}
	return warning("neither AppArmor nor SELinux confines containers", "a hole in the other walls is not covered by this one",
		"where the kernel has AppArmor, turn it on: apt-get install apparmor, boot with apparmor=1 security=apparmor, restart Docker").with("module", "none")
}
