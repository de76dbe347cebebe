package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// ownEngine is a Docker engine of the test's own, with its own directories and socket,
// that may be killed. The machine's engine is only read for the image.
type ownEngine struct {
	dir     string
	process *exec.Cmd
}

func newOwnEngine(t *testing.T, w *world) *ownEngine {
	t.Helper()
	e := &ownEngine{dir: shortDir(t)}
	if err := e.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.remove(); err != nil {
			t.Error(err)
		}
	})
	load := exec.Command("/bin/sh", "-c", "docker save coderflow/sandbox:dev | docker -H "+e.host()+" load")
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("load the image: %v: %s", err, out)
	}
	return e
}

func (e *ownEngine) host() string { return "unix://" + filepath.Join(e.dir, "sock") }

func (e *ownEngine) start() error {
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the engine has it
	e.process = exec.Command("dockerd", "--host", e.host(), "--data-root", filepath.Join(e.dir, "root"), "--exec-root", filepath.Join(e.dir, "exec"),
		"--pidfile", filepath.Join(e.dir, "pid"), "--containerd-namespace", "coderflow-soak", "--containerd-plugins-namespace", "coderflow-soak-plugins",
		"--bridge", "none", "--iptables=false", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false")
	e.process.Stdout, e.process.Stderr = log, log
	// In a network of its own: an engine without a bridge removes the machine's docker0.
	e.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Cloneflags: syscall.CLONE_NEWNET}
	if err := e.process.Start(); err != nil {
		return fmt.Errorf("start a Docker engine: %w; `make setup` installs it, and it needs root", err)
	}
	return until(context.Background(), longEnough, "the test's own engine", func(context.Context) (bool, error) {
		return exec.Command("docker", "-H", e.host(), "version").Run() == nil, nil
	})
}

// restart kills the engine and starts it again. Its containers die with it, or are
// found again; whichever, a task says so.
func (e *ownEngine) restart() error {
	if err := e.process.Process.Kill(); err != nil {
		return err
	}
	_ = e.process.Wait() // it was killed
	// Its containerd dies with it, a moment later. An engine that still sees it waits for it in vain.
	pidFile := filepath.Join(e.dir, "exec", "containerd", "containerd.pid")
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		return err
	}
	err = until(context.Background(), longEnough, "the end of the engine's containerd", func(context.Context) (bool, error) {
		_, err := os.Stat(filepath.Join("/proc", strings.TrimSpace(string(pid)), "fd", "0"))
		return err != nil, nil
	})
	if err != nil {
		return err
	}
	for _, path := range []string{pidFile, filepath.Join(e.dir, "pid")} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return e.start()
}

func (e *ownEngine) remove() error {
	if exec.Command("docker", "-H", e.host(), "version").Run() != nil {
		if err := e.start(); err != nil {
			return err
		}
	}
	out, err := exec.Command("docker", "-H", e.host(), "ps", "-aq").Output()
	if ids := strings.Fields(string(out)); err == nil && len(ids) > 0 {
		err = exec.Command("docker", append([]string{"-H", e.host(), "rm", "-f"}, ids...)...).Run()
	}
	err = errors.Join(err, e.process.Process.Signal(syscall.SIGTERM))
	_ = e.process.Wait() // it was asked to
	e.killShims()
	mounts, errMounts := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if at := strings.Fields(line)[1]; strings.HasPrefix(at, e.dir+"/") {
			err = errors.Join(err, syscall.Unmount(at, syscall.MNT_DETACH))
		}
	}
	return errors.Join(err, errMounts)
}

// killShims ends what a killed engine left of its containers: the processes that were
// started with a path of the engine's own directory, and their children.
func (e *ownEngine) killShims() {
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well-formed
	for _, path := range commands {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), e.dir+"/") {
			continue
		}
		pid := filepath.Base(filepath.Dir(path))
		children, _ := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children")) // it may have ended
		for _, one := range append(strings.Fields(string(children)), pid) {
			if n, err := strconv.Atoi(one); err == nil {
				_ = syscall.Kill(n, syscall.SIGKILL)
			}
		}
	}
}
