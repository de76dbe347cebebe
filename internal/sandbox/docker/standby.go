package docker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// standbys are the collectors that were started before there is anything to collect, by workspace.
type standbys struct {
	mu       sync.Mutex
	byVolume map[string]*standby
}

// standby is a collector that opens nothing until it is told to, and ends when nobody is there any more who could tell
// it: its standard input ends with the connection.
type standby struct {
	spec   sandbox.CollectSpec
	ready  chan struct{} // closed once stream or err is there
	stream *stream
	err    error
	end    func() // ends and removes it, once
	over   bool   // it is being ended
}

// ReadyCollector has the collector of a workspace started beside the container that writes to it, and returns at once.
// It waits for Collect with the same spec, which does without it if it is not to be had. It goes with the workspace, or
// with DismissCollector.
func (r *Runner) ReadyCollector(ctx context.Context, spec sandbox.CollectSpec) {
	if spec.Validate() != nil {
		return // Collect says so
	}
	r.standbys.mu.Lock()
	defer r.standbys.mu.Unlock()
	former := r.standbys.byVolume[spec.Volume]
	if former != nil && former.spec == spec && former.lives() {
		return
	}
	s := &standby{spec: spec, ready: make(chan struct{})}
	s.end = sync.OnceFunc(func() {
		<-s.ready
		if s.stream != nil {
			if err := s.stream.Close(); err != nil {
				r.log.WarnContext(ctx, "a collector that was not needed is left; it goes with its workspace", "workspace", spec.Volume, "error", err)
			}
		}
	})
	r.standbys.byVolume[spec.Volume] = s
	r.behind.Go(func() {
		defer close(s.ready)
		if former != nil {
			former.end()
		}
		if s.stream, s.err = r.openStandby(context.WithoutCancel(ctx), spec); s.err != nil {
			r.log.InfoContext(ctx, "no collector waits for the end of a task; one is started then", "workspace", spec.Volume, "error", s.err)
		}
	})
}

// lives needs the lock.
func (s *standby) lives() bool {
	if s.over {
		return false
	}
	select {
	case <-s.ready:
	default:
		return true // it is being started
	}
	if s.err != nil {
		return false
	}
	select {
	case <-s.stream.done:
		return false
	default:
		return true
	}
}

func (r *Runner) openStandby(ctx context.Context, spec sandbox.CollectSpec) (*stream, error) {
	id, err := r.createCollector(ctx, spec, true)
	if err != nil {
		return nil, err
	}
	name := collectName(spec.Volume)
	s, err := r.attach(ctx, name, id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return nil, errors.Join(err, r.removeHelper(ctx, name))
	}
	return s, nil
}

// DismissCollector ends the collector that waits for a workspace's end, if there is one, behind the caller's back.
func (r *Runner) DismissCollector(volume string) {
	r.standbys.mu.Lock()
	defer r.standbys.mu.Unlock()
	s := r.standbys.byVolume[volume]
	if s == nil || s.over {
		return
	}
	s.over = true // and stays known: the next one has its name
	r.behind.Go(func() {
		s.end()
		r.standbys.mu.Lock()
		defer r.standbys.mu.Unlock()
		if r.standbys.byVolume[volume] == s {
			delete(r.standbys.byVolume, volume)
		}
	})
}

func (b *standbys) take(volume string) *standby {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byVolume[volume]
	delete(b.byVolume, volume)
	return s
}

// goOn has the collector that waits begin; nil if none does.
func (r *Runner) goOn(ctx context.Context, spec sandbox.CollectSpec) *collection {
	s := r.standbys.take(spec.Volume)
	if s == nil {
		return nil
	}
	select {
	case <-s.ready:
	case <-ctx.Done(): // and so Collect fails
		r.behind.Go(s.end)
		return nil
	}
	if s.over || s.spec != spec || s.err != nil {
		s.end()
		return nil
	}
	s.stream.follow(ctx)
	// A collector that was lost meanwhile says nothing.
	first := make([]byte, 1)
	_, err := s.stream.conn.Conn.Write([]byte{guestproto.Begin})
	if err == nil {
		_, err = io.ReadFull(s.stream, first)
	}
	if err != nil {
		s.end()
		return nil
	}
	return &collection{stream: s.stream, reader: guestproto.NewReader(io.MultiReader(bytes.NewReader(first), s.stream), spec.Limits)}
}

// disconnect lets all that wait end by themselves.
func (b *standbys) disconnect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.byVolume {
		<-s.ready
		if s.stream != nil {
			s.stream.conn.Close()
		}
	}
}
