package web

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/task"
)

// stream reads events of a page that is followed.
func (w *signInWorld) stream(c *http.Client, path string, edit ...func(*http.Request)) (next func() (name, id, data string), stop func()) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.server.URL+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range edit {
		f(r)
	}
	answer, err := c.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || kind != "text/event-stream" {
		w.t.Fatalf("following answers %d %s", answer.StatusCode, kind)
	}
	lines := bufio.NewScanner(answer.Body)
	next = func() (name, id, data string) {
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "event":
				name = value
			case "id":
				id = value
			case "data":
				data += value
			case "":
				if name != "" {
					return name, id, data
				}
			}
		}
		return "", "", ""
	}
	return next, func() { _ = answer.Body.Close() }
}

func TestATaskIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t, Limits{FollowPoll: 5 * time.Millisecond})
	next, stop := w.stream(c, "/tasks/"+string(here)+"/live?show=log&from=6")
	defer stop()
	name, id, data := next()
	if name != "log" || id != "13" || data != "<div>second</div>" {
		t.Fatalf("%s %s %s", name, id, data)
	}
	w.api.mu.Lock()
	w.api.log = append(w.api.log, "\x1b[31mthird\nhal"...)
	w.api.mu.Unlock()
	if name, id, data = next(); name != "log" || id != "24" || data != `<div><span class="t1">third</span></div>` {
		t.Fatalf("%s %s %s", name, id, data)
	}
	w.api.mu.Lock()
	w.api.log = append(w.api.log, "f<b>"...)
	w.api.tasks[0].State = task.Failed
	w.api.mu.Unlock()
	if name, _, data = next(); name != "log" || !strings.Contains(data, "half&lt;b&gt;") {
		t.Fatalf("%s %s", name, data)
	}
	if name, _, _ = next(); name != "changed" {
		t.Fatalf("%s", name)
	}
	if name, _, _ = next(); name != "end" {
		t.Fatalf("%s", name)
	}
	if name, _, _ = next(); name != "" {
		t.Errorf("after the end there is %s", name)
	}
}

func TestAFollowedTaskGoesOnWhereItWasLost(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t, Limits{FollowPoll: 5 * time.Millisecond})
	next, stop := w.stream(c, "/tasks/"+string(here)+"/live?show=activity&from=0", func(r *http.Request) { r.Header.Set("Last-Event-ID", "6") })
	defer stop()
	if name, id, data := next(); name != "activity" || id != "13" || !strings.Contains(data, "second") || strings.Contains(data, "first") {
		t.Errorf("%s %s %s", name, id, data)
	}
}

// Whoever loses the right, or signs out, is shown nothing more.
func TestThreat49FollowersThatMayNotAnyMoreAreShownNothing(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*signInWorld){
		"the right": func(w *signInWorld) { w.api.rule(teamYAML("x")) },
		"the session": func(w *signInWorld) {
			if err := w.end(w.t.Context(), w.tokens()[0], time.Now()); err != nil {
				w.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, c := signedIn(t, Limits{FollowPoll: 20 * time.Millisecond})
			next, stop := w.stream(c, "/tasks/"+string(here)+"/live?show=log&from=13")
			defer stop()
			lose(w)
			w.api.mu.Lock()
			w.api.log = append(w.api.log, "secret\n"...)
			w.api.mu.Unlock()
			if name, _, data := next(); name != "" {
				t.Errorf("there is still %s %s", name, data)
			}
		})
	}
}

func TestFollowersOfOnePersonAreBounded(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t, Limits{Followers: 2})
	for range 2 {
		_, stop := w.stream(c, "/tasks/"+string(here)+"/live?from=0")
		defer stop()
	}
	if answer, _ := w.fetch(c, "/tasks/"+string(here)+"/live?from=0"); answer.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a third one answers %d", answer.StatusCode)
	}
}

// A page is followed for longer than the server gives to a whole answer.
func TestFollowingOutlivesTheServersWriteTimeout(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t, Limits{FollowPoll: 10 * time.Millisecond})
	w.server.Config.WriteTimeout = 200 * time.Millisecond // of connections that begin from now on
	next, stop := w.stream(c, "/tasks/"+string(here)+"/live?show=log&from=13")
	defer stop()
	time.Sleep(500 * time.Millisecond)
	w.api.mu.Lock()
	w.api.log = append(w.api.log, "late\n"...)
	w.api.mu.Unlock()
	if name, _, data := next(); name != "log" || !strings.Contains(data, "late") {
		t.Errorf("%s %s", name, data)
	}
}

func TestTheOutputOfAnExaminationIsShownAndFollowed(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t, Limits{FollowPoll: 5 * time.Millisecond})
	w.api.proposed()
	_, page := w.fetch(c, "/tasks/"+string(here)+"/examinations/eeeeeeeeeeee")
	if !strings.Contains(page, "Check unit-tests") || !strings.Contains(page, "<div>second</div>") || w.api.read() != "examination/eeeeeeeeeeee" {
		t.Errorf("of %s there is\n%s", w.api.read(), page)
	}
	if strings.Contains(page, "data-live") {
		t.Error("an examination that ended is followed")
	}
	for _, path := range []string{"/examinations/zzzzzzzzzzzz", "/live?exam=zzzzzzzzzzzz"} {
		if answer, _ := w.fetch(c, "/tasks/"+string(here)+path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers %d", path, answer.StatusCode)
		}
	}
	next, stop := w.stream(c, "/tasks/"+string(here)+"/live?show=log&from=0&exam=eeeeeeeeeeee")
	defer stop()
	if name, _, data := next(); name != "log" || data != "<div>first</div><div>second</div>" {
		t.Errorf("%s %s", name, data)
	}
	if name, _, _ := next(); name != "end" {
		t.Errorf("%s", name)
	}
}
