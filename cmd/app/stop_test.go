package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// Stopped while the forge is slow and steps are under way, the server finishes them,
// signs the log to its end, and says success. A second signal ends it at once, in the
// middle of a push; either way the next start goes on and nothing is done twice.
func TestASignalFinishesOrParksWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withExtra(looksOften))
	var proposed []task.Task
	for range 2 {
		proposed = append(proposed, w.taskOf(w.run(maria).Number, task.Proposed))
	}
	slow := w.slowForge()

	w.step("Once", func() {
		slow.delay(1500 * time.Millisecond)
		w.approve(tom, proposed[0].PullRequest, "")
		slow.awaitPush(w)
		w.run(maria) // and more to do
		w.signal()
		if code := w.exit(25 * time.Second); code != 0 {
			w.t.Errorf("exit status %d\n%s", code, w.log)
		}
		size, _, err := w.db().AuditHead(w.t.Context())
		signed, readErr := os.ReadFile(filepath.Join(w.dir, "data", auditCheckpointFile))
		if err != nil || readErr != nil {
			w.t.Fatal(err, readErr)
		}
		if c, err := audit.OpenCheckpoint(signed, w.publicKey()); err != nil || c.Size != size {
			w.t.Errorf("signed are %d of %d entries: %v", c.Size, size, err)
		}
		slow.delay(0)
		w.start()
		w.landedExactly(w.taskOf(proposed[0].Issue, task.Done))
		w.auditHas(proposed[0].ID, map[audit.Action]int{audit.PushIntent: 1, audit.PushDone: 1})
	})
	w.step("Frozen", func() { // a server that stops still does what a freeze says
		pushing, ended := w.holdPush()
		w.approve(tom, proposed[1].PullRequest, "")
		<-pushing
		w.signalHeard()
		var answer struct{ Status string }
		if status, err := w.get("/readyz", &answer); status != http.StatusServiceUnavailable || answer.Status != "stopping" {
			w.t.Errorf("a server that stops says %d %q, %v", status, answer.Status, err)
		}
		w.freezes()
		select {
		case <-ended:
		case <-time.After(stopGrace / 2):
			w.t.Errorf("a push in flight outlives the freeze while the server stops\n%s", w.log)
		}
		if code := w.exit(25 * time.Second); code != 0 {
			w.t.Errorf("exit status %d\n%s", code, w.log)
		}
		slow = w.slowForge()
	})
	w.step("Twice", func() {
		slow.delay(time.Minute)
		w.ordered("thaw")
		w.start()
		slow.awaitPush(w)
		w.signalHeard()
		w.signal()
		if code := w.exit(stopGrace / 2); code != -1 {
			w.t.Errorf("exit status %d, not a signal's", code)
		}
		slow.delay(0)
		w.start()
		w.landedExactly(w.taskOf(proposed[1].Issue, task.Done))
		w.auditHas(proposed[1].ID, map[audit.Action]int{audit.PushIntent: 1, audit.PushDone: 1})
	})
}

func (w *world) publicKey() string {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.dir, "data", auditKeyFile))
	if err != nil {
		w.t.Fatal(err)
	}
	public, err := publicOf(content)
	if err != nil {
		w.t.Fatal(err)
	}
	return public
}

// slowForge makes pushes take long.
type slowForge struct{ takes, pushes atomic.Int64 }

func (w *world) slowForge() *slowForge {
	s := &slowForge{}
	w.hub.Fail(func(r *http.Request) *emulator.Fault {
		takes := time.Duration(s.takes.Load())
		if takes == 0 || !strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			return nil
		}
		s.pushes.Add(1)
		return &emulator.Fault{Delay: takes}
	})
	return s
}

func (s *slowForge) delay(d time.Duration) {
	s.pushes.Store(0)
	s.takes.Store(int64(d))
}

func (s *slowForge) awaitPush(w *world) {
	w.t.Helper()
	for deadline := time.Now().Add(longEnough); s.pushes.Load() == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("nothing was pushed\n%s", w.log)
		}
	}
}

// signalHeard is [world.signal] to a server that has said that it stops when this returns.
func (w *world) signalHeard() {
	w.t.Helper()
	const stops = "coderflow stops"
	before := strings.Count(w.log.all(), stops)
	w.signal()
	w.wait("the server to stop", func(context.Context) (bool, error) { return strings.Count(w.log.all(), stops) > before, nil })
}

func (w *world) signal() {
	w.t.Helper()
	if err := w.server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Fatal(err)
	}
}

// exit is the server's exit status, -1 if a signal ended it.
func (w *world) exit(within time.Duration) int {
	w.t.Helper()
	select {
	case <-w.server.done:
	case <-time.After(within):
		w.t.Fatalf("it runs still\n%s", w.log)
	}
	return w.server.cmd.ProcessState.ExitCode()
}
