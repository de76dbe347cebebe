package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// ErrHello says that a tunnel does not begin as a TLS connection to its host.
var ErrHello = errors.New("the tunnel must begin with TLS for the host that it was opened to")

const (
	maxHello = 32 << 10
	// echExtension is Encrypted Client Hello: it would name another host where
	// nobody but the host's front can see it.
	echExtension = 0xfe0d
)

// Hello reads the beginning of a tunnel and returns it, to be sent on, if it is a
// TLS greeting for the target's host. One address of a content network serves the
// names of strangers too: without this, a tunnel to a listed host would be one to
// any of them.
func Hello(ctx context.Context, from io.Reader, t Target) ([]byte, error) {
	conn := &listening{from: from}
	var seen *tls.ClientHelloInfo
	err := tls.Server(conn, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		seen = h
		return nil, ErrHello // the greeting is all that is wanted
	}}).HandshakeContext(ctx)
	switch {
	case seen == nil:
		return nil, errors.Join(ErrHello, err)
	case !strings.EqualFold(seen.ServerName, t.host) || slices.Contains(seen.Extensions, echExtension):
		return nil, ErrHello
	}
	return conn.heard.Bytes(), nil
}

// listening is a connection that keeps what it reads, and never answers.
type listening struct {
	from  io.Reader
	heard bytes.Buffer
}

func (l *listening) Read(p []byte) (int, error) {
	if l.heard.Len() >= maxHello {
		return 0, ErrHello
	}
	n, err := l.from.Read(p)
	l.heard.Write(p[:n])
	return n, err
}

func (l *listening) Write(p []byte) (int, error)      { return len(p), nil }
func (l *listening) Close() error                     { return nil }
func (l *listening) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (l *listening) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (l *listening) SetDeadline(time.Time) error      { return nil }
func (l *listening) SetReadDeadline(time.Time) error  { return nil }
func (l *listening) SetWriteDeadline(time.Time) error { return nil }
