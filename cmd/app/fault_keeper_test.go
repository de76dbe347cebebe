package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/coderflow/coderflow/internal/engine"
)

// share is a part of the places where a server is killed: of the whole list, in its
// order, every nth from the given one on. The zero share has none of them.
type share struct{ every, from int }

func (s share) has(i int) bool { return s.every > 0 && i%s.every == s.from }

// keeper starts the server again whenever it was killed, as an operator's service
// manager does. The server kills itself at each place of its share, the first time that
// it comes there.
type keeper struct {
	w      *world
	share  share
	places string // has a file for each place where the server is not killed (any more)
	kills  atomic.Int64
	pid    atomic.Int64  // of the server that runs
	asked  chan struct{} // closed: no more starts
	ended  chan error
}

// keep starts the first server. Each of the next ones dies at the first place of the
// share where none before it did.
func (w *world) keep(killed share, environment ...string) *keeper {
	w.t.Helper()
	k := &keeper{w: w, share: killed, places: filepath.Join(w.dir, "places"), asked: make(chan struct{}), ended: make(chan error, 1)}
	if err := os.Mkdir(k.places, 0o700); err != nil {
		w.t.Fatal(err)
	}
	for i, place := range engine.Failpoints() {
		if killed.has(i) {
			continue
		}
		if err := os.WriteFile(filepath.Join(k.places, string(place)), nil, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	w.start(environment...)
	if killed != (share{}) {
		environment = append(environment, "CODERFLOW_FAILPOINT=*@"+k.places)
	}
	w.reconciled() // what is older than its first look is history
	w.server.kill()
	go func() { k.ended <- k.run(environment) }()
	w.t.Cleanup(k.stop)
	return k
}

func (k *keeper) run(environment []string) error {
	for {
		cmd := exec.Command(binary, "serve", "-c", k.w.in.config)
		cmd.Env = append(os.Environ(), environment...)
		cmd.Stdout, cmd.Stderr = k.w.log, k.w.log
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			return err
		}
		k.pid.Store(int64(cmd.Process.Pid))
		died := make(chan error, 1)
		go func() { died <- cmd.Wait() }()
		select {
		case <-k.asked:
			return errors.Join(cmd.Process.Kill(), ignoreExit(<-died))
		case err := <-died:
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || status.Signal() != syscall.SIGKILL {
				return fmt.Errorf("the server was not killed, it ended: %s: %w", cmd.ProcessState, err)
			}
			k.kills.Add(1)
		}
	}
}

// kill kills the server that runs now.
func (k *keeper) kill() error { return syscall.Kill(int(k.pid.Load()), syscall.SIGKILL) }

func ignoreExit(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

// stop ends the server for good; again is fine.
func (k *keeper) stop() {
	select {
	case <-k.asked:
		return
	default:
	}
	close(k.asked)
	if err := <-k.ended; err != nil {
		k.w.t.Error(err)
	}
}

// again has the next servers die once more at places, which may be beginnings of names.
func (k *keeper) again(places ...engine.Failpoint) {
	k.w.t.Helper()
	for i, place := range engine.Failpoints() {
		if !k.share.has(i) || !slices.ContainsFunc(places, func(p engine.Failpoint) bool { return strings.HasPrefix(string(place), string(p)) }) {
			continue
		}
		if err := os.Remove(filepath.Join(k.places, string(place))); err != nil && !errors.Is(err, os.ErrNotExist) {
			k.w.t.Fatal(err)
		}
	}
}

// missed are the places to which no server came.
func (k *keeper) missed(t *testing.T) (missed []engine.Failpoint) {
	t.Helper()
	for _, place := range engine.Failpoints() {
		switch _, err := os.Stat(filepath.Join(k.places, string(place))); {
		case errors.Is(err, os.ErrNotExist):
			missed = append(missed, place)
		case err != nil:
			t.Fatal(err)
		}
	}
	return missed
}

// visited is the number of places of its share, but for those that another test comes to.
func (k *keeper) visited() (n int) {
	for i, place := range engine.Failpoints() {
		if k.share.has(i) && elsewhere[place] == "" {
			n++
		}
	}
	return n
}
