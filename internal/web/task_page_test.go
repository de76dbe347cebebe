package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/task"
)

// proposed puts a proposal of two files up for the task in staging, with a risk and
// with what a check and a judge say.
func (w *apiWorld) proposed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	diff := "diff --git a/a.go b/a.go\n--- a/a.go\n+++ b/a.go\n@@ -1 +1,2 @@\n package a\n+// <script>x\u202e</script>\n" +
		"diff --git a/big.sql b/big.sql\n--- /dev/null\n+++ b/big.sql\n@@ -0,0 +1,2000 @@\n" + strings.Repeat("+DROP TABLE t;\n", 2000)
	first := task.Proposal{Task: here, Revision: 1, Tree: "t", Diff: []byte("diff --git a/old b/old\n@@ -0,0 +1 @@\n+former\n"),
		Manifest: []task.PathChange{{Path: "old", Kind: task.Added, Added: 1}}}
	second := task.Proposal{
		Task: here, Revision: 2, Tree: "t", Diff: []byte(diff), Message: "Message <b>",
		Manifest: []task.PathChange{{Path: "a.go", Kind: task.Modified, Added: 1}, {Path: "big.sql", Kind: task.Added, Added: 2000}},
		Risks:    []task.Risk{{Name: "destructive-sql", Path: "big.sql", Line: 3, Why: "drops a table"}, {Name: "bidi", Path: "a.go", Line: 2, Why: "<i>misleads"}},
	}
	first.Digest, second.Digest = first.ComputeDigest(), second.ComputeDigest()
	verdict := `{"summary":"good <u>","recommendation":"revise","scores":{"security":{"score":3,"notes":"sql"}},"findings":[{"path":"a.go","line":2,"severity":"major","title":"odd comment","text":"why?"}]}`
	w.book.proposals = []task.Proposal{first, second}
	w.book.examinations = []task.Examination{
		{ID: "eeeeeeeeeeee", Task: here, Revision: 2, Kind: task.Check, Name: "unit-tests", Attempt: 1, State: task.ExaminationFailed, Summary: "2 of 9 <b>failed"},
		{ID: "ffffffffffff", Task: here, Revision: 2, Kind: task.Judge, Name: "strict", Attempt: 1, State: task.ExaminationPassed, Result: json.RawMessage(verdict)},
		{ID: "gggggggggggg", Task: here, Revision: 2, Kind: task.Judge, Name: "broken-one", Attempt: 1, State: task.ExaminationBroken, Summary: "no valid verdict"},
	}
	w.tasks[0].State, w.tasks[0].PullRequestURL, w.tasks[0].Snapshot.Title = task.Proposed, "https://forge.test/acme/x/pull/5", "Fix <script>\x1b[31m"
}

func part(r *http.Request) { r.Header.Set("HX-Request", "true") }

// fetch asks with the browser's cookies.
func (w *signInWorld) fetch(c *http.Client, path string, edit ...func(*http.Request)) (*http.Response, string) {
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
	defer func() { _ = answer.Body.Close() }() // it was read
	var body strings.Builder
	if _, err := bufio.NewReader(answer.Body).WriteTo(&body); err != nil {
		w.t.Fatal(err)
	}
	return answer, body.String()
}

func TestTheListShowsTasksThatTheViewerMaySee(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.proposed()
	for _, path := range []string{"/", "/tasks", "/tasks?state=review&environment=staging&q=fix&requester=zoe"} {
		answer, page := w.fetch(c, path)
		if answer.StatusCode != http.StatusOK || !strings.Contains(page, `href="/tasks/`+string(here)) || strings.Contains(page, string(there)) || strings.Contains(page, "production") {
			t.Errorf("%s answers %d with\n%s", path, answer.StatusCode, page)
		}
		if strings.Contains(page, "<script>") || strings.Contains(page, "\x1b") || scripted(page) {
			t.Errorf("%s: something acts on the page", path)
		}
	}
	_, list := w.fetch(c, "/tasks?state=review", part)
	if strings.Contains(list, "<html") || !strings.Contains(list, `id="list"`) {
		t.Errorf("a part is\n%s", list)
	}
	_, mark, _ := strings.Cut(list, "seen=")
	answer, again := w.fetch(c, "/tasks?state=review&seen="+mark[:16], part)
	if answer.StatusCode != http.StatusNoContent || again != "" {
		t.Errorf("what the browser has is sent again: %d %s", answer.StatusCode, again)
	}
	if answer, page := w.fetch(c, "/tasks?state=none"); answer.StatusCode != http.StatusBadRequest || !strings.Contains(page, "no such choice") {
		t.Errorf("an unknown state answers %d", answer.StatusCode)
	}
	if answer, _ := w.fetch(c, "/tasks?environment=production"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("an environment of others answers %d", answer.StatusCode)
	}
}

func TestThreat49TaskPagesOfOthersAreNotFound(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	_, unknown := w.fetch(c, "/tasks/"+string(none))
	for _, tail := range []string{"", "/changes", "/changes/1", "/output", "/live?from=0"} {
		for _, id := range []string{string(there), string(none), "x"} {
			answer, page := w.fetch(c, "/tasks/"+id+tail)
			if answer.StatusCode != http.StatusNotFound || page != unknown {
				t.Errorf("%s%s answers %d, and not what an unknown task answers", id, tail, answer.StatusCode)
			}
		}
		if answer, page := w.fetch(w.browser(nil), "/tasks/"+string(here)+tail); strings.Contains(page, string(here)+"</") || !strings.Contains(page, "Sign in") {
			t.Errorf("a stranger gets %d at %s", answer.StatusCode, tail)
		}
	}
}

func TestATaskIsOnOnePage(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.proposed()
	_, page := w.fetch(c, "/tasks/"+string(here))
	for _, want := range []string{
		"Waits for review", `href="https://forge.test/acme/x/pull/5"`, "unit-tests", "2 of 9 &lt;b&gt;failed", "strict", ">revise<", "3", "good &lt;u&gt;",
		"no valid verdict", "found 7 of 9 planted defects, 1 false alarm in 10 clean changes", "not calibrated", "first", "second", "$0.01", "CONNECT example.com:443", "Reached", "+2", "2 risks", "staging/publish",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if scripted(page) || strings.Contains(page, "style=") || strings.Contains(page, "approve</button>") {
		t.Error("the page acts")
	}
}

func TestAChangeIsShownWholeAndFileByFile(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.proposed()
	_, page := w.fetch(c, "/tasks/"+string(here)+"/changes")
	for _, want := range []string{"2 files", "a.go", "big.sql", "destructive-sql", "&lt;script&gt;", `\u202e`, "odd comment", "Judge strict, major", "&lt;i&gt;misleads", "Message &lt;b&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, "DROP") {
		t.Error("a large file is on the page before anybody asked for it")
	}
	if strings.Contains(page, "\u202e") || scripted(page) {
		t.Error("the page acts")
	}
	_, piece := w.fetch(c, "/tasks/"+string(here)+"/changes/2?revision=2", part)
	if strings.Contains(piece, "<html") || strings.Count(piece, "DROP") < 400 || !strings.Contains(piece, "drops a table") || !strings.Contains(piece, "from=500") {
		t.Errorf("the file begins with\n%.500s", piece)
	}
	_, rest := w.fetch(c, "/tasks/"+string(here)+"/changes/2?revision=2&from=1501")
	if strings.Count(rest, "DROP") != 500 || !strings.Contains(rest, "<html") {
		t.Errorf("%d lines at the end", strings.Count(rest, "DROP"))
	}
	_, former := w.fetch(c, "/tasks/"+string(here)+"/changes?revision=1")
	if !strings.Contains(former, "former") || !strings.Contains(former, "revision 2") || strings.Contains(former, "odd comment") {
		t.Errorf("the first revision is\n%s", former)
	}
	for _, path := range []string{"/changes?revision=3", "/changes?revision=x", "/changes/3", "/changes/0?revision=1", "/changes/2?revision=1"} {
		if answer, _ := w.fetch(c, "/tasks/"+string(here)+path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers %d", path, answer.StatusCode)
		}
	}
}

func TestALongLogIsShownFromItsEnd(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	var log strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&log, "\x1b[3%dmline %06d\x1b[0m\n", i%8, i)
	}
	w.api.log = []byte(log.String())
	_, page := w.fetch(c, "/tasks/"+string(here)+"/output")
	if !strings.Contains(page, "line 019999<") || strings.Contains(page, "line 000000<") || strings.Contains(page, "\x1b") || len(page) > 500<<10 {
		t.Fatalf("the page has %d bytes", len(page))
	}
	seen, address := strings.Count(page, ">line "), earlierAddress(page)
	for address != "" {
		_, piece := w.fetch(c, address, part)
		if strings.Contains(piece, "<html") {
			t.Fatal("the earlier output is a page")
		}
		seen, address = seen+strings.Count(piece, ">line "), earlierAddress(piece)
	}
	if seen != 20_000 {
		t.Errorf("%d lines of 20000", seen)
	}
}

func earlierAddress(page string) string {
	_, rest, found := strings.Cut(page, `<p class="earlier"><a class="button" href="`)
	if !found {
		return ""
	}
	address, _, _ := strings.Cut(rest, `"`)
	return address
}

func TestARevisionIsComparedWithAFormerOne(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	w.api.proposed()
	w.api.book.revisions = []task.Revision{{Task: here, Number: 2, State: task.RevisionProposed, Feedback: []task.Feedback{{Text: "please <b>"}}}}
	_, page := w.fetch(c, "/tasks/"+string(here)+"/changes")
	if !strings.Contains(page, "/changes?revision=2&amp;against=1") {
		t.Errorf("the page does not lead to the comparison")
	}
	_, page = w.fetch(c, "/tasks/"+string(here)+"/changes?revision=2&against=1")
	for _, want := range []string{"otherwise than revision 1", "between-1-and-2", "&lt;i&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("the comparison does not say %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "big.sql</a>") {
		t.Error("the comparison lists what did not change")
	}
	if _, piece := w.fetch(c, "/tasks/"+string(here)+"/changes/1?revision=2&against=1", part); !strings.Contains(piece, "between-1-and-2") {
		t.Errorf("the file is\n%s", piece)
	}
	if answer, _ := w.fetch(c, "/tasks/"+string(here)+"/changes?revision=2&against=7"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown revision answers %d", answer.StatusCode)
	}
}
