package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// What a TERM from outside leaves for an orderly end: the caller kills the container ten seconds after it.
const (
	stopGrace   = 3 * time.Second
	stopCleanup = 3 * time.Second
)

// runner is pid 1 of a task's container.
type runner struct {
	spec     guestproto.InitSpec
	procs    *processes
	output   *output
	deadline deadline // for setup and command
	stopped  bool     // TERM came
	disk     *diskWatch
	full     *exhaustion // what of the disk was used up
	started  time.Time
	pauses   *pauses
}

// runInit returns the exit status of the container.
func runInit() int {
	started := time.Now()
	// Before anything of the task runs: nobody in the container may trace pid 1 or open its file descriptors,
	// which is what makes the reports on standard error, and the exit status, ours alone.
	if err := makeUntraceable(); err != nil {
		return report(guestproto.Result{Outcome: guestproto.OutcomeBroken, Problem: err.Error()}, started)
	}
	reserveThreads()
	ignoreOtherSignals()
	r := &runner{started: started, pauses: watchPauses()}
	if err := guestproto.ReadSpec(guestproto.SpecPath, &r.spec); err != nil {
		return report(guestproto.Result{Outcome: guestproto.OutcomeBroken, Problem: err.Error()}, started)
	}
	r.deadline = r.pauses.until(started.Add(r.spec.Wall))
	out, err := newOutput(os.Stdout, r.spec.OutputBytes)
	if err != nil {
		return report(guestproto.Result{Outcome: guestproto.OutcomeBroken, Problem: err.Error()}, started)
	}
	r.output = out
	if err := r.furnish(); err != nil {
		return report(guestproto.Result{Outcome: guestproto.OutcomeBroken, Problem: err.Error()}, started)
	}
	r.procs = newProcesses()
	return report(r.run(), started)
}

// furnish prepares what the task's programs expect to find: their files in HOME and the gateway.
func (r *runner) furnish() error {
	if err := seedHome(guestproto.Home, r.spec.Home); err != nil {
		return err
	}
	if r.spec.Apart { // nothing of the task has run yet, and /tmp is empty
		if err := os.Mkdir(guestproto.Apart, 0o700); err != nil {
			return fmt.Errorf("make the directory to begin in: %w", err)
		}
	}
	var err error
	if r.disk, err = watchDisk(r.spec.Quota); err != nil {
		return err
	}
	if !r.spec.Gateway {
		return nil
	}
	return forwardGateway()
}

// directory is where the programs begin.
func (r *runner) directory() string {
	if r.spec.Apart {
		return guestproto.Apart
	}
	return guestproto.Workspace
}

func (r *runner) run() guestproto.Result {
	usage := watchResources()
	outcome := guestproto.OutcomeOK
	if r.spec.Setup {
		outcome = r.outcome(r.phase(guestproto.PhaseSetup, scriptArgv(guestproto.SetupPath), r.deadline, r.spec.Grace),
			guestproto.OutcomeSetupFailed)
	}
	if outcome == guestproto.OutcomeOK {
		outcome = r.outcome(r.phase(guestproto.PhaseCommand, r.spec.Argv, r.deadline, r.spec.Grace),
			guestproto.OutcomeFailed)
	}
	exhausted := usage.exhausted()
	// What setup and command left behind must not meddle with the cleanup.
	r.procs.killAll()
	if r.full == nil {
		r.full = r.disk.check()
	}
	if r.spec.Cleanup {
		limit := r.spec.CleanupTime
		if r.stopped {
			limit = min(limit, stopCleanup)
		}
		r.phase(guestproto.PhaseCleanup, scriptArgv(guestproto.CleanupPath), r.pauses.until(time.Now().Add(limit)), time.Second)
		r.procs.killAll()
	}
	written, truncated := r.output.finish()
	result := guestproto.Result{Outcome: outcome, Exhausted: exhausted, OutputBytes: written, Truncated: truncated}
	if r.full != nil && outcome != guestproto.OutcomeStopped {
		result.Outcome, result.Problem = guestproto.OutcomeDiskQuota, r.full.problem
		result.Exhausted = append(result.Exhausted, r.full.resource)
	}
	return result
}

func (r *runner) outcome(end guestproto.PhaseEnd, failed guestproto.Outcome) guestproto.Outcome {
	switch {
	case r.stopped:
		return guestproto.OutcomeStopped
	case end.TimedOut:
		return guestproto.OutcomeTimeout
	case end.Failed():
		return failed
	}
	return guestproto.OutcomeOK
}

// phase runs argv until it exits, the deadline passes, or TERM comes.
func (r *runner) phase(name guestproto.Phase, argv []string, until deadline, grace time.Duration) guestproto.PhaseEnd {
	began := time.Now()
	send(guestproto.Report{Time: began, Start: name})
	end := guestproto.PhaseEnd{Phase: name}
	pid, err := r.procs.start(argv, r.directory(), r.output.pipe)
	if err != nil {
		end.ExitCode, end.Problem = -1, err.Error()
	} else {
		r.await(pid, &end, until, grace)
	}
	send(guestproto.Report{Time: time.Now(), End: &end, Took: time.Since(began)})
	return end
}

func (r *runner) await(pid int, end *guestproto.PhaseEnd, until deadline, grace time.Duration) {
	expired := time.After(r.pauses.left(until))
	var kill <-chan time.Time
	terms := r.procs.term
	for {
		if status, exited := r.procs.exited(pid); exited {
			end.ExitCode = status.ExitStatus()
			if status.Signaled() {
				end.ExitCode, end.Signal = -1, int(status.Signal())
			}
			return
		}
		select {
		case <-r.procs.childEnded:
			r.procs.reap()
		case <-expired:
			if left := r.pauses.left(until); left > 0 { // it was paused meanwhile
				expired = time.After(left)
				continue
			}
			end.TimedOut = true
			expired = nil
			r.procs.signalAll(syscall.SIGTERM)
			kill = time.After(grace)
		case <-terms:
			terms = nil
			r.stopped = true
			r.procs.signalAll(syscall.SIGTERM)
			kill = time.After(min(grace, stopGrace))
		case full := <-r.disk.exceeded():
			// At once: every moment of grace is more of it.
			r.full = &full
			r.procs.killAll()
		case <-kill:
			r.procs.killAll()
		}
	}
}

// scriptArgv runs a script by its own first line, or by the shell when it has none.
func scriptArgv(path string) []string {
	head := make([]byte, 2)
	if file, err := os.Open(path); err == nil {
		_, _ = file.Read(head)
		_ = file.Close()
	}
	if bytes.Equal(head, []byte("#!")) {
		return []string{path}
	}
	return []string{"/bin/sh", path}
}

// report writes the last line and returns the exit status that says the same.
func report(result guestproto.Result, started time.Time) int {
	result.Exhausted = slices.Compact(result.Exhausted)
	send(guestproto.Report{Time: time.Now(), Result: &result, Took: time.Since(started)})
	return result.Outcome.ExitCode()
}

func send(line guestproto.Report) {
	text, err := json.Marshal(line)
	if err != nil {
		// Only values of our own are in it.
		panic(fmt.Sprintf("encoding a report: %v", err))
	}
	_, _ = os.Stderr.Write(append(text, '\n'))
}

// ignoreOtherSignals takes every signal that the task's processes may send to pid 1 away from the Go runtime,
// whose own answer to some of them is to exit. KILL and STOP from inside never reach a pid 1.
func ignoreOtherSignals() {
	drain := make(chan os.Signal, 64)
	signal.Notify(drain)
	go func() {
		for range drain { //nolint:revive // taken, and that is all
		}
	}()
}

// reserveThreads makes the Go runtime create its threads now. Later the task may have used up the container's
// process limit, and a runtime that cannot create a thread ends the process.
func reserveThreads() {
	const threads = 8
	runtime.GOMAXPROCS(2)
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC); err != nil {
		return
	}
	done := make(chan struct{})
	for range threads {
		go func() {
			var one [1]byte
			_, _ = syscall.Read(pipe[0], one[:]) // blocks a thread
			done <- struct{}{}
		}()
	}
	for range 40 { // until each is blocked, which takes the runtime some milliseconds to notice
		if tasks, err := os.ReadDir("/proc/self/task"); err == nil && len(tasks) > threads {
			break
		}
		time.Sleep(500 * time.Microsecond)
	}
	_, _ = syscall.Write(pipe[1], make([]byte, threads))
	for range threads {
		<-done
	}
	_ = syscall.Close(pipe[0])
	_ = syscall.Close(pipe[1])
}
