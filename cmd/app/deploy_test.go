package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/token"
)

const oneCommit = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// runServer is a server that has one deployment, to try what the command makes of
// its answers. The real one is in the story.
type runServer struct {
	*httptest.Server
	mu       sync.Mutex
	requests []client.DeployRequest
	fails    int // so many requests before one is answered
	run      client.Deployment
	ends     bool // the log
	idle     int  // so many looks at the log before there is something
	followed chan struct{}
}

func newRunServer(t *testing.T, state string, exit int) *runServer {
	t.Helper()
	s := &runServer{ends: true, followed: make(chan struct{}, 100), run: client.Deployment{
		ID: "00000000000000aa", Environment: "staging", Profile: "publish", Commit: oneCommit, Parameters: map[string]string{"channel": "beta"},
		Repository: client.Repository{Key: "github:1", Name: "acme/x"}, State: state, Detail: "the script said so\x1b[2J", ExitCode: &exit,
	}}
	if state != "succeeded" && state != "failed" {
		s.run.ExitCode = nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/deployments", s.request)
	mux.HandleFunc("GET /api/v1/deployments/{id}", func(w http.ResponseWriter, _ *http.Request) { s.answer(w, http.StatusOK, s.run) })
	mux.HandleFunc("GET /api/v1/deployments/{id}/log", s.log)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *runServer) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (s *runServer) request(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var asked client.DeployRequest
	_ = json.NewDecoder(r.Body).Decode(&asked) // a bad one is seen in what was asked
	s.requests = append(s.requests, asked)
	if len(s.requests) <= s.fails {
		s.answer(w, http.StatusBadGateway, map[string]string{"error": "away"})
		return
	}
	fresh := s.run
	fresh.State, fresh.ExitCode, fresh.Detail = "pending", nil, ""
	s.answer(w, http.StatusAccepted, fresh)
}

func (s *runServer) log(w http.ResponseWriter, r *http.Request) {
	const text = "deploying\n"
	from, _ := strconv.Atoi(r.URL.Query().Get("offset"))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	s.mu.Lock()
	idle := s.idle > 0
	s.idle--
	s.mu.Unlock()
	if idle {
		w.Header().Set("X-Log-Next-Offset", "0")
		return
	}
	if !s.ends && from > 0 {
		s.followed <- struct{}{}
		<-r.Context().Done()
		return
	}
	piece := text[min(from, len(text)):]
	w.Header().Set("X-Log-Next-Offset", strconv.Itoa(len(text)))
	w.Header().Set("X-Log-End", strconv.FormatBool(s.ends))
	_, _ = w.Write([]byte(piece))
}

// deploys runs the command at the server.
func (s *runServer) deploys(t *testing.T, ctx context.Context, args ...string) (out, said string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token.New().Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code = run(ctx, append([]string{"deploy", "--server", s.URL, "--token-file", file}, args...), streams{&stdout, &stderr})
	return stdout.String(), stderr.String(), code
}

func TestTheStatusOfDeployIsTheRuns(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]struct {
		code int
		exit int
		says []string
	}{
		"succeeded": {0, 0, []string{"succeeded with exit status 0"}},
		"failed":    {1, 7, []string{"failed with exit status 7", `the script said so\u001b[2J`, "coderflow deploy --again 00000000000000aa"}},
		"unknown":   {1, 0, []string{"has an unknown outcome", "look at what it deploys to"}},
		"withheld":  {1, 0, []string{"was withheld: it did not run", "the script said so", "asks anew"}},
	} {
		s := newRunServer(t, state, want.exit)
		out, said, code := s.deploys(t, t.Context(), "staging/publish", "--commit", oneCommit, "--wait")
		if code != want.code || out != "deploying\n" || strings.Contains(said, "\x1b") {
			t.Errorf("%s: %d %q %q", state, code, out, said)
		}
		for _, words := range want.says {
			if !strings.Contains(said, words) {
				t.Errorf("%s does not say %q: %s", state, words, said)
			}
		}
		out, said, code = s.deploys(t, t.Context(), "staging/publish", "--commit", oneCommit, "--wait", "-o", "json")
		var run client.Deployment
		if err := json.Unmarshal([]byte(out), &run); err != nil || run.State != state || code != want.code || !strings.Contains(said, "deploying") {
			t.Errorf("%s as JSON: %d %v %q", state, code, err, out)
		}
	}
}

func TestARequestThatIsSentAgainIsTheSameRequest(t *testing.T) {
	t.Parallel()
	s := newRunServer(t, "succeeded", 0)
	s.fails = 1
	args := []string{"staging/publish", "--commit", oneCommit, "--param", "note=a=b;$(id), c", "--param", "empty=", "--reason", "because"}
	if _, said, code := s.deploys(t, t.Context(), args...); code != 0 || !strings.Contains(said, "trying again") {
		t.Fatalf("%d %s", code, said)
	}
	first, second := s.requests[0], s.requests[1]
	if first.Key == "" || first.Key != second.Key || second.Parameters["note"] != "a=b;$(id), c" || second.Parameters["empty"] != "" || second.Reason != "because" {
		t.Errorf("%+v\n%+v", first, second)
	}
	s.deploys(t, t.Context(), args...)
	if other := s.requests[2]; other.Key == first.Key {
		t.Error("another invocation is the same request")
	}
	s.deploys(t, t.Context(), append(args, "--key", "build-1234")...)
	if named := s.requests[3]; named.Key != "build-1234" {
		t.Errorf("%+v", named)
	}
}

func TestAgainTakesEverythingFromTheFormerRun(t *testing.T) {
	t.Parallel()
	s := newRunServer(t, "failed", 1)
	if _, said, code := s.deploys(t, t.Context(), "--again", "00000000000000aa", "--reason", "the host was full"); code != 0 {
		t.Fatalf("%d %s", code, said)
	}
	r := s.requests[0]
	if r.Environment != "staging" || r.Profile != "publish" || r.Commit != oneCommit || r.Repository != "acme/x" || r.Parameters["channel"] != "beta" || r.Reason != "the host was full" {
		t.Errorf("%+v", r)
	}
}

func TestTheEndOfWaitingIsNotTheEndOfTheRun(t *testing.T) {
	t.Parallel()
	s := newRunServer(t, "running", 0)
	s.ends = false
	_, said, code := s.deploys(t, t.Context(), "staging/publish", "--commit", oneCommit, "--wait", "--timeout", "300ms")
	if code != 1 || !strings.Contains(said, "has not ended after 300ms") || !strings.Contains(said, "coderflow deployments logs -f 00000000000000aa") {
		t.Errorf("%d %s", code, said)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		for range 2 { // the first was the other command's
			<-s.followed
		}
		interrupt()
	}()
	_, said, code = s.deploys(t, ctx, "staging/publish", "--commit", oneCommit, "--wait")
	if code != 1 || !strings.Contains(said, "interrupted; the deployment goes on") || !strings.Contains(said, "coderflow deployments logs -f") {
		t.Errorf("%d %s", code, said)
	}
}

func TestACommandLineThatSaysTooLittleDeploysNothing(t *testing.T) {
	t.Parallel()
	s := newRunServer(t, "succeeded", 0)
	for words, args := range map[string][]string{
		"want ENVIRONMENT/PROFILE":         {"staging", "--commit", oneCommit},
		"want ENVIRONMENT/PROFILE, for":    {"a/b/c", "--commit", oneCommit},
		"--commit is missing":              {"staging/publish"},
		"git rev-parse 4b825dc":            {"staging/publish", "--commit", "4b825dc"},
		"--commit: want the full id":       {"staging/publish", "--commit", strings.ToUpper(oneCommit)},
		"want NAME=VALUE, not \"channel\"": {"staging/publish", "--commit", oneCommit, "--param", "channel"},
		"channel is given twice":           {"staging/publish", "--commit", oneCommit, "--param", "channel=a", "--param", "channel=b"},
		"--key: want 8 to 64":              {"staging/publish", "--commit", oneCommit, "--key", "short"},
		"--timeout bounds":                 {"staging/publish", "--commit", oneCommit, "--timeout", "1m"},
		"leave the rest out":               {"staging/publish", "--again", "00000000000000aa"},
	} {
		if _, said, code := s.deploys(t, t.Context(), args...); code != usageStatus || !strings.Contains(said, words) {
			t.Errorf("%q: %d %s", args, code, said)
		}
	}
	if _, said, code := s.deploys(t, t.Context(), "--again", "../x"); code != notFoundStatus {
		t.Errorf("%d %s", code, said)
	}
	if len(s.requests) != 0 {
		t.Errorf("asked for %+v", s.requests)
	}
}

func TestWhatADeploymentWaitsForIsSaid(t *testing.T) {
	t.Parallel()
	s := newRunServer(t, "pending", 0)
	s.idle = 2
	s.run.Detail = "waits for deployment 00000000000000bb"
	if _, said, _ := s.deploys(t, t.Context(), "staging/publish", "--commit", oneCommit, "--wait"); strings.Count(said, "(waits for deployment 00000000000000bb)") != 1 {
		t.Errorf("%s", said)
	}
}

func TestOnTheServersMachineNobodyDeploys(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"deploy", "staging/publish", "--commit", oneCommit, "-c", d.config}, streams{&stdout, &stderr})
	if code != usageStatus || !strings.Contains(stderr.String(), "coderflow login --server URL") {
		t.Errorf("%d %s", code, stderr.String())
	}
}

func TestWaitingSurvivesAServerThatIsAway(t *testing.T) {
	t.Parallel()
	s := newRunServer(t, "succeeded", 0)
	away := true
	inner := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/log") && away {
			away = false
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		inner.ServeHTTP(w, r)
	})
	begun := time.Now()
	out, said, code := s.deploys(t, t.Context(), "staging/publish", "--commit", oneCommit, "--wait")
	if code != 0 || out != "deploying\n" || !strings.Contains(said, "trying again") {
		t.Errorf("%d after %s: %q %s", code, time.Since(begun), out, said)
	}
}
