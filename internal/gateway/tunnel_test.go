package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// echo is a host that repeats what it is told.
func echo(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
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

func (w *world) connect(target string) (net.Conn, *bufio.Reader, string) {
	w.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(w.t.Context(), "unix", filepath.Join(w.dir, SocketName))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	// The first bytes come along with the request, as a hasty client sends them.
	_, _ = fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\nhello", target, target)
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return conn, reader, err.Error()
	}
	_ = response.Body.Close()
	return conn, reader, response.Status
}

func TestThreat23TunnelsLeadToListedPublicHostsOnly(t *testing.T) {
	t.Parallel()
	var dialed []netip.AddrPort
	w := tunnels(t, &dialed)
	for _, target := range []string{"evil.com:443", "registry.example.com:80", "registry.example.com.:443", "93.184.216.34:443", "2130706433:443", "0x5db8d822:443", "[::1]:443",
		"[::ffff:127.0.0.1]:443", "localhost:443", "inner.example.com:443", "mixed.example.com:443", "mirror.example.com:8443", "169.254.169.254:80", "user@registry.example.com:443"} {
		if _, _, status := w.connect(target); strings.HasPrefix(status, "200") {
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
}

func TestTunnelsCarryBytesAndAreAudited(t *testing.T) {
	t.Parallel()
	var dialed []netip.AddrPort
	w := tunnels(t, &dialed)
	for _, target := range []string{"registry.example.com:443", "registry.example.com:443", "a.mirror.example.com:8443"} {
		conn, reader, status := w.connect(target)
		if !strings.HasPrefix(status, "200") {
			t.Fatalf("%s: %s", target, status)
		}
		_, _ = io.WriteString(conn, " world")
		got := make([]byte, len("hello world"))
		if _, err := io.ReadFull(reader, got); err != nil || string(got) != "hello world" {
			t.Errorf("%s: %q %v", target, got, err)
		}
		_ = conn.Close()
	}
	for range 200 { // the first use of a host is written when it ends
		if len(w.journal.of(AuditConnect)) == 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.close()
	last := map[string]audited{}
	for _, a := range w.journal.of(AuditConnect) {
		last[fmt.Sprint(a.data["host"])] = a
	}
	one := last["registry.example.com:443"].data
	if len(last) != 2 || one["count"] != int64(2) || one["sent"] != int64(22) || one["received"] != int64(22) {
		t.Errorf("audited: %v", w.journal.audit)
	}
	if want := "[93.184.216.34:443 93.184.216.34:443 [2606:4700:4700::1111]:8443]"; fmt.Sprint(dialed) != want {
		t.Errorf("dialed %v", dialed)
	}
}

func TestClosingCutsTunnels(t *testing.T) {
	t.Parallel()
	var dialed []netip.AddrPort
	w := tunnels(t, &dialed)
	_, reader, status := w.connect("registry.example.com:443")
	if !strings.HasPrefix(status, "200") {
		t.Fatal(status)
	}
	if _, err := io.ReadFull(reader, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	w.close()
	if _, err := reader.ReadByte(); err == nil {
		t.Error("the tunnel outlives its session")
	}
}
