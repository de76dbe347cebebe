package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// mountData mounts a file system of its own for the server's data and has it unmounted
// after the server's end.
func (w *world) mountData(arguments ...string) {
	w.t.Helper()
	data := filepath.Join(w.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.mount(append(arguments, data)...)
	w.t.Cleanup(func() {
		if w.server != nil {
			w.server.kill()
		}
		w.removeContainers()
		w.unmount(data)
	})
}

func (w *world) mount(arguments ...string) {
	w.t.Helper()
	if out, err := exec.Command("mount", arguments...).CombinedOutput(); err != nil {
		w.t.Fatalf("mount: %v: %s; this test needs root, as the Docker engine that `make setup` starts does", err, out)
	}
}

func (w *world) unmount(dir string) {
	w.t.Helper()
	if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
		w.t.Errorf("unmount %s: %v: %s", dir, err, out)
	}
}

// fill leaves so many bytes on the server's disk, and free gives all back.
func (w *world) fill(leave int64) (free func()) {
	w.t.Helper()
	path := filepath.Join(w.dir, "data", "ballast")
	f, err := os.Create(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it is full
	if _, err := io.Copy(f, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		w.t.Fatalf("the disk took everything: %v", err)
	}
	info, err := f.Stat()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := f.Truncate(info.Size() - leave); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			w.t.Error(err)
		}
	}
}

// fillDatabase writes until nothing fits: a log of the database that has room takes writes
// even when the disk has none.
func (w *world) fillDatabase() {
	w.t.Helper()
	db, filler := w.db(), strings.Repeat("x", 16<<10)
	n := 0
	w.wait("a database that takes no write", func(ctx context.Context) (bool, error) {
		for range 100 {
			n++
			err := db.InTx(ctx, func(tx *store.Tx) error { return tx.SetCursor(ctx, fmt.Sprintf("filler:%d:%s", n, filler), time.Now()) })
			if err != nil && containsAny(err.Error(), "full", "no space", "disk I/O") {
				return true, nil
			}
		}
		return false, nil
	})
}

func containsAny(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A full disk while the patch is made, and again when an approval is to be recorded:
// there is no proposal of half the bytes, no approval without its entry, the server
// says what is missing, and goes on once there is room.
func TestFault26AFullDiskStopsAndLosesNothing(t *testing.T) {
	t.Parallel()
	const large = `i=0; while [ $i -lt 24 ]; do head -c 60000 /dev/urandom | base64 -w 70 > large$i.txt; i=$((i+1)); done` + "\n"
	w := newStoppedWorld(t, withExtra(looksOften), withAgent(untilReleased+"\n"+large+quickAgent))
	w.mountData("-t", "tmpfs", "-o", "size=160m", "coderflow-test")
	w.start()
	w.reconciled()
	w.unready()
	issue := w.run(maria).Number
	running := w.taskOf(issue, task.Running)
	id := running.ID
	w.step("Fault26AtThePatch", func() {
		free := w.fill(900 << 10)
		w.docker("wait", w.releaseAgent(running))
		w.unready("disk")
		w.wait("a try without room", func(context.Context) (bool, error) {
			return containsAny(w.log.all(), "No space left on device", "no space left on device", "database or disk is full"), nil
		})
		if n := len(w.hub.PullRequests(sampleRepo)); n != 0 {
			w.t.Errorf("%d pull requests of what could not be stored", n)
		}
		free()
		w.unready()
		w.taskOf(issue, task.Proposed)
		w.auditHas(id, map[audit.Action]int{audit.ContainerStarted: 1, audit.ContainerEnded: 1, audit.ProposalRecorded: 1, audit.ProposalPublished: 1})
		if left := w.quarantines(); len(left) != 0 {
			w.t.Errorf("quarantines are left: %q", left)
		}
	})
	w.step("Fault26AtTheAuditLog", func() {
		free := w.fill(0)
		w.fillDatabase()
		w.unready("database", "disk")
		w.approve(tom, w.taskOf(issue, task.Proposed).PullRequest, "")
		if d := w.lastDelivery("pull_request_review"); d.Status != http.StatusServiceUnavailable {
			w.t.Errorf("the review was answered with %d", d.Status)
		}
		w.auditHas(id, map[audit.Action]int{audit.ApprovalRecorded: 0, audit.PushIntent: 0})
		if pushes := w.branchPushes(id); len(pushes) != 1 {
			w.t.Errorf("pushes %q without a record", pushes)
		}
		free()
		w.unready()
		w.landedExactly(w.taskOf(issue, task.Done))
		w.auditHas(id, map[audit.Action]int{audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1})
	})
	w.server.kill()
	if out, said, err := w.cli("audit", "verify", "-c", w.in.config); err != nil {
		t.Errorf("the audit log: %v: %s%s", err, out, said)
	}
}
