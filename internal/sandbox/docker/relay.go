package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/mux"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// A container on an engine that has copies finds the socket of a relay where one on this machine finds the gateway's.
// The relay is a program in the container's holder. It is started by this process, which carries each connection over
// the streams of that program (package mux) to the socket of the one gateway that the container was made with: what
// comes from a holder can reach nothing else here, whatever it says.

const (
	// relayLook is how often it is looked whether a relayed container has ended.
	relayLook = 20 * time.Second
	// relayGrace is how long a container may take from its holder's making to its own.
	relayGrace = 15 * time.Minute
	// gatewayPatience is how long a connection waits for a gateway that is away: its server restarts.
	gatewayPatience = 45 * time.Second
	relayRetryMin   = 200 * time.Millisecond
	relayRetryMax   = 10 * time.Second
)

// relays are those that this process carries.
type relays struct {
	mu      sync.Mutex
	carried map[string]bool
	changed chan struct{}
}

func newRelays() *relays {
	return &relays{carried: map[string]bool{}, changed: make(chan struct{}, 1)}
}

// look has Relay look for holders without a relay.
func (s *relays) look() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// take reports whether a relay is the caller's to carry, and free gives it back.
func (s *relays) take(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.carried[name] {
		return false
	}
	s.carried[name] = true
	return true
}

func (s *relays) free(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.carried, name)
}

// Relay connects containers on an engine that has copies with their gateways until ctx ends: those that are there, and
// those that Start and Create make meanwhile. It also removes the holders of containers that have ended. One process of
// an installation calls it. Where the engine shares this machine's files it only waits.
func (r *Runner) Relay(ctx context.Context) error {
	if !r.copies {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(relayLook)
	defer tick.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		for _, name := range r.holders() {
			if r.relays.take(name) {
				all.Go(func() {
					defer r.relays.free(name)
					r.carry(ctx, name)
				})
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.relays.changed:
		case <-tick.C:
		}
	}
}

// holders are the names of the containers that have one.
func (r *Runner) holders() []string {
	entries, err := os.ReadDir(filepath.Dir(r.holdingPath("x")))
	if err != nil {
		return nil // none has been made
	}
	var names []string
	for _, entry := range entries {
		if name, is := strings.CutSuffix(entry.Name(), ".json"); is {
			names = append(names, name)
		}
	}
	return names
}

// carry keeps the relay of one container until the container has ended or ctx does.
func (r *Runner) carry(ctx context.Context, name string) {
	wait := relayRetryMin
	for ctx.Err() == nil {
		began := time.Now()
		over, err := r.carryOnce(ctx, name)
		if over {
			return
		}
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "the relay of a container broke off, it is made again", "container", name, "error", err)
		}
		if time.Since(began) > relayRetryMax {
			wait = relayRetryMin
		}
		if pause(ctx, wait) != nil {
			return
		}
		wait = min(2*wait, relayRetryMax)
	}
}

// carryOnce relays until the connection breaks. over says that there is nothing to relay any more.
func (r *Runner) carryOnce(ctx context.Context, name string) (over bool, err error) {
	h, there := r.holding(name)
	if !there {
		return true, nil
	}
	ended, err := r.relayEnded(ctx, name, h)
	if err != nil {
		return false, err
	}
	if ended {
		return true, r.endHolder(ctx, name)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if h.SocketDir == "" {
		return false, pause(ctx, relayLook)
	}
	if err := r.wakeHolder(ctx, name); err != nil {
		return false, err
	}
	go r.watchRelayed(ctx, cancel, name)
	return false, r.relay(ctx, name, h.SocketDir)
}

// relayEnded looks whether the container that is relayed needs it no more.
func (r *Runner) relayEnded(ctx context.Context, name string, h holding) (bool, error) {
	found, err := r.inspect(ctx, name)
	switch {
	case errors.Is(err, sandbox.ErrNotFound):
		return h.Over || r.now().Sub(h.Made) > relayGrace, nil
	case err != nil:
		return false, err
	}
	return h.Over || state(found.State.Status) == sandbox.StateExited, nil
}

// endHolder removes a holder, unless a start is making another one.
func (r *Runner) endHolder(ctx context.Context, name string) error {
	defer r.locks.lock(name)()
	h, there := r.holding(name)
	if !there {
		return nil
	}
	if ended, err := r.relayEnded(ctx, name, h); err != nil || !ended {
		return err
	}
	return r.release(ctx, name)
}

// wakeHolder starts a holder that was killed. What it held is gone unless the container has it, too.
func (r *Runner) wakeHolder(ctx context.Context, name string) error {
	found, err := r.inspect(ctx, holderName(name))
	if err != nil || found.State.Status == container.StateRunning {
		return err
	}
	return r.startContainer(ctx, found.ID)
}

// watchRelayed ends the relaying of a container that has ended.
func (r *Runner) watchRelayed(ctx context.Context, cancel func(), name string) {
	for pause(ctx, relayLook) == nil {
		h, there := r.holding(name)
		if !there {
			cancel()
			return
		}
		if ended, err := r.relayEnded(ctx, name, h); err == nil && ended {
			cancel()
			return
		}
	}
}

// relay runs the program in the holder and connects what it passes on.
func (r *Runner) relay(ctx context.Context, name, socketDir string) error {
	pipes, err := r.execPipes(ctx, holderName(name), []string{guestproto.GuestPath, "relay"})
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = pipes.Close() })()
	session, err := mux.Accepting(pipes)
	if err != nil {
		return errors.Join(fmt.Errorf("relaying: %w", err), pipes.Close())
	}
	defer session.Close()
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("relaying: %w%s", err, pipes.saidText())
		}
		go func() {
			gateway, err := dialGateway(ctx, session.CloseChan(), filepath.Join(socketDir, filepath.Base(guestproto.GatewaySocket)))
			if err != nil {
				_ = stream.Reset()
				return
			}
			mux.Join(stream, gateway)
		}()
	}
}

// dialGateway waits for a gateway that is away.
func dialGateway(caller context.Context, ended <-chan struct{}, path string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(caller, gatewayPatience)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ended:
			return nil, err
		case <-time.After(relayRetryMin):
		case <-ctx.Done():
			return nil, err
		}
	}
}
