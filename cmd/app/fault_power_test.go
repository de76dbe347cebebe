package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/task"
)

// disk is a file that holds the file system of the server's data. What the server
// wrote and the kernel has not yet given to the device is not in the file, so a copy
// of it is what is left after the power was lost in that moment.
type disk struct {
	w    *world
	file string
}

func newDisk(w *world) *disk {
	w.t.Helper()
	d := &disk{w: w, file: filepath.Join(w.dir, "disk")}
	if out, err := exec.Command("truncate", "--size", "192M", d.file).CombinedOutput(); err != nil {
		w.t.Fatalf("make a disk: %v: %s", err, out)
	}
	// It writes by itself as seldom as can be: what survives is what was asked to.
	if out, err := exec.Command("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.file).CombinedOutput(); err != nil {
		w.t.Fatalf("make a file system: %v: %s", err, out)
	}
	w.mountData(d.options()...)
	return d
}

func (d *disk) options() []string { return []string{"-o", "loop,commit=300", d.file} }

// losePower takes the server and everything that was not on the device, and mounts
// what was. The test itself has the database closed: SQLite removes its files by their
// path, where those of the next disk are.
func (d *disk) losePower() {
	d.w.t.Helper()
	d.w.server.kill() // and what it wrote is still the kernel's
	left := d.file + ".left"
	if err := copyFile(left, d.file); err != nil {
		d.w.t.Fatal(err)
	}
	data := filepath.Join(d.w.dir, "data")
	d.w.unmount(data)
	d.file = left
	d.w.mount(append(d.options(), data)...)
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it was read
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

// The power goes after each thing that somebody was told: that the comment was heard,
// that there is a proposal to review, that the approval counts. It survives, with the
// objects in git that it speaks of.
func TestFault30WhatWasAcknowledgedSurvivesALossOfPower(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withExtra(looksOften))
	d := newDisk(w)
	var issue int
	var id task.ID
	var digest, commit string
	w.step("Fault30TheCommentIsHeard", func() {
		w.start()
		w.reconciled()
		w.server.kill()
		w.startToDie("delivery-stored:issue_comment")
		issue = w.run(maria).Number
		w.died()
	})
	d.losePower()
	w.step("Fault30AndGoesOnToAProposal", func() {
		if open, err := w.db().UnhandledDeliveries(w.t.Context(), 0); err != nil || len(open) != 1 {
			w.t.Errorf("what is left of the delivery: %q, %v", open, err)
		}
		w.start()
		id = w.taskOf(issue, task.Proposed).ID
		digest = w.proposalOf(id).Digest
	})
	d.losePower()
	w.step("Fault30WhichIsApproved", func() {
		if after := w.proposalOf(id).Digest; after != digest {
			w.t.Errorf("the proposal is %s, it was %s", after, digest)
		}
		w.startToDie("push-intended")
		w.approve(tom, w.taskOf(issue, task.Proposed).PullRequest, "")
		w.died()
		commit = w.onlyCommit()
	})
	d.losePower()
	w.step("Fault30AndLands", func() {
		if again := w.onlyCommit(); again != commit {
			w.t.Errorf("commit %s is left of %s", again, commit)
		}
		w.start()
		w.landedExactly(w.taskOf(issue, task.Done))
		w.auditHas(id, map[audit.Action]int{audit.TaskCreated: 1, audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1})
	})
	w.server.kill()
	if out, said, err := w.cli("audit", "verify", "-c", w.in.config); err != nil {
		t.Errorf("the audit log: %v: %s%s", err, out, said)
	}
}

func (w *world) proposalOf(id task.ID) task.Proposal {
	w.t.Helper()
	p, err := w.db().Proposal(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}
