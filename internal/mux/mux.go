// Package mux carries the connections of one container to its gateway as streams in one pair of pipes.
//
// The side in the container opens streams, the other one accepts them and takes what comes for hostile: no more than
// MaxStreams of them at once, each with a window of a quarter of a megabyte, and frames that break the protocol
// (https://github.com/libp2p/go-yamux/blob/master/spec.md) end the session.
package mux

import (
	"io"
	"net"
	"time"

	"github.com/libp2p/go-yamux/v5"
)

// MaxStreams bounds the streams of a session. The helper in a task's container opens no more connections than that.
const MaxStreams = 64

const (
	// pulse is how often a silent session is asked whether the other side is there, and patience how long an answer
	// may take.
	pulse    = 15 * time.Second
	patience = 20 * time.Second
	window   = 256 << 10
)

func config() *yamux.Config {
	c := yamux.DefaultConfig()
	c.AcceptBacklog, c.MaxIncomingStreams = MaxStreams, MaxStreams
	c.InitialStreamWindowSize, c.MaxStreamWindowSize = window, window
	c.KeepAliveInterval, c.MeasureRTTInterval, c.ConnectionWriteTimeout = pulse, time.Hour, patience
	c.LogOutput = io.Discard
	return c
}

// Accepting is the side outside of the container. Closing the session closes the pipes.
func Accepting(pipes io.ReadWriteCloser) (*yamux.Session, error) {
	c := config()
	return yamux.Server(conn{pipes}, c, nil)
}

// Opening is the side in the container. It accepts nothing.
func Opening(pipes io.ReadWriteCloser) (*yamux.Session, error) {
	c := config()
	c.MaxIncomingStreams = 0
	return yamux.Client(conn{pipes}, c, nil)
}

// Join passes the bytes of two connections on to each other until both directions have ended. The end of one is
// passed on as such, so that the other one can go on; an error ends both.
func Join(a, b net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		pass(a, b)
	}()
	pass(b, a)
	<-done
	_ = a.Close()
	_ = b.Close()
}

func pass(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		_ = to.Close()
		_ = from.Close()
	}
}

// conn makes pipes a connection without addresses. Without deadlines either: that the other side does not read is
// found out by its not answering.
type conn struct{ io.ReadWriteCloser }

func (conn) LocalAddr() net.Addr              { return pipe{} }
func (conn) RemoteAddr() net.Addr             { return pipe{} }
func (conn) SetDeadline(time.Time) error      { return nil }
func (conn) SetReadDeadline(time.Time) error  { return nil }
func (conn) SetWriteDeadline(time.Time) error { return nil }

type pipe struct{}

func (pipe) Network() string { return "pipe" }
func (pipe) String() string  { return "pipe" }
