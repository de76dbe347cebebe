package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// sampleLab is a lab whose containers see something happen while they run.
type sampleLab struct {
	*lab
	trips     []secret.Trip
	meanwhile func(*sampleLab)
}

func (l *sampleLab) Freezes(context.Context) (freeze.Set, error) { return l.frozen, nil }

func (l *sampleLab) Trips(context.Context, task.ID) ([]secret.Trip, error) { return l.trips, nil }

func (l *sampleLab) Tripwire(context.Context, string) (*secret.Tripwire, error) {
	v, err := secret.NewValue("KEY", []byte("a-canary-of-many-letters"))
	return secret.NewTripwire(v.AsCanary()), err
}

func (l *sampleLab) Inspect(ctx context.Context, name string) (sandbox.Status, error) {
	if l.meanwhile != nil {
		l.meanwhile(l)
	}
	return l.lab.Inspect(ctx, name)
}

// runs one sample and returns its end and how many ways were closed.
func (l *sampleLab) runs(t *testing.T) (end examinationEnd, closed int, err error) {
	t.Helper()
	ways := &judgeWays{}
	e := l.e
	e.Store, e.Sandbox, e.Secrets, e.Models, e.Freezes = l, l, l, ways, NewFreezes(l, e.Now)
	env := manifest.Environment{Name: "staging", Agent: manifest.Agent{Preset: "exec", Command: []string{"/judge"}, Image: "image"}, Judges: []manifest.Judge{{Name: "strict", Agent: manifest.Agent{Preset: "exec", Command: []string{"/judge"}, Image: "image"}}}}
	x := task.Examination{ID: "bbbbbbbbbbbb", Kind: task.Judge, Name: "strict", Environment: "staging", Task: "aaaaaaaaaaaa", Attempt: 1}
	k := judges{e}
	d, _ := wantedBy(k.wanted(env), x)
	d.purpose = purposeCalibrate
	end, err = e.runSample(t.Context(), k, examined{t: l.w.t, p: l.p, env: env}, d, x)
	return end, ways.closed, err
}

func frozenStaging(l *sampleLab) {
	l.frozen = freeze.Set{{ID: "f", Resource: freeze.Environment("staging")}}
}

// A calibration obeys a freeze before each sample and while one runs; nothing of it stays.
func TestAFreezeEndsACalibration(t *testing.T) {
	t.Parallel()
	l := &sampleLab{lab: newLab()}
	frozenStaging(l)
	frozen := (*freeze.Error)(nil)
	if _, _, err := l.runs(t); !errors.As(err, &frozen) || len(l.started) != 0 {
		t.Errorf("frozen before: %v, %d containers", err, len(l.started))
	}
	l = &sampleLab{lab: newLab(), meanwhile: frozenStaging}
	if _, closed, err := l.runs(t); !errors.As(err, &frozen) || closed != 1 || len(l.stopped) != 1 || len(l.box)+len(l.filled) != 0 {
		t.Errorf("frozen meanwhile: %v, %d ways closed, left %v %v", err, closed, l.box, l.filled)
	}
	// The server, which cannot know whose such a container is, does not pause it for any freeze.
	for _, spec := range l.started {
		if spec.Labels.Purpose != purposeCalibrate {
			t.Errorf("the container is a %q", spec.Labels.Purpose)
		}
	}
}

// A canary ends a calibration wherever it appears.
func TestThreat25ACanaryEndsACalibration(t *testing.T) {
	t.Parallel()
	canary := (*CanaryError)(nil)
	l := &sampleLab{lab: newLab(), meanwhile: func(l *sampleLab) { l.trips = []secret.Trip{{Deployment: "bbbbbbbbbbbb"}} }}
	if _, closed, err := l.runs(t); !errors.As(err, &canary) || closed != 1 {
		t.Errorf("in a request: %v, %d", err, closed)
	}
	l = &sampleLab{lab: newLab(), meanwhile: func(l *sampleLab) {
		for name := range l.box {
			l.output[name] = "look: a-canary-of-many-letters\n"
			l.exits(name, sandbox.ReasonOK, 0)
		}
	}}
	if end, _, err := l.runs(t); !errors.As(err, &canary) || len(end.output) != 0 || len(l.audited) != 1 {
		t.Errorf("in its output: %v, %q, %d entries", err, end.output, len(l.audited))
	}
}
