package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderflow/coderflow/internal/gateway/egress"
	"github.com/coderflow/coderflow/internal/gateway/wire"
)

// Bounds of one tunnel. Uploads are small: packages are fetched through it.
const (
	maxSent     = 16 << 20
	maxReceived = 2 << 30
	tunnelTime  = 30 * time.Minute
	tunnelIdle  = 2 * time.Minute
	dialTime    = 20 * time.Second
)

// connect opens a tunnel to a listed host.
func (s *session) connect(w http.ResponseWriter, r *http.Request, t *terms) {
	x := s.newExchange(t, r.Method, r.RequestURI)
	defer func() {
		x.Took = time.Since(x.began)
		s.later(r.Context(), x)
	}()
	if canary, where := t.spotted(r); canary != "" {
		s.refuse(w, x, s.trip(r.Context(), canary, where))
		return
	}
	target, err := t.hosts.Allow(r.RequestURI)
	if err != nil {
		s.refuse(w, x, wire.Forbidden("host", "CONNECT %s: %v", wire.Shown(r.RequestURI), err))
		return
	}
	if !take(s.tunnels) {
		s.refuse(w, x, &wire.Refusal{Status: http.StatusServiceUnavailable, Reason: "busy", Message: "too many connections to hosts at the same time"})
		return
	}
	defer func() { <-s.tunnels }()
	ctx, cancel := context.WithTimeout(r.Context(), dialTime)
	defer cancel()
	out, err := egress.Dial(ctx, s.gateway.o.Resolver, s.gateway.o.Dial, target)
	if errors.Is(err, egress.ErrAddress) {
		s.refuse(w, x, wire.Forbidden("address", "CONNECT %s: %v", target, egress.ErrAddress))
		return
	}
	if err != nil {
		s.log().WarnContext(ctx, "an allowed host was not reached", "host", target.String(), "error", err)
		s.refuse(w, x, &wire.Refusal{Status: http.StatusBadGateway, Reason: "unreachable", Message: "the host " + target.String() + " was not reached"})
		return
	}
	defer func() { _ = out.Close() }()
	s.tunnel(w, x, out, target)
}

// tunnel joins the agent's connection with the host's.
func (s *session) tunnel(w http.ResponseWriter, x *exchange, out net.Conn, target egress.Target) {
	in, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = in.Close() }()
	for _, c := range []net.Conn{in, out} {
		s.keep(c, target.String())
		defer s.forget(c)
	}
	_ = in.SetDeadline(time.Now().Add(dialTime))
	x.Status = http.StatusOK
	if _, err := io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	agent := io.MultiReader(io.LimitReader(buffered, int64(buffered.Reader.Buffered())), in)
	hello, err := egress.Hello(context.Background(), agent, target) // the deadline of the connection holds
	if err != nil {
		x.Status, x.Refused = http.StatusForbidden, "hello"
		s.journal.note(AuditRefused, "hello\x00"+target.String(),
			map[string]any{"reason": "hello", "message": "CONNECT " + target.String() + ": " + egress.ErrHello.Error()}, nil)
		return
	}
	if canary, _, found := x.terms.tripwire.Find(string(hello)); found {
		x.Status, x.Refused = http.StatusForbidden, "canary"
		s.trip(context.Background(), canary, "the greeting of a connection")
		return
	}
	var sent, received atomic.Int64
	end := time.Now().Add(tunnelTime)
	cut := func() { _ = in.Close(); _ = out.Close() }
	var wait sync.WaitGroup
	wait.Go(func() {
		defer cut()
		flow(out, io.MultiReader(bytes.NewReader(hello), agent), in, end, &sent, cmp.Or(x.terms.MaxSent, maxSent))
	})
	flow(in, out, out, end, &received, maxReceived)
	cut()
	wait.Wait()
	x.RequestBytes, x.ResponseBytes = sent.Load(), received.Load()
	s.journal.note(AuditConnect, target.String(), map[string]any{"host": target.String()},
		map[string]int64{"sent": sent.Load(), "received": received.Load()})
	s.gateway.o.Metrics.Tunnel(target.Host(), sent.Load(), received.Load())
}

// flow copies one direction within its bounds of bytes, idleness and time.
func flow(to net.Conn, from io.Reader, source net.Conn, end time.Time, count *atomic.Int64, most int64) {
	buffer := pieces.Get().(*[16 << 10]byte)
	defer pieces.Put(buffer)
	for count.Load() < most {
		deadline := time.Now().Add(tunnelIdle)
		if deadline.After(end) {
			deadline = end
		}
		_ = source.SetReadDeadline(deadline)
		n, err := from.Read(buffer[:])
		if n > 0 {
			_ = to.SetWriteDeadline(deadline)
			written, writeErr := to.Write(buffer[:n])
			count.Add(int64(written))
			err = errors.Join(err, writeErr)
		}
		if err != nil {
			return
		}
	}
}
