package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/token"
)

// People sign in at the real server with the local forge: maria at a terminal and
// in a browser, eve, who holds no role, at neither.
func TestPeopleSignInAtATerminalAndInABrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := newSeat(t, "http://"+w.address, "")
	said, code := w.login(at, maria, "authorize")
	if code != 0 || !strings.Contains(said, fmt.Sprintf("as maria (github:%d); context", userID(w.hub.Info(), maria))) {
		t.Fatalf("%d: %s", code, said)
	}
	if me := at.must("whoami"); !strings.Contains(me, "signed in with github") || !strings.Contains(me, "environment/staging: tasks:view, tasks:create") {
		t.Errorf("%s", me)
	}
	contexts := filepath.Join(at.home, ".config", "coderflow", "contexts.yaml")
	kept, err := os.ReadFile(contexts)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(contexts); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	value := regexp.MustCompile(token.Prefix + `\w+`).FindString(string(kept))
	if strings.Contains(said+w.log.String(), value) || strings.Contains(w.log.String(), "ghu_") {
		t.Error("a token is in a log, or on the terminal")
	}
	w.hasNoUserTokens()

	if out := at.must("logout"); !strings.Contains(out, "logged out of http://"+w.address) {
		t.Errorf("%s", out)
	}
	at.fails(failedStatus, "unknown, expired or revoked", "whoami", "--server", "http://"+w.address, "--token-file", at.write("old", value+"\n"))

	if said, code := w.login(newSeat(t, "", ""), maria, "cancel"); code != refusedStatus || !strings.Contains(said, "refused at the provider") {
		t.Errorf("who says no: %d %s", code, said)
	}
	id := fmt.Sprintf("github:%d has no role here; give this id to an admin", userID(w.hub.Info(), eve))
	if said, code := w.login(newSeat(t, "", ""), eve, "authorize"); code != refusedStatus || !strings.Contains(said, id) {
		t.Errorf("who holds no role: %d %s", code, said)
	}
	w.browse(maria, http.StatusOK, fmt.Sprintf(`id="subject">github:%d</span>`, userID(w.hub.Info(), maria)))
	w.browse(eve, http.StatusForbidden, id)
	w.hasNoUserTokens()
	newSeat(t, "", "").fails(notFoundStatus, "it offers: github", "login", "--server", "http://"+w.address, "--provider", "entra")
}

func (w *world) hasNoUserTokens() {
	w.t.Helper()
	if n := w.hub.UserTokens(); n != 0 {
		w.t.Errorf("%d tokens of people at the forge are good, and nobody needs them", n)
	}
}

// login runs the command and decides at the forge as the person does who reads it.
func (w *world) login(at *seat, login, decision string) (said string, code int) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), binary, "login", "--server", "http://"+w.address, "--no-browser")
	cmd.Dir, cmd.Env = at.home, []string{"HOME=" + at.home, "XDG_CONFIG_HOME=" + filepath.Join(at.home, ".config")}
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	var all, address string
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		all += lines.Text() + "\n"
		if after, found := strings.CutPrefix(lines.Text(), "Open"); found {
			address = strings.TrimSpace(after)
		}
		if _, after, found := strings.Cut(lines.Text(), "the code"); found {
			w.submit(http.DefaultClient, address, url.Values{"user_code": {strings.TrimSpace(after)}, "as": {login}, "decision": {decision}})
		}
	}
	_ = cmd.Wait() // its status is what is asked for
	return all, cmd.ProcessState.ExitCode()
}

func (w *world) submit(c *http.Client, address string, form url.Values) (status int, page string) {
	w.t.Helper()
	answer, err := c.PostForm(address, form)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// browse signs in as a browser does, which keeps cookies and follows redirects.
func (w *world) browse(login string, status int, words string) {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	c := &http.Client{Jar: jar}
	asks, err := c.Get("http://" + w.address + "/auth/login?provider=github")
	if err != nil {
		w.t.Fatal(err)
	}
	_ = asks.Body.Close() // nothing is read
	got, page := w.submit(c, asks.Request.URL.String(), url.Values{"as": {login}, "decision": {"authorize"}})
	if got != status || !strings.Contains(page, words) {
		w.t.Errorf("%s in a browser: %d %s", login, got, page)
	}
}

// What docs/signin.md tells people to run exists, with its flags.
func TestTheDocumentationOfSigningInKeepsItsWord(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/signin.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^    coderflow (.+)$`).FindAllStringSubmatch(string(text), -1)
	if len(commands) != 3 {
		t.Errorf("%d commands found", len(commands))
	}
	for _, m := range commands {
		checkCommand(t, strings.Fields(m[1]))
	}
}
