package gateway

import (
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/coderflow/coderflow/internal/gateway/modeltest"
)

// A container that is let go on finds its gateway where it was, and nothing answered
// in between.
func TestASuspendedSessionIsCutAndOpensWhereItWas(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{})
	w := newWorld(t, Anthropic, m.URL(), nil)
	c := calls["anthropic"]
	before, err := os.Stat(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	if list := w.gateway.Sessions(); !slices.Equal(list, []string{w.session.Task}) {
		t.Errorf("open: %q", list)
	}
	w.gateway.Suspend("another", w.session.Task)
	w.gateway.Suspend(w.session.Task)
	if status := quietly(w.dir, c.body); status != 0 || len(w.gateway.Sessions()) != 0 {
		t.Errorf("a suspended session answered %d", status)
	}
	for range 20 { // the end of the former one does not meet the next
		if _, err := w.gateway.Open(t.Context(), w.session); err != nil {
			t.Fatal(err)
		}
		if got := w.do(http.MethodPost, c.path, c.body, nil); got.status != 200 {
			t.Fatalf("opened again: %d %s", got.status, got.body)
		}
		w.gateway.Suspend(w.session.Task)
	}
	if after, err := os.Stat(w.dir); err != nil || !os.SameFile(before, after) {
		t.Errorf("the directory that the container has mounted is another one: %v", err)
	}
}
