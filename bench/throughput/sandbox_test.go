package throughput

import (
	"context"
	"io"
	"time"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// instant is a sandbox whose containers have ended as soon as they are started, and changed nothing.
type instant struct{}

func (instant) EnsureWorkspace(context.Context, sandbox.WorkspaceSpec) error { return nil }

func (instant) Start(_ context.Context, spec sandbox.Spec) (sandbox.Container, error) {
	return sandbox.Container{Name: spec.Name, ID: spec.Name, ImageID: "sha256:none", Digest: "none"}, nil
}

func (instant) Inspect(_ context.Context, name string) (sandbox.Status, error) {
	now := time.Now()
	return sandbox.Status{Name: name, ID: name, State: sandbox.StateExited, StartedAt: now, FinishedAt: now, Reason: sandbox.ReasonOK}, nil
}

func (instant) Stop(context.Context, string) error { return nil }

func (instant) ForgetSecrets(string) error { return nil }

func (instant) Logs(_ context.Context, _ string, o sandbox.LogOptions, _ io.Writer) (int64, error) {
	return o.Offset, nil
}

func (instant) ReadyCollector(context.Context, sandbox.CollectSpec) {}

func (instant) DismissCollector(string) {}

func (instant) Collect(context.Context, sandbox.CollectSpec) (sandbox.Collection, error) {
	return nothing{}, nil
}

// nothing is a collection of no changes.
type nothing struct{}

func (nothing) Next() (guestproto.Record, error) { return guestproto.Record{}, io.EOF }

func (nothing) Close() error { return nil }

// closed is the way out of an environment that has none.
type closed struct{}

func (closed) Open(context.Context, task.Task, manifest.Environment) (string, error) { return "", nil }

func (closed) Close(context.Context, task.ID) error { return nil }

func (closed) OpenExamination(context.Context, task.Examination, manifest.Environment) (string, error) {
	return "", nil
}

func (closed) CloseExamination(context.Context, string) error { return nil }

// none is an environment without secrets.
type none struct{}

func (none) Open(context.Context, string, secret.Context) ([]secret.Value, error) { return nil, nil }

func (none) Redactor(context.Context, string) (*secret.Redactor, error) {
	return secret.NewRedactor(), nil
}

func (none) Tripwire(context.Context, string) (*secret.Tripwire, error) { return nil, nil }
