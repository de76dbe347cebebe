package mux_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/libp2p/go-yamux/v5"

	"github.com/coderflow/coderflow/internal/mux"
)

// pair is a session with its two ends.
func pair(t *testing.T) (accepting, opening *yamux.Session) {
	t.Helper()
	a, b := net.Pipe()
	accepting, err := mux.Accepting(a)
	if err != nil {
		t.Fatal(err)
	}
	opening, err = mux.Opening(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = accepting.Close(), opening.Close() })
	return accepting, opening
}

func TestConnectionsAreCarriedBothWaysAndEndOneByOne(t *testing.T) {
	t.Parallel()
	accepting, opening := pair(t)
	here, inside := net.Pipe()
	go func() {
		stream, err := opening.OpenStream(context.Background())
		if err == nil {
			mux.Join(inside, stream)
		}
	}()
	go func() { _, _ = io.WriteString(here, "asked") }()
	stream, err := accepting.AcceptStream()
	if err != nil {
		t.Fatal(err)
	}
	question := make([]byte, 5)
	if _, err := io.ReadFull(stream, question); err != nil || string(question) != "asked" {
		t.Fatalf("%q, %v", question, err)
	}
	if _, err := io.WriteString(stream, "answered"); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 8)
	if _, err := io.ReadFull(here, answer); err != nil || string(answer) != "answered" {
		t.Fatalf("%q, %v", answer, err)
	}
	_ = stream.Close()
	if _, err := here.Read(answer); err == nil {
		t.Error("the end was not passed on")
	}
}

// frame is one of the protocol's: version, type, flags, stream and length.
func frame(kind byte, flags uint16, stream, length uint32) []byte {
	h := []byte{0, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(h[2:], flags)
	binary.BigEndian.PutUint32(h[4:], stream)
	binary.BigEndian.PutUint32(h[8:], length)
	return h
}

// What a hostile relay sends ends the session, or does nothing.
func TestAHostileSideGainsNothing(t *testing.T) {
	t.Parallel()
	const data, window, ping = 0, 1, 2
	const syn = 1
	for name, frames := range map[string][][]byte{
		"no protocol":            {[]byte("GET / HTTP/1.1\r\n\r\n")},
		"more than its window":   {frame(window, syn, 1, 0), frame(data, 0, 1, 1<<31)},
		"a stream of this side":  {frame(window, syn, 2, 0)},
		"a stream twice":         {frame(window, syn, 1, 0), frame(window, syn, 1, 0)},
		"an unknown kind":        {frame(9, 0, 1, 0)},
		"another version":        {append([]byte{1}, frame(ping, syn, 0, 0)[1:]...)},
		"the end in the middle ": {frame(data, syn, 1, 100)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := net.Pipe()
			session, err := mux.Accepting(ours)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			for _, f := range frames {
				_, _ = theirs.Write(f)
			}
			if name == "the end in the middle " {
				_ = theirs.Close()
			}
			select {
			case <-session.CloseChan():
			case <-time.After(time.Minute):
				t.Error("the session goes on")
			}
		})
	}
}

func TestTheNumberOfStreamsIsBounded(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	session, err := mux.Accepting(ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	for n := range uint32(4 * mux.MaxStreams) {
		if _, err := theirs.Write(frame(1, 1, 2*n+1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	// Pings come after what was sent before them.
	for range 1000 {
		if _, err := theirs.Write(frame(2, 1, 0, 7)); err != nil {
			t.Fatal(err)
		}
	}
	if n := session.NumStreams(); n > mux.MaxStreams || n == 0 {
		t.Errorf("%d streams are open", n)
	}
}
