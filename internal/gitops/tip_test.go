package gitops

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// isTip reports whether git was not asked, but its server was.
func isTip(r *http.Request) bool { return r.Header.Get("User-Agent") == tipAgent }

func TestAFetchThatBringsNothingIsOneRequest(t *testing.T) {
	t.Parallel()
	g, u, base := newBase(t, text("a", "1"))
	var tips atomic.Int64
	u.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if isTip(r) {
			tips.Add(1)
			if _, password, _ := r.BasicAuth(); password != testToken {
				t.Errorf("asked with the credential %q", password)
			}
		}
		return false
	}
	before := u.requests.Load()
	again, err := g.Fetch(t.Context(), u.remote(), "main")
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "commit", again, base)
	wantEqual(t, "requests", u.requests.Load()-before, 1)
	wantEqual(t, "tips asked for", tips.Load(), 1)
	u.commit("main2", text("a", "other")) // of which the server tells, too
	u.commit("main", text("a", "2"))
	fetched, err := g.Fetch(t.Context(), u.remote(), "main")
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "moved", fetched, u.git("rev-parse", "main"))
}

// Whatever a server answers, a fetch gives the branch's commit: the answer can only spare one.
func TestThreat26AnAnswerAboutATipBringsNothing(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	refs := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
			_, _ = io.WriteString(w, body)
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		},
		"an error":           func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"a refusal":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"a page":             func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"nothing":            refs(""),
		"no ref":             refs("0000"),
		"an error line":      refs(pkt("ERR no such thing\n")),
		"no length":          refs("zzzz"),
		"a negative length":  refs("-001"),
		"too short a length": refs("0004"),
		"a cut line":         refs("00ff" + strings.Repeat("1", 40)),
		"another name":       refs(pkt(strings.Repeat("1", 40)+" refs/heads/main2\n") + "0000"),
		"no commit":          refs(pkt(strings.Repeat("z", 40)+" refs/heads/main\n") + "0000"),
		"an unknown commit":  refs(pkt(strings.Repeat("1", 40)+" refs/heads/main\n") + "0000"),
		"more than is read":  refs(strings.Repeat(pkt(strings.Repeat("1", 40)+" refs/heads/x\n"), tipAnswer)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, u, base := newBase(t, text("a", "1"))
			u.before = func(w http.ResponseWriter, r *http.Request) bool {
				if isTip(r) {
					answer(w, r)
				}
				return isTip(r)
			}
			same, err := g.Fetch(t.Context(), u.remote(), "main")
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "commit", same, base)
			u.commit("main", text("a", "2"))
			moved, err := g.Fetch(t.Context(), u.remote(), "main")
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "commit after it moved", moved, u.git("rev-parse", "main"))
		})
	}
	t.Cleanup(func() { wantEqual(t, "requests elsewhere", elsewhere.Load(), 0) })
}

// The answers are a server's: no length of a line is believed further than there are bytes.
func FuzzTipIn(f *testing.F) {
	f.Add([]byte(pkt(strings.Repeat("1", 40)+" refs/heads/main\n") + "0000"))
	f.Add([]byte("0000"))
	f.Add([]byte("ffff"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		id, err := tipIn(bytes.NewReader(answer), "refs/heads/main")
		if err == nil && (checkID("tip", id) != nil || !bytes.Contains(answer, []byte(id+" refs/heads/main"))) {
			t.Errorf("%q gives %q", answer, id)
		}
	})
}
