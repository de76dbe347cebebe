package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// echo is a host that repeats what it is told, over TLS, whatever it is called.
func echo(t *testing.T) net.Listener {
	t.Helper()
	lender := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(lender.Close)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			plain, err := l.Accept()
			if err != nil {
				return
			}
			conn := tls.Server(plain, &tls.Config{Certificates: lender.TLS.Certificates, MinVersion: tls.VersionTLS12})
			go func() { _, _ = io.Copy(conn, conn); _ = conn.Close() }()
		}
	}()
	return l
}

// tunnels opens a world whose names lead to public addresses, all of them played
// by one local host.
func tunnels(t *testing.T, dialed *[]netip.AddrPort) *world {
	t.Helper()
	host := echo(t)
	return newWorld(t, Anthropic, "http://127.0.0.1:1", func(s *Session, o *Options) {
		s.Hosts = []string{"registry.example.com", "inner.example.com", "mixed.example.com", "*.mirror.example.com:8443"}
		o.Resolver = addresses{
			"registry.example.com": {"93.184.216.34"}, "a.mirror.example.com": {"2606:4700:4700::1111"},
			"inner.example.com": {"10.0.0.5"}, "mixed.example.com": {"93.184.216.34", "169.254.169.254"}, "evil.com": {"93.184.216.34"},
		}
		o.Dial = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			*dialed = append(*dialed, to)
			return (&net.Dialer{}).DialContext(ctx, "tcp", host.Addr().String())
		}
	})
}

// connect opens a tunnel; first is sent along with the request, as a hasty client
// does.
func (w *world) connect(target, first string) (net.Conn, string) {
	w.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(w.t.Context(), "unix", filepath.Join(w.dir, SocketName))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n%s", target, target, first)
	status := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
	n, _ := io.ReadFull(conn, status)
	return conn, strings.TrimPrefix(string(status[:n]), "HTTP/1.1 ")
}

// secure is the agent's TLS within a tunnel, to the host of a name.
func secure(conn net.Conn, name string) *tls.Conn {
	return tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true}) //nolint:gosec // the host lends its certificate
}

func TestThreat23TunnelsLeadToListedPublicHostsOnly(t *testing.T) {
	t.Parallel()
	var dialed []netip.AddrPort
	w := tunnels(t, &dialed)
	for _, target := range []string{"evil.com:443", "registry.example.com:80", "registry.example.com.:443", "93.184.216.34:443", "2130706433:443", "0x5db8d822:443", "[::1]:443",
		"[::ffff:127.0.0.1]:443", "localhost:443", "inner.example.com:443", "mixed.example.com:443", "mirror.example.com:8443", "169.254.169.254:80", "user@registry.example.com:443"} {
		if _, status := w.connect(target, ""); strings.HasPrefix(status, "200") {
			t.Errorf("%s: %s", target, status)
		}
	}
	if len(dialed) > 0 {
		t.Errorf("dialed %v", dialed)
	}
	w.close()
	if got := w.journal.of(AuditRefused); len(got) < 10 {
		t.Errorf("audited: %v", got)
	}
	for _, e := range w.ledger.all(t, 10) {
		if e.Refused == "" || e.Path == "" {
			t.Errorf("recorded: %+v", e)
		}
	}
}

func TestTunnelsCarryBytesAndAreAudited(t *testing.T) {
	t.Parallel()
	var dialed []netip.AddrPort
	w := tunnels(t, &dialed)
	for _, target := range []string{"registry.example.com:443", "registry.example.com:443", "a.mirror.example.com:8443"} {
		conn, status := w.connect(target, "")
		if !strings.HasPrefix(status, "200") {
			t.Fatalf("%s: %s", target, status)
		}
		host, _, _ := strings.Cut(target, ":")
		inner := secure(conn, host)
		_, _ = io.WriteString(inner, "hello world")
		got := make([]byte, len("hello world"))
		if _, err := io.ReadFull(inner, got); err != nil || string(got) != "hello world" {
			t.Errorf("%s: %q %v", target, got, err)
		}
		_ = conn.Close()
	}
	for range 12_000 { // the first use of a host is written when it ends
		if len(w.journal.of(AuditConnect)) == 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.close()
	for _, e := range w.ledger.all(t, 3) {
		if e.Method != http.MethodConnect || e.Refused != "" || e.RequestBytes < 11 || e.ResponseBytes < 11 || e.Usage.Requests != 0 {
			t.Errorf("recorded: %+v", e)
		}
	}
	last := map[string]audited{}
	for _, a := range w.journal.of(AuditConnect) {
		last[fmt.Sprint(a.data["host"])] = a
	}
	one := last["registry.example.com:443"].data
	if len(last) != 2 || one["count"] != int64(2) || one["sent"].(int64) < 22 || one["received"].(int64) < 22 {
		t.Errorf("audited: %v", w.journal.audit)
	}
	if want := "[93.184.216.34:443 93.184.216.34:443 [2606:4700:4700::1111]:8443]"; fmt.Sprint(dialed) != want {
		t.Errorf("dialed %v", dialed)
	}
}

func TestASessionMayHaveHostsAndNoModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Anthropic, "http://127.0.0.1:1", func(s *Session, _ *Options) {
		s.Provider, s.Models, s.Hosts = Provider{}, nil, []string{"registry.example.com"}
	})
	if got := w.do(http.MethodPost, "/v1/messages", `{"model":"m"}`, nil); got.status != http.StatusForbidden || !strings.Contains(got.body, "no model") {
		t.Errorf("a request to a model: %+v", got)
	}
	if _, status := w.connect("evil.com:443", ""); !strings.HasPrefix(status, "403") {
		t.Errorf("an unlisted host: %s", status)
	}
	if _, err := w.gateway.Open(t.Context(), Session{Task: "nothing"}); err == nil {
		t.Error("a session without a model and a host was opened")
	}
}

func TestClosingCutsTunnels(t *testing.T) {
	t.Parallel()
	var dialed []netip.AddrPort
	w := tunnels(t, &dialed)
	conn, status := w.connect("registry.example.com:443", "")
	if !strings.HasPrefix(status, "200") {
		t.Fatal(status)
	}
	inner := secure(conn, "registry.example.com")
	if err := inner.Handshake(); err != nil {
		t.Fatal(err)
	}
	w.close()
	if _, err := inner.Read(make([]byte, 1)); err == nil {
		t.Error("the tunnel outlives its session")
	}
}

// TestThreat23ATunnelSpeaksToItsHostOnly: the same address may serve other names.
func TestThreat23ATunnelSpeaksToItsHostOnly(t *testing.T) {
	t.Parallel()
	var dialed []netip.AddrPort
	w := tunnels(t, &dialed)
	for name, speak := range map[string]func(net.Conn) error{
		"another name": func(c net.Conn) error { return secure(c, "evil.example.com").Handshake() },
		"no name":      func(c net.Conn) error { return secure(c, "").Handshake() },
		"no TLS": func(c net.Conn) error {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: evil.example.com\r\n\r\n")
			_, err := c.Read(make([]byte, 1))
			return err
		},
	} {
		conn, status := w.connect("registry.example.com:443", "")
		if !strings.HasPrefix(status, "200") {
			t.Fatal(status)
		}
		if err := speak(conn); err == nil {
			t.Errorf("%s: the host was reached", name)
		}
	}
	conn, _ := w.connect("registry.example.com:443", "")
	if err := secure(conn, "Registry.example.com").Handshake(); err != nil {
		t.Errorf("the host itself: %v", err)
	}
	w.close()
	if list := w.journal.of(AuditRefused); len(list) == 0 || list[0].data["reason"] != "hello" {
		t.Errorf("audited: %v", w.journal.audit)
	}
}

// An administrator who takes a host off the list means the connections that lead
// there too, and no other.
func TestAHostTakenOffTheListIsCut(t *testing.T) {
	t.Parallel()
	var dialed []netip.AddrPort
	w := tunnels(t, &dialed)
	open := map[string]*tls.Conn{}
	for _, host := range []string{"registry.example.com:443", "a.mirror.example.com:8443"} {
		conn, status := w.connect(host, "")
		if !strings.HasPrefix(status, "200") {
			t.Fatalf("%s: %s", host, status)
		}
		name, _, _ := strings.Cut(host, ":")
		open[name] = secure(conn, name)
		if err := said(open[name]); err != nil {
			t.Fatalf("%s: %v", host, err)
		}
	}
	w.session.Hosts = []string{"*.mirror.example.com:8443"}
	if _, err := w.gateway.Open(t.Context(), w.session); err != nil {
		t.Fatal(err)
	}
	if err := said(open["registry.example.com"]); err == nil {
		t.Error("a connection to a host that is listed no more goes on")
	}
	if err := said(open["a.mirror.example.com"]); err != nil {
		t.Errorf("a listed host's connection: %v", err)
	}
	if _, status := w.connect("a.mirror.example.com:8443", ""); !strings.HasPrefix(status, "200") {
		t.Errorf("the session goes on, but: %s", status)
	}
	if _, status := w.connect("registry.example.com:443", ""); !strings.HasPrefix(status, "403") {
		t.Errorf("the host is listed no more, but: %s", status)
	}
}

// said speaks with an echo.
func said(conn io.ReadWriter) error {
	if _, err := io.WriteString(conn, "hello"); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, len("hello")))
	return err
}
