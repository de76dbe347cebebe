package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/gateway/modeltest"
)

// TestFault29AnotherGatewayTakesOver: the first one ends as killed ones do, with
// its socket left behind; the same path works again.
func TestFault29AnotherGatewayTakesOver(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{})
	w := newWorld(t, Anthropic, m.URL(), nil)
	c := calls["anthropic"]
	if got := w.do(http.MethodPost, c.path, c.body, nil); got.status != 200 {
		t.Fatal(got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.gateway.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.gateway.Open(ctx, w.session); !errors.Is(err, ErrClosed) {
		t.Errorf("opened after the end: %v", err)
	}
	if _, err := os.Stat(w.dir); err != nil {
		t.Fatalf("the mounted directory is gone: %v", err)
	}
	if status := quietly(w.dir, c.body); status != 0 {
		t.Errorf("a dead gateway answered %d", status)
	}
	// A socket that nobody serves any more, as after SIGKILL.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(w.dir, SocketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()

	next := New(w.gateway.o)
	t.Cleanup(func() { _ = next.Shutdown(context.Background()) })
	dir, err := next.Open(t.Context(), w.session)
	if err != nil || dir != w.dir {
		t.Fatalf("%s, not %s: %v", dir, w.dir, err)
	}
	if got := w.do(http.MethodPost, c.path, c.body, nil); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if err := next.Close(w.session.Task); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}

// TestThreat19SocketsAreForTheirContainerOnly.
func TestThreat19SocketsAreForTheirContainerOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Anthropic, "http://127.0.0.1:1", nil)
	for path, want := range map[string]os.FileMode{filepath.Dir(w.dir): 0o700, w.dir: 0o755, filepath.Join(w.dir, SocketName): 0o666} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	if w.gateway.Dir("../../etc") == w.gateway.Dir("task-1") || strings.Contains(w.gateway.Dir("../../etc"), "..") {
		t.Error("a task's name leads elsewhere")
	}
}

func TestSessionsThatCannotBeServedAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Anthropic, "http://127.0.0.1:1", nil)
	for name, change := range map[string]func(*Session){
		"no task": func(s *Session) { s.Task = "" }, "no key": func(s *Session) { s.Provider.Key = Session{}.Provider.Key }, "no URL": func(s *Session) { s.Provider.URL = nil },
		"no model": func(s *Session) { s.Models = nil }, "star inside": func(s *Session) { s.Models = []string{"a*b"} }, "only a star": func(s *Session) { s.Models = []string{"*"} },
		"protocol": func(s *Session) { s.Provider.Protocol = "soap" }, "address": func(s *Session) { s.Hosts = []string{"10.0.0.1"} },
	} {
		s := w.session
		s.Task = "other"
		change(&s)
		if _, err := w.gateway.Open(t.Context(), s); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	long := New(Options{Dir: filepath.Join(shortDir(t), strings.Repeat("x", 80)), Ledger: w.ledger, Journal: w.journal})
	if _, err := long.Open(t.Context(), w.session); err == nil || !strings.Contains(err.Error(), "shorter directory") {
		t.Errorf("a path that is too long: %v", err)
	}
}
