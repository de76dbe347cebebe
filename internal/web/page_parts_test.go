package web

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/task"
)

// wide is a log whose second line is longer than any page's window, and not of one byte
// for each character.
func (w *apiWorld) wide(end string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = []byte("EARLY LINE\n" + strings.Repeat("é", 300<<10) + end)
}

var untilAddress = regexp.MustCompile(`href="([^"#]*\?until=[0-9]*)`)

// back follows the addresses of what is before, until the log's beginning.
func (w *signInWorld) back(c *http.Client, path string) {
	w.t.Helper()
	for range 12 {
		_, page := w.fetch(c, path)
		if strings.Contains(page, "EARLY LINE") {
			return
		}
		if strings.Contains(page, `\ufffd`) || strings.Contains(page, "�") || !strings.Contains(page, "éé") && !strings.Contains(page, "goes on") {
			w.t.Errorf("%s shows nothing, or breaks a character", path)
		}
		m := untilAddress.FindStringSubmatch(page)
		if m == nil {
			break
		}
		path = m[1]
	}
	w.t.Errorf("the pages end at %s without the first line", path)
}

func TestALineLongerThanThePageHidesNothingBeforeIt(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	for _, end := range []string{"\n", "", "\nand a line that goes on"} { // the task runs: its last line may go on
		w.api.wide(end)
		w.back(c, "/tasks/"+string(here)+"/output")
		w.back(c, "/deployments/"+runHere)
		if _, page := w.fetch(c, "/tasks/"+string(here)); !strings.Contains(page, "éé") && !strings.Contains(page, "goes on") {
			t.Errorf("with %q after it the page of the task shows nothing that the agent did", end)
		}
	}
}

func TestTheSystemPageLeadsToTheTasksThatItCounts(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.parts.System = &sickbay{now: time.Now().UTC()}
	w.api.rule(bindingYAML("b", "oidc:own/alice", "server-admin", "*"))
	_, page := w.fetch(c, "/system")
	if !strings.Contains(page, `href="/tasks?state=running"`) {
		t.Fatalf("the page leads to no running tasks:\n%s", page)
	}
	for _, state := range task.States() {
		answer, list := w.fetch(c, "/tasks?state="+string(state))
		if shown := strings.Contains(list, `href="/tasks/`+string(here)); answer.StatusCode != http.StatusOK || shown != (state == task.Running) {
			t.Errorf("%s answers %d, with a task that runs: %t", state, answer.StatusCode, shown)
		}
		if !strings.Contains(list, `<option value="`+string(state)+`" selected>only `) {
			t.Errorf("the form does not say that tasks are %s", state)
		}
	}
}

func TestAPartOfAPageIsNoPlaceToSignIn(t *testing.T) {
	t.Parallel()
	w, _ := signedIn(t)
	for _, path := range []string{"/tasks?seen=abc", "/tasks/" + string(here) + "/output?until=3", "/deployments/" + runHere} {
		answer, page := w.fetch(w.browser(nil), path, part)
		if answer.StatusCode != http.StatusUnauthorized || answer.Header.Get("HX-Refresh") != "true" || page != "" {
			t.Errorf("%s of an ended session: %d, refresh %q\n%s", path, answer.StatusCode, answer.Header.Get("HX-Refresh"), page)
		}
	}
}

func TestAPartOfAPageSaysWhatPeopleWrote(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.proposed()
	const words = "the address has ?seen=none in it"
	w.api.mu.Lock()
	w.api.tasks[0].Snapshot.Title = words
	w.api.book.proposals[1].Message = words
	w.api.book.proposals[1].Digest = w.api.book.proposals[1].ComputeDigest()
	w.api.mu.Unlock()
	_, list := w.fetch(c, "/tasks?q=seen%3Dnone", part)
	if !strings.Contains(list, words) || !regexp.MustCompile(`^<div [^>]*&amp;seen=[0-9a-f]{16}"`).MatchString(list) {
		t.Errorf("the list is\n%s", list)
	}
	if _, changes := w.fetch(c, "/tasks/"+string(here)+"/changes", part); !strings.Contains(changes, words) {
		t.Errorf("the change is\n%s", changes)
	}
}

func TestAComparisonShowsOnlyWhatIsSaidOfItsLines(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.proposed()
	w.api.mu.Lock()
	p := &w.api.book.proposals[1]
	p.Risks = append(p.Risks, task.Risk{Name: "ci-removed", Path: "a.go", Line: 1, Removed: true, Why: "a line of the base"})
	p.Digest = p.ComputeDigest()
	w.api.mu.Unlock()
	tags := func(query string) (tags, page string) {
		_, page = w.fetch(c, "/tasks/"+string(here)+"/changes?revision=2"+query)
		_, tags, _ = strings.Cut(page, `<p class="tags">`)
		tags, _, _ = strings.Cut(tags, "</p>")
		return tags, page
	}
	if all, page := tags(""); strings.Count(all, "href=") != 3 || !strings.Contains(page, "a line of the base") {
		t.Errorf("against the base: %s", all)
	}
	if between, page := tags("&against=1"); !strings.Contains(between, "bidi") || strings.Count(between, "tag") != 1 || strings.Contains(page, "a line of the base") || strings.Contains(page, "#f0") {
		t.Errorf("against a revision: %s", between)
	}
	_, file := w.fetch(c, "/tasks/"+string(here)+"/changes/1?revision=2&against=1")
	if strings.Contains(file, "a line of the base") || !strings.Contains(file, `Changes <span class="count">2<`) {
		t.Errorf("the file against a revision is\n%s", file)
	}
}

// slow are comparisons that end when they are let go.
type slow struct {
	begun chan struct{}
	comparing
	end chan struct{}
}

func (s slow) Between(ctx context.Context, from, to task.Proposal) ([]byte, error) {
	s.begun <- struct{}{}
	<-s.end
	return s.comparing.Between(ctx, from, to)
}

func TestComparisonsTakeTurns(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.proposed()
	desk := slow{begun: make(chan struct{}, 99), end: make(chan struct{})}
	w.parts.Comparisons = desk
	const asked = 9
	codes := make(chan int, asked)
	for range asked {
		go func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/tasks/"+string(here)+"/changes?revision=2&against=1", nil)
			if err != nil {
				codes <- 0
				return
			}
			answer, err := c.Do(r)
			if err != nil {
				codes <- 0
				return
			}
			_ = answer.Body.Close() // nobody reads it
			codes <- answer.StatusCode
		}()
	}
	for range asked - comparisonsWaiting { // who finds too many does not wait
		if code := <-codes; code != http.StatusTooManyRequests {
			t.Errorf("one more than may wait gets %d", code)
		}
	}
	if n := len(desk.begun); n > comparisonsAtOnce {
		t.Errorf("%d run at once", n)
	}
	close(desk.end)
	for range comparisonsWaiting {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("who waited gets %d", code)
		}
	}
}
