package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/coderflow/coderflow/internal/guestproto"
)

const prSetDumpable = 4 // prctl(2)

// makeUntraceable clears the dumpable flag: /proc/1 belongs to root from then on, and ptrace of pid 1 needs a
// capability that nobody in the container has. It does not survive execve, so the task's own processes stay
// traceable for the task's own debuggers.
func makeUntraceable() error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetDumpable, 0, 0); errno != 0 {
		return fmt.Errorf("making pid 1 untraceable: %w", errno)
	}
	return nil
}

// processes starts and reaps. All of it runs on one goroutine, so that a child is known before it is reaped.
type processes struct {
	childEnded chan os.Signal
	term       chan os.Signal
	statuses   map[int]syscall.WaitStatus // of started processes that ended
	wanted     map[int]bool
}

func newProcesses() *processes {
	p := &processes{
		childEnded: make(chan os.Signal, 1), term: make(chan os.Signal, 1),
		statuses: make(map[int]syscall.WaitStatus), wanted: make(map[int]bool),
	}
	signal.Notify(p.childEnded, syscall.SIGCHLD)
	signal.Notify(p.term, syscall.SIGTERM)
	return p
}

// start runs argv in a session of its own, in the directory, with out as its output.
func (p *processes) start(argv []string, directory string, out *os.File) (int, error) {
	if len(argv) == 0 {
		return 0, errors.New("no command")
	}
	none, err := os.Open(os.DevNull)
	if err != nil {
		return 0, fmt.Errorf("opening the input: %w", err)
	}
	defer none.Close()
	pid, err := syscall.ForkExec(guestproto.GuestPath, append([]string{"guest", "exec"}, argv...), &syscall.ProcAttr{
		Dir:   directory,
		Env:   os.Environ(),
		Files: []uintptr{none.Fd(), out.Fd(), out.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("starting %q: %w", argv[0], err)
	}
	p.wanted[pid] = true
	return pid, nil
}

func (p *processes) exited(pid int) (syscall.WaitStatus, bool) {
	status, ok := p.statuses[pid]
	return status, ok
}

// reap collects every process that ended. It reports whether any child is left.
func (p *processes) reap() bool {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return false // ECHILD
		case pid == 0:
			return true
		}
		if p.wanted[pid] {
			delete(p.wanted, pid)
			p.statuses[pid] = status
		}
	}
}

// signalAll reaches every process of the container but pid 1 itself.
func (p *processes) signalAll(sig syscall.Signal) { _ = syscall.Kill(-1, sig) }

// killAll ends every process of the container but pid 1, and returns when all are gone. A process with a pending
// KILL cannot fork, so a few rounds end any fork bomb; a process in an uninterruptible wait may hold it up, and
// the caller outside then kills the container.
func (p *processes) killAll() {
	for {
		p.signalAll(syscall.SIGKILL)
		if !p.reap() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// become turns this process into argv. The task's processes are the OOM killer's first choice, so that pid 1 is
// left to say what happened.
func become(argv []string) error {
	if len(argv) == 0 {
		return errors.New("exec: no command")
	}
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("starting %q: %w", argv[0], syscall.Exec(path, argv, os.Environ()))
}
