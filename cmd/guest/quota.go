package main

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coderflow/coderflow/internal/guestproto"
)

const (
	// floorEvery is how often the file system is asked for what is free; that takes microseconds.
	floorEvery = 250 * time.Millisecond
	// measureEvery is how often the task's own use is measured at most. Measuring takes one part in measureShare of
	// the time.
	measureEvery = time.Second
	measureShare = 10
)

// exhaustion names what a run has used up.
type exhaustion struct {
	resource guestproto.Resource
	problem  string
}

// diskWatch holds a run to its quota, and keeps the host's floor whatever the quota says. A nil one watches nothing.
//
// pid 1 has the same user as what it measures, so that a task can keep it from reading a directory. As long as it
// does, the task is charged with everything that the file system has lost since it was last measured whole.
type diskWatch struct {
	quota guestproto.Quota
	over  chan exhaustion

	mu    sync.Mutex
	whole guestproto.Usage // when nothing was hidden the last time
	since unix.Statfs_t    // the file system then
}

func watchDisk(quota *guestproto.Quota) (*diskWatch, error) {
	if quota == nil {
		return nil, nil
	}
	d := &diskWatch{quota: *quota, over: make(chan exhaustion, 1)}
	if err := unix.Statfs(guestproto.Workspace, &d.since); err != nil {
		return nil, fmt.Errorf("asking for the free space of the workspace: %w", err)
	}
	go d.watch()
	return d, nil
}

// exceeded yields what was used up, as soon as it is.
func (d *diskWatch) exceeded() <-chan exhaustion {
	if d == nil {
		return nil
	}
	return d.over
}

// watch never ends; the process does. Once the quota was exceeded only the floor is kept, so that a cleanup can run.
func (d *diskWatch) watch() {
	due, charged := time.Now(), false
	for {
		if full := d.floor(); full != nil {
			d.report(full)
		}
		if began := time.Now(); !charged && !began.Before(due) {
			if full := d.measure(); full != nil {
				d.report(full)
				charged = true
			}
			due = time.Now().Add(max(measureEvery, (measureShare-1)*time.Since(began)))
		}
		time.Sleep(floorEvery)
	}
}

func (d *diskWatch) report(full *exhaustion) {
	select {
	case d.over <- *full:
	default:
	}
}

// check looks once more, for what was written since the last look.
func (d *diskWatch) check() *exhaustion {
	if d == nil {
		return nil
	}
	if full := d.floor(); full != nil {
		return full
	}
	return d.measure()
}

// floor says whether the file system of the workspace has less left than the host needs.
func (d *diskWatch) floor() *exhaustion {
	var now unix.Statfs_t
	if err := unix.Statfs(guestproto.Workspace, &now); err != nil {
		return nil
	}
	size, free := int64(now.Blocks)*now.Bsize, int64(now.Bavail)*now.Bsize
	if least := d.quota.Floor.Max(size); free < least {
		return &exhaustion{guestproto.ResourceHost, fmt.Sprintf(
			"The disk of the Docker engine has %s left, and %s have to stay free.", mebibytes(free), mebibytes(least))}
	}
	if now.Files > 0 && int64(now.Ffree) < d.quota.Floor.Files {
		return &exhaustion{guestproto.ResourceHost, fmt.Sprintf(
			"The disk of the Docker engine has room for %d more files, and %d have to stay.", now.Ffree, d.quota.Floor.Files)}
	}
	return nil
}

// measure says whether the task has more in its workspace than it may.
func (d *diskWatch) measure() *exhaustion {
	d.mu.Lock()
	defer d.mu.Unlock()
	var now unix.Statfs_t
	if err := unix.Statfs(guestproto.Workspace, &now); err != nil {
		now = d.since
	}
	m, err := measure(d.quota.Root, d.quota.Limit)
	if err != nil {
		return &exhaustion{guestproto.ResourceQuota, "The disk use of the workspace cannot be measured: " + err.Error()}
	}
	m.unlinked()
	use, unreadable := m.usage, ""
	if m.hidden {
		use.Bytes = max(use.Bytes, d.whole.Bytes+(int64(d.since.Bfree)-int64(now.Bfree))*now.Bsize)
		use.Files = max(use.Files, d.whole.Files+int64(d.since.Ffree)-int64(now.Ffree))
		unreadable = " A part of it could not be measured, so that all that the disk has lost meanwhile counts."
	} else {
		d.whole, d.since = m.usage, now
	}
	switch {
	case use.Bytes > d.quota.Limit.Bytes:
		return &exhaustion{guestproto.ResourceQuota, fmt.Sprintf(
			"The workspace takes more than the %s of disk space that its environment allows.%s", mebibytes(d.quota.Limit.Bytes), unreadable)}
	case use.Files > d.quota.Limit.Files:
		return &exhaustion{guestproto.ResourceQuota, fmt.Sprintf(
			"The workspace has more than the %d files that its environment allows.%s", d.quota.Limit.Files, unreadable)}
	}
	return nil
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }
