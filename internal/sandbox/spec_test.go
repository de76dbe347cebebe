package sandbox

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func valid() Spec {
	return Spec{
		Name: "task-1", Image: "image", Argv: []string{"true"}, Workspace: Workspace{Volume: "ws-1"},
		Network: NetworkNone, Limits: DefaultLimits(),
	}
}

func TestValidationNamesEveryFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	if err := valid().Validate(); err != nil {
		t.Fatal(err)
	}
	for field, spoil := range map[string]func(*Spec){
		"name":                  func(s *Spec) { s.Name = "../x" },
		"image":                 func(s *Spec) { s.Image = "" },
		"argv":                  func(s *Spec) { s.Argv = nil },
		"argv[1]":               func(s *Spec) { s.Argv = []string{"a", strings.Repeat("x", maxArgument)} },
		"env":                   func(s *Spec) { s.Env = map[string]string{"A=B": ""} },
		"env.A":                 func(s *Spec) { s.Env = map[string]string{"A": "\x00"} },
		"workspace.volume":      func(s *Spec) { s.Workspace.Volume = "" },
		"network":               func(s *Spec) { s.Network = "bridge" },
		"socketDir":             func(s *Spec) { s.SocketDir = "x" },
		"inputs.prompt":         func(s *Spec) { s.Inputs.Prompt = make([]byte, maxInput+1) },
		"limits.memory":         func(s *Spec) { s.Limits.Memory = 0 },
		"limits.cpus":           func(s *Spec) { s.Limits.CPUs = 0 },
		"limits.pids":           func(s *Spec) { s.Limits.Pids = -1 },
		"limits.noFile":         func(s *Spec) { s.Limits.NoFile = 1 },
		"limits.fileSize":       func(s *Spec) { s.Limits.FileSize = 1 },
		"limits.tmpSize":        func(s *Spec) { s.Limits.TmpSize = 1 },
		"limits.homeSize":       func(s *Spec) { s.Limits.HomeSize = 1 },
		"limits.outputBytes":    func(s *Spec) { s.Limits.OutputBytes = 1 << 40 },
		"limits.workspace":      func(s *Spec) { s.Limits.Workspace = -1 },
		"limits.workspaceFiles": func(s *Spec) { s.Limits.WorkspaceFiles = 1 },
		"limits.wall":           func(s *Spec) { s.Limits.Wall = 0 },
		"limits.grace":          func(s *Spec) { s.Limits.Grace = time.Hour },
		"limits.cleanupTime":    func(s *Spec) { s.Limits.CleanupTime = -1 },
	} {
		spec := valid()
		spoil(&spec)
		err := spec.Validate()
		var problem *FieldError
		if !errors.As(err, &problem) || problem.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	spec := Spec{}
	if err := spec.Validate(); err == nil || strings.Count(err.Error(), "\n") < 8 {
		t.Errorf("an empty spec has more problems than: %v", err)
	}
}

func TestDefaultsFillWhatIsZero(t *testing.T) {
	t.Parallel()
	if (Limits{}).WithDefaults() != DefaultLimits() {
		t.Error("an empty Limits does not become the defaults")
	}
	own := Limits{Memory: 64 << 20}.WithDefaults()
	if own.Memory != 64<<20 || own.Validate() != nil {
		t.Errorf("%+v: %v", own, own.Validate())
	}
	if longest := own.Longest(); longest <= own.Wall+own.Grace+own.CleanupTime {
		t.Errorf("longest %s", longest)
	}
}

func TestTheDigestCoversEverything(t *testing.T) {
	t.Parallel()
	base := valid().Digest("sha256:a")
	if valid().Digest("sha256:a") != base {
		t.Error("not deterministic")
	}
	renamed := valid()
	renamed.Image = "another name of the same image"
	if renamed.Digest("sha256:a") != base {
		t.Error("depends on the image's name")
	}
	seen := map[string]string{base: "nothing", valid().Digest("sha256:b"): "image id"}
	for what, change := range map[string]func(*Spec){
		"name": func(s *Spec) { s.Name = "x" }, "argv": func(s *Spec) { s.Argv = []string{"a b"} },
		"argv split": func(s *Spec) { s.Argv = []string{"a", "b"} },
		"env":        func(s *Spec) { s.Env = map[string]string{"A": "1"} },
		"volume":     func(s *Spec) { s.Workspace.Volume = "x" }, "read-only": func(s *Spec) { s.Workspace.ReadOnly = true },
		"prompt": func(s *Spec) { s.Inputs.Prompt = []byte("x") }, "setup": func(s *Spec) { s.Inputs.Setup = []byte("x") },
		"cleanup": func(s *Spec) { s.Inputs.Cleanup = []byte("x") },
		"home":    func(s *Spec) { s.Inputs.Home = map[string][]byte{"a": nil} },
		"socket":  func(s *Spec) { s.SocketDir = "/x" },
		"limits":  func(s *Spec) { s.Limits.Pids++ }, "labels": func(s *Spec) { s.Labels.Task = "x" },
	} {
		spec := valid()
		change(&spec)
		digest := spec.Digest("sha256:a")
		if other, twice := seen[digest]; twice {
			t.Errorf("%s and %s have the same digest", what, other)
		}
		seen[digest] = what
	}
}

func TestEveryReasonIsExplained(t *testing.T) {
	t.Parallel()
	for _, reason := range []Reason{
		ReasonOK, ReasonAgentFailed, ReasonSetupFailed, ReasonTimeout, ReasonStopped, ReasonOutOfMemory,
		ReasonProcessLimit, ReasonDiskFull, ReasonDiskQuota, ReasonBroken, ReasonEngineLost,
	} {
		if reason.Explain() == "" {
			t.Errorf("%s is not explained", reason)
		}
	}
}
