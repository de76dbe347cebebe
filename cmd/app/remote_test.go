package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coderflow/coderflow/internal/token"
)

// answering is a server that gives everybody the same answer.
func answering(t *testing.T, status int, kind, body string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server
}

// Which of the two a command works on is one rule, and nothing is tried in the
// place of what was named.
func TestWhereACommandWorks(t *testing.T) {
	t.Parallel()
	server := answering(t, http.StatusOK, "application/json", `{"subject":"github:7","token":{"id":"one"}}`)
	other := answering(t, http.StatusOK, "application/json", `{"subject":"github:8","token":{"id":"two"}}`)
	p := newSeat(t, server.URL, token.New().Reveal())
	second := filepath.Join(p.home, "token")
	p.must("context", "add", "second", "--server", other.URL, "--token-file", second)
	const here, one, two = "local:seat", "github:7", "github:8"
	for _, row := range []struct {
		env  string
		args []string
		code int
		says string
	}{
		{"", nil, 0, one},
		{"", []string{"-c", "x.yaml"}, 0, here},
		{"", []string{"--context", "second"}, 0, two},
		{"", []string{"--server", other.URL, "--token-file", second}, 0, two},
		{"CODERFLOW_CONFIG=x.yaml", nil, 0, here},
		{"CODERFLOW_CONFIG=x.yaml", []string{"--context", "second"}, 0, two},
		{"CODERFLOW_CONTEXT=second", nil, 0, two},
		{"CODERFLOW_CONTEXT=second", []string{"-c", "x.yaml"}, 0, here},
		{"CODERFLOW_CONTEXT=second", []string{"--server", server.URL, "--token-file", second}, 0, one},
		{"CODERFLOW_CONTEXT=second CODERFLOW_CONFIG=x.yaml", nil, usageStatus, "unset one"},
		{"CODERFLOW_CONTEXT=third", nil, notFoundStatus, "second, work"},
		{"", []string{"--context", "third"}, notFoundStatus, "second, work"},
		{"", []string{"--context", "work", "-c", "x.yaml"}, usageStatus, "give one of them"},
		{"", []string{"--context", "work", "--server", server.URL}, usageStatus, "give it, or"},
		{"", []string{"--server", server.URL}, usageStatus, "go together"},
		{"", []string{"--token-file", second}, usageStatus, "go together"},
		{"", []string{"--server", "http://192.0.2.1", "--token-file", second}, usageStatus, "in the clear"},
	} {
		out, said, code := p.with(strings.Fields(row.env)...).run(append([]string{"whoami"}, row.args...)...)
		if code != row.code || !strings.Contains(out+said, row.says) {
			t.Errorf("%s coderflow whoami %q: exit status %d, want %d and %q: %s%s", row.env, row.args, code, row.code, row.says, out, said)
		}
	}
	p.must("context", "remove", "work")
	if out := p.must("whoami"); !strings.Contains(out, here) {
		t.Errorf("without a current context: %s", out)
	}
	p.must("context", "use", "second")
	other.Close()
	p.fails(failedStatus, "does not answer", "whoami") // and not on this machine instead
	contexts := filepath.Join(p.home, ".config", "coderflow", "contexts.yaml")
	if err := os.Chmod(contexts, 0o644); err != nil {
		t.Fatal(err)
	}
	p.fails(failedStatus, "chmod go=", "whoami")
}

func TestARefusalHasItsExitStatus(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{400: failedStatus, 401: failedStatus, 403: refusedStatus, 404: notFoundStatus, 409: failedStatus, 500: failedStatus} {
		server := answering(t, status, "application/json", `{"error":"so it is","requestId":"REQUEST"}`)
		p := newSeat(t, "", "")
		file := p.write("token", token.New().Reveal())
		p.fails(want, "so it is", "tasks", "--server", server.URL, "--token-file", file)
		p.fails(want, "request REQUEST", "tasks", "show", "aaaaaaaaaaaa", "--server", server.URL, "--token-file", file)
	}
}

// hostile is text that takes over a terminal, or hides from its reader.
const hostile = "\x1b[2J\u009b31m\u202egnp\u200b\r\x07"

// Whatever a server says, a terminal shows it and does not act on it.
func TestThreat49NothingThatAServerSaysActsOnATerminal(t *testing.T) {
	t.Parallel()
	quoted := fmt.Sprintf("%+q", hostile) // Go's escapes, of which JSON has these
	quoted = strings.NewReplacer(`\x1b`, `\u001b`, `\a`, `\u0007`).Replace(quoted)
	item := fmt.Sprintf(`{"id":%[1]s,"name":%[1]s,"title":%[1]s,"failure":%[1]s,"subject":%[1]s,"owner":%[1]s,"kind":%[1]s,"version":%[1]s,`+
		`"appliedBy":%[1]s,"action":%[1]s,"actor":%[1]s,"detail":{"x":%[1]s},"repository":{"name":%[1]s},"token":{"id":%[1]s,"name":%[1]s},`+
		`"rights":[{"resource":%[1]s,"permissions":[%[1]s]}],"role":%[1]s,"login":%[1]s,"permission":%[1]s,"description":%[1]s,"text":%[1]s,`+
		`"hosts":[{"host":%[1]s}],"refusals":[{"what":%[1]s,"why":%[1]s}],"model":%[1]s,"reason":{"text":%[1]s},"changes":[{"kind":%[1]s,"name":%[1]s,"diff":[%[1]s]}],`+
		`"manifest":{"kind":%[1]s},"permissions":[%[1]s],"complete":true,"yaml":%[1]s,"end":true`, quoted)
	// Some names are those of different things in different answers.
	plain := strings.NewReplacer(`"subject":`+quoted, `"subject":"github:1"`, `"token":{`, `"made":{`, `"text":`, `"kind":"message","text":`).Replace(item)
	good := answering(t, 200, "application/json", item+`}`)
	lists := answering(t, 200, "application/json", plain+`,"items":[`+plain+`}]}`)
	broken := answering(t, 403, "application/json", fmt.Sprintf(`{"error":%[1]s,"reason":{"text":%[1]s},"problems":[%[1]s],"requestId":%[1]s}`, quoted))
	odd := answering(t, 200, hostile, hostile)
	p := newSeat(t, "", "")
	file := p.write("token", token.New().Reveal())
	manifest := p.write("m.yaml", "x: y")
	const id = "aaaaaaaaaaaa"
	seen := 0
	for _, server := range []*httptest.Server{good, lists, broken, odd} {
		for _, command := range [][]string{
			{"whoami"}, {"tasks"}, {"tasks", "show", id}, {"tasks", "cancel", id}, {"tasks", "models", id}, {"tasks", "activity", id}, {"tasks", "logs", id},
			{"audit"}, {"get"}, {"get", "--history"}, {"access", "roles"}, {"access", "permissions"}, {"access", "who", "tasks:view", "server"},
			{"access", "explain", "me", "tasks:view", "server"}, {"tokens", "list"}, {"tokens", "revoke", id}, {"tokens", "create", "--name", "x"},
			{"apply", "-f", manifest}, {"delete", "team/x"}, {"context", "add", "bad", "--use"}, {"context", "list"},
		} {
			for _, output := range []string{"table", "json", "yaml"} {
				args := append([]string{}, command...)
				if command[0] != "context" && !(len(command) > 1 && command[1] == "logs") {
					args = append(args, "-o", output)
				}
				if strings.Join(command, " ") != "context list" {
					args = append(args, "--server", server.URL, "--token-file", file)
				}
				out, said, _ := p.run(args...)
				if strings.ContainsAny(out+said, "\x1b\u009b\u202e\u200b\r\x07") {
					t.Errorf("coderflow %q passes on what a server says: %q %q", args, out, said)
				}
				if strings.Contains(out+said, `\u001b[2J`) {
					seen++
				}
			}
		}
	}
	if seen < 130 { // otherwise the answers are refused before they are printed
		t.Errorf("only %d outputs show it", seen)
	}
}

// A follower whose connection breaks goes on where it was, and ends with the log.
func TestAFollowedLogGoesOnAfterABrokenConnection(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		offset := r.URL.Query().Get("offset")
		switch asked.Add(1) {
		case 1:
			w.Header().Set("X-Log-Next-Offset", "4")
			_, _ = io.WriteString(w, "one\n")
		case 2: // breaks in the middle of its answer
			w.Header().Set("X-Log-Next-Offset", "8")
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "tw")
		case 3: // a proxy whose server is away
			w.WriteHeader(http.StatusBadGateway)
		case 4:
			w.Header().Set("X-Log-Next-Offset", "8")
			_, _ = io.WriteString(w, "two\n")
		default:
			w.Header().Set("X-Log-Next-Offset", offset)
			w.Header().Set("X-Log-End", "true")
		}
		if want := map[int64]string{1: "0", 5: "8"}[asked.Load()]; want != "" && want != offset {
			t.Errorf("request %d begins at %s, want %s", asked.Load(), offset, want)
		}
	}))
	t.Cleanup(server.Close)
	p := newSeat(t, "", "")
	file := p.write("token", token.New().Reveal())
	out, said, code := p.run("tasks", "logs", "-f", "aaaaaaaaaaaa", "--server", server.URL, "--token-file", file)
	if code != 0 || out != "one\ntwo\n" || strings.Count(said, "trying again") != 1 {
		t.Errorf("exit status %d after %d requests: %q %q", code, asked.Load(), out, said)
	}
	asked.Store(1)
	p.fails(failedStatus, "does not answer", "tasks", "logs", "aaaaaaaaaaaa", "--server", server.URL, "--token-file", file) // without -f it is told
}
