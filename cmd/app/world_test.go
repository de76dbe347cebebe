package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/forge/emulator/contract/contracttest"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// The tests of this package run the real binary, built once, against a local
// forge that is held to GitHub's published description.

var binary string // path of the built coderflow, beside its guest helper

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "coderflow-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	binary = filepath.Join(dir, "coderflow")
	for target, pkg := range map[string]string{binary: ".", binary + "-guest": "../guest"} {
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", target, pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", pkg, err, out)
			return 1
		}
	}
	debug.SetGCPercent(400) // many small worlds: looking for garbage was a fifth of the time
	return storetest.Main(m)
}

// longEnough is how long a test waits for what comes unless something is broken. No machine is
// too slow for it.
const longEnough = 5 * time.Minute

// world is one forge with one server process.
type world struct {
	people
	t       *testing.T
	dir     string
	in      installation
	address string
	server  *process
	log     *logTail
	// program is what the process is started with; none: serve.
	program []string
	// former is the program of another version; empty: the one that is tested.
	former string
	// engine is the address of its Docker engine where that is not the machine's.
	engine string
}

type worldOption func(*emulator.Options, *settings)

func withAgent(script string) worldOption {
	return func(_ *emulator.Options, s *settings) { s.Agent = script }
}

func onGitHub(o *emulator.Options, _ *settings) { o.Kind = forge.GitHub }

func onAzure(o *emulator.Options, _ *settings) { o.Kind = forge.AzureDevOps }

// onBoth tells a story at GitHub and at Azure DevOps.
func onBoth(t *testing.T, tell func(t *testing.T, at worldOption)) {
	t.Helper()
	t.Parallel()
	for host, at := range map[string]worldOption{forge.GitHub: onGitHub, forge.AzureDevOps: onAzure} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			tell(t, at)
		})
	}
}

func withExtra(yaml string) worldOption {
	return func(_ *emulator.Options, s *settings) { s.Extra = yaml }
}

// quickAgent changes one file and ends.
const quickAgent = `sed -i 's/total += \$3/total += $2 * $3/' receipt.awk`

// newWorld makes a forge and starts a server on it. At the end of the test
// nothing unknown was asked of the forge, nothing broke GitHub's description,
// and no container or volume is left.
func newWorld(t *testing.T, options ...worldOption) *world {
	t.Helper()
	w := newStoppedWorld(t, options...)
	w.start()
	return w
}

func newStoppedWorld(t *testing.T, options ...worldOption) *world {
	t.Helper()
	requireEngine(t)
	w := &world{t: t, dir: shortDir(t), log: &logTail{}}
	o := emulator.Options{
		Dir: filepath.Join(w.dir, "forge"), Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(w.log, nil)), Key: contracttest.Key(t),
	}
	w.address = freeAddress(t)
	s := settings{Agent: quickAgent, Listen: w.address}
	for _, option := range options {
		option(&o, &s)
	}
	if o.Kind != forge.AzureDevOps {
		watch := contracttest.Watch(t)
		o.Middleware, o.OnDelivery = watch.Middleware, watch.OnDelivery
	}
	hub, err := startForge(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	w.people = newPeople(hub)
	if w.in, err = install(w.dir, w.hub.Info(), s); err != nil {
		t.Fatal(err)
	}
	w.hub.SetWebhookURL(webhookURL(w.hub.Info(), w.address))
	t.Cleanup(w.close)
	return w
}

// shortDir is a temporary directory with a short path: the path of a socket in it
// has at most 107 bytes.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cf-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return dir
}

func requireEngine(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("docker", "image", "inspect", "coderflow/sandbox:dev").CombinedOutput(); err != nil {
		t.Fatalf("the sandbox image or a Docker engine is missing: run `make setup`: %s", out)
	}
}

// freeAddress is one that nobody else takes before the server does: below the
// range from which the kernel gives ports to whoever asks for any, and given once
// in this process. (It has to be known before the server starts, and is kept over
// its restarts.)
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+int(portsGiven.Add(1))%portRange)
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return address
	}
	t.Fatalf("no port from %d on is free", firstPort)
	return ""
}

const (
	firstPort = 20_000
	portRange = 12_000
)

// portsGiven begins anywhere, so that two runs at once hardly meet.
var portsGiven = func() *atomic.Int64 {
	n := &atomic.Int64{}
	n.Store(int64(os.Getpid()) * 97)
	return n
}()

func (w *world) close() {
	if w.server != nil {
		w.server.kill()
	}
	if err := w.hub.Close(); err != nil {
		w.t.Errorf("close the forge: %v", err)
	}
	w.removeContainers()
	if unknown := w.hub.Unknown(); len(unknown) > 0 {
		w.t.Errorf("the forge was asked what it does not know: %q", unknown)
	}
	if w.t.Failed() {
		w.t.Logf("log of server and forge:\n%s", w.log)
	}
}

func (w *world) removeContainers() {
	node, err := os.ReadFile(filepath.Join(w.dir, "data", "node"))
	if err != nil {
		return
	}
	label := "label=dev.coderflow.instance=" + strings.TrimSpace(string(node))
	for try := 1; ; try++ {
		err := removeLabelled(w.engine, label)
		if err == nil {
			return
		}
		if try == 5 { // a server that was killed may have had the engine make one more container
			w.t.Errorf("clean up the engine: %v", err)
			return
		}
		time.Sleep(time.Second)
	}
}

func removeLabelled(engine, label string) error {
	var at []string
	if engine != "" {
		at = []string{"-H", engine}
	}
	for _, kind := range [][]string{{"ps", "-aq", "--no-trunc"}, {"volume", "ls", "-q"}} {
		out, err := exec.Command("docker", slices.Concat(at, kind, []string{"--filter", label})...).Output()
		if err != nil {
			return fmt.Errorf("list what the test left: %w", err)
		}
		ids := strings.Fields(string(out))
		if len(ids) == 0 {
			continue
		}
		remove := append([]string{"rm", "-f"}, ids...)
		if kind[0] == "volume" {
			remove = append([]string{"volume"}, remove...)
		}
		if out, err := exec.Command("docker", append(at, remove...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return nil
}

// start starts the server and waits until it answers.
func (w *world) start(environment ...string) {
	w.t.Helper()
	w.launch(environment...)
	err := until(context.Background(), longEnough, "the server", func(context.Context) (bool, error) {
		if w.server.exited() {
			return false, fmt.Errorf("it ended:\n%s", w.log)
		}
		response, err := http.Get("http://" + w.address + "/healthz")
		if err != nil {
			return false, nil //nolint:nilerr // it does not listen yet
		}
		return response.StatusCode == http.StatusOK, response.Body.Close()
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) launch(environment ...string) {
	w.t.Helper()
	command := w.program
	if len(command) == 0 {
		command = []string{"serve"}
	}
	cmd := exec.Command(cmp.Or(w.former, binary), append(slices.Clone(command), "-c", w.in.config)...)
	cmd.Env = append(append(os.Environ(), "GOGC=400"), environment...) // many small servers: see testMain
	cmd.Stdout, cmd.Stderr = w.log, w.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.server = &process{cmd: cmd, done: make(chan struct{})}
	go func(p *process) {
		_ = p.cmd.Wait()
		close(p.done)
	}(w.server)
}

// process is a started server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// awaitDeath waits until a failpoint killed the server.
func (w *world) awaitDeath() {
	w.t.Helper()
	select {
	case <-w.server.done:
	case <-time.After(longEnough):
		w.t.Fatalf("the server did not reach its failpoint:\n%s", w.log)
	}
}

// db opens the server's database beside it.
func (w *world) db() *store.Store {
	w.t.Helper()
	db, err := (configFlag{Config: w.in.config}).open(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Close() })
	return db
}

// gitHub is a client of what only GitHub has.
func (w *world) gitHub(login string) *gh.Client { return gitHubPeople{w.hub}.as(login) }

// run asks for a task on a new issue and returns the issue.
func (w *world) run(login string) forge.Issue {
	w.t.Helper()
	issue := w.issue(login)
	w.say(login, issue.Topic(), "/coderflow run")
	return issue
}

func (w *world) issue(login string) forge.Issue {
	w.t.Helper()
	issue, err := w.openIssue(w.t.Context(), login, "The total is wrong", "It forgets the quantity.")
	if err != nil {
		w.t.Fatal(err)
	}
	return issue
}

func (w *world) say(login string, topic forge.Topic, text string) forge.Comment {
	w.t.Helper()
	comment, err := w.comment(w.t.Context(), login, topic, text)
	if err != nil {
		w.t.Fatal(err)
	}
	return comment
}

func (w *world) approve(login string, number int, text string) forge.Review {
	w.t.Helper()
	review, err := w.review(w.t.Context(), login, number, forge.ReviewApproved, text)
	if err != nil {
		w.t.Fatal(err)
	}
	return review
}

// taskOf waits until the newest task of the issue is in one of the states.
func (w *world) taskOf(issue int, states ...task.State) task.Task {
	w.t.Helper()
	db := w.db()
	var found task.Task
	err := until(w.t.Context(), longEnough, fmt.Sprintf("task of issue %d in %v", issue, states), func(ctx context.Context) (bool, error) {
		tasks, err := db.Tasks(ctx, store.TaskFilter{Limit: 100})
		if err != nil {
			return false, err
		}
		for _, t := range tasks {
			if t.Issue != issue {
				continue
			}
			found = t
			for _, s := range states {
				if t.State == s {
					return true, nil
				}
			}
			if t.State.Ended() {
				return false, fmt.Errorf("it is %s: %s", t.State, t.Failure)
			}
			return false, nil // newest first
		}
		return false, nil
	})
	if err != nil {
		w.t.Fatalf("%v; last seen: %s %s\n%s", err, found.State, found.Failure, w.log)
	}
	return found
}

func (w *world) head(number int) string {
	w.t.Helper()
	pr, err := w.pullRequest(w.t.Context(), number)
	if err != nil {
		w.t.Fatal(err)
	}
	return pr.Head.Commit
}

// waitSaid waits until CoderFlow wrote the text in the conversation.
func (w *world) waitSaid(topic forge.Topic, text string) {
	w.t.Helper()
	err := until(w.t.Context(), longEnough, fmt.Sprintf("%q under %s", text, topic), func(ctx context.Context) (bool, error) {
		comments, err := w.comments(ctx, topic)
		for _, c := range comments {
			if w.ours(c.Author) && strings.Contains(c.Body, text) {
				return true, nil
			}
		}
		return false, err
	})
	if err != nil {
		comments, _ := w.comments(context.Background(), topic)
		for _, c := range comments {
			w.t.Logf("%s: %s", c.Author.Login, c.Body)
		}
		w.t.Fatal(err)
	}
}

// logTail keeps the end of a log.
type logTail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (l *logTail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if len(l.text) > 1<<20 {
		l.text = l.text[len(l.text)-1<<20:]
	}
	return len(p), nil
}

// all is what is kept of the log.
func (l *logTail) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// String returns the last lines.
func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	scanner := bufio.NewScanner(strings.NewReader(string(l.text)))
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	if len(lines) > 120 {
		lines = lines[len(lines)-120:]
	}
	return strings.Join(lines, "\n")
}

var _ io.Writer = (*logTail)(nil)
