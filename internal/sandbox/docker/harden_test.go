package docker

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files anew; then read the difference")

// offline is a runner that talks to no engine.
func offline(t *testing.T) *Runner {
	t.Helper()
	profile, err := seccompProfile()
	if err != nil {
		t.Fatal(err)
	}
	return &Runner{dataDir: "/data", instance: "main", guest: "/data/guest/HASH/guest", hosts: "/data/guest/hosts", seccomp: profile}
}

func taskSpec() sandbox.Spec {
	return sandbox.Spec{
		Name: "task-1", Image: "coderflow/sandbox:dev", Argv: []string{"agent"}, Env: map[string]string{"B": "2", "A": "1"},
		Workspace: sandbox.Workspace{Volume: "ws-1"}, SocketDir: "/data/sockets/task-1", Network: sandbox.NetworkNone,
		Inputs: sandbox.Inputs{Prompt: []byte("p")},
		Limits: sandbox.Limits{
			Memory: 1 << 30, CPUs: 1.5, Pids: 256, NoFile: 1024, FileSize: 1 << 30, TmpSize: 1 << 28, HomeSize: 1 << 27,
			OutputBytes: 1 << 20, Wall: time.Hour, Grace: time.Second, CleanupTime: time.Second,
		},
		Labels: sandbox.Labels{Task: "1", Purpose: "task"},
	}
}

var overlay = workspace{name: "ws-1", mode: sandbox.WorkspaceOverlay, base: "base-1"}

// TestEveryContainerIsExactlyAsHardenedAsWritten holds whole create calls. Read a difference twice: each line that
// goes is a defence.
func TestEveryContainerIsExactlyAsHardenedAsWritten(t *testing.T) {
	t.Parallel()
	runner := offline(t)
	deployment := taskSpec()
	deployment.Name, deployment.SocketDir, deployment.Workspace.ReadOnly = "deploy-1", "", true
	judge := deployment
	judge.Name, judge.Base = "judge-1", "ws-1-base"
	collect := sandbox.CollectSpec{Volume: "ws-1", Labels: sandbox.Labels{Task: "1", Purpose: "task"}}
	elsewhere, held := offline(t), taskSpec()
	elsewhere.copies = true
	token, err := secret.NewValue("TOKEN", []byte("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	held.Secrets = []secret.Value{token}
	for name, make := range map[string]func() (*container.Config, *container.HostConfig){
		"task-elsewhere": func() (*container.Config, *container.HostConfig) {
			return elsewhere.taskContainer(held, "sha256:IMAGE", overlay)
		},
		"holder": func() (*container.Config, *container.HostConfig) {
			return elsewhere.holderContainer(held, "sha256:IMAGE")
		},
		"task": func() (*container.Config, *container.HostConfig) {
			return runner.taskContainer(taskSpec(), "sha256:IMAGE", overlay)
		},
		"deployment": func() (*container.Config, *container.HostConfig) {
			return runner.taskContainer(deployment, "sha256:IMAGE", overlay)
		},
		"judge": func() (*container.Config, *container.HostConfig) {
			return runner.taskContainer(judge, "sha256:IMAGE", overlay)
		},
		"collect": func() (*container.Config, *container.HostConfig) {
			return runner.collectContainer("collect-ws-1", "sha256:IMAGE", collect, overlay, false)
		},
		"collect-waiting": func() (*container.Config, *container.HostConfig) {
			return runner.collectContainer("collect-ws-1", "sha256:IMAGE", collect, overlay, true)
		},
	} {
		config, host := make()
		got := render(t, runner, config, host)
		path := filepath.Join("testdata", "golden", name+".json")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s differs from %s:\n%s", name, path, got)
		}
	}
}

func render(t *testing.T, runner *Runner, config *container.Config, host *container.HostConfig) []byte {
	t.Helper()
	for i, option := range host.SecurityOpt {
		host.SecurityOpt[i] = strings.ReplaceAll(option, runner.seccomp, "(the profile of seccomp.go)")
	}
	text, err := json.MarshalIndent(map[string]any{"Config": config, "HostConfig": host}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func TestTheCreateCallDependsOnTheSpecAlone(t *testing.T) {
	t.Parallel()
	runner := offline(t)
	config, host := runner.taskContainer(taskSpec(), "sha256:IMAGE", overlay)
	first := render(t, runner, config, host)
	for range 20 {
		config, host := runner.taskContainer(taskSpec(), "sha256:IMAGE", overlay)
		if again := render(t, runner, config, host); string(again) != string(first) {
			t.Fatal("two calls differ")
		}
	}
}

func TestTheSeccompProfileIsAnAllowListWithoutTheDangerousCalls(t *testing.T) {
	t.Parallel()
	var document seccompDocument
	if err := json.Unmarshal([]byte(offline(t).seccomp), &document); err != nil {
		t.Fatal(err)
	}
	if document.DefaultAction != "SCMP_ACT_ERRNO" {
		t.Errorf("default action %s", document.DefaultAction)
	}
	for _, arch := range document.ArchMap {
		if len(arch.SubArchitectures) > 0 {
			t.Errorf("%s lets %v in", arch.Architecture, arch.SubArchitectures)
		}
	}
	never := []string{
		"io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "keyctl", "add_key", "request_key", "userfaultfd",
		"unshare", "setns", "mount", "umount2", "fsopen", "fsmount", "move_mount", "open_tree", "pivot_root", "chroot",
		"open_by_handle_at", "name_to_handle_at", "perf_event_open", "kexec_load", "init_module", "finit_module",
		"socketcall", "ipc", "iopl", "ioperm", "modify_ldt", "pidfd_getfd", "process_madvise", "kcmp", "reboot", "swapon",
		"acct", "quotactl", "syslog", "clock_settime", "settimeofday", "lookup_dcookie", "fanotify_init", "vhangup",
		"memfd_secret",
	}
	onCondition := []string{"socket", "socketpair", "clone", "personality"}
	for _, rule := range document.Syscalls {
		for _, name := range rule.Names {
			if rule.Action == "SCMP_ACT_ALLOW" && slices.Contains(never, name) {
				t.Errorf("%s is allowed", name)
			}
			if slices.Contains(onCondition, name) && len(rule.Args) == 0 {
				t.Errorf("%s is allowed whatever its arguments", name)
			}
		}
	}
}

func TestReasonsNameTheBoundThatWasMet(t *testing.T) {
	t.Parallel()
	failed, timeout := guestproto.OutcomeFailed, guestproto.OutcomeTimeout
	for _, c := range []struct {
		outcome   guestproto.Outcome
		exhausted []guestproto.Resource
		oom       bool
		want      sandbox.Reason
	}{
		{outcome: guestproto.OutcomeOK, want: sandbox.ReasonOK},
		{outcome: guestproto.OutcomeOK, exhausted: []guestproto.Resource{guestproto.ResourceMemory}, oom: true, want: sandbox.ReasonOK},
		{outcome: failed, want: sandbox.ReasonAgentFailed},
		{outcome: failed, oom: true, want: sandbox.ReasonOutOfMemory},
		{outcome: timeout, exhausted: []guestproto.Resource{guestproto.ResourceProcesses}, want: sandbox.ReasonProcessLimit},
		{outcome: failed, exhausted: []guestproto.Resource{guestproto.ResourceWorkspace}, want: sandbox.ReasonDiskFull},
		{outcome: guestproto.OutcomeSetupFailed, want: sandbox.ReasonSetupFailed},
		{outcome: guestproto.OutcomeStopped, oom: true, want: sandbox.ReasonStopped},
		{outcome: timeout, want: sandbox.ReasonTimeout},
		{outcome: guestproto.OutcomeDiskQuota, exhausted: []guestproto.Resource{guestproto.ResourceQuota}, want: sandbox.ReasonDiskQuota},
		{outcome: guestproto.OutcomeBroken, want: sandbox.ReasonBroken},
		{outcome: "invented", want: sandbox.ReasonBroken},
	} {
		if got := reason(guestproto.Result{Outcome: c.outcome, Exhausted: c.exhausted}, c.oom); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
