package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// Each part that the server depends on goes away and returns, one after the
// other: the server stays up, names the part, and goes on by itself.
func TestFault19To25OutagesAreNamedAndOutlived(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withExtra(looksOften), withAgent(untilReleased+"\n"+quickAgent))
	engine := newEngineProxy(t)
	w.start("CODERFLOW_DOCKER_HOST=unix://" + engine.path)
	w.reconciled()
	w.unready()
	var issues []int
	for range 5 {
		issues = append(issues, w.issue(maria).Number)
	}
	w.settle()
	w.step("Fault19DatabaseDownAtAWebhook", func() { w.databaseDown(issues[0]) })
	w.step("Fault21EngineUnreachable", func() { w.engineUnreachable(issues[1], engine) })
	w.step("Fault22EngineHangs", func() { w.engineHangs(issues[3], engine) })
	w.step("Fault23ForgeAnswers502", func() { w.forgeDown(issues[2]) })
	w.step("Fault25TokensExpireInTheMiddle", func() { w.tokensExpire(issues[4]) })
	w.redeliverAll()
	for _, issue := range issues {
		if tasks := w.tasksOf(issue); len(tasks) != 1 {
			t.Errorf("issue %d has %d tasks", issue, len(tasks))
		}
	}
	if pulls, agents := len(w.hub.PullRequests(sampleRepo)), len(w.containers("task")); pulls != len(issues) || agents != len(issues) {
		t.Errorf("%d pull requests and %d containers for %d tasks", pulls, agents, len(issues))
	}
}

// unready waits until /readyz names exactly these parts, and the process is healthy.
func (w *world) unready(parts ...string) {
	w.t.Helper()
	w.wait("readiness but for "+strings.Join(parts, ", "), func(context.Context) (bool, error) {
		var answer struct { // anew for each look: what a part leaves out would be left of the look before
			Parts []struct {
				Name, Fix string
				OK        bool
			}
		}
		status, err := w.get("/readyz", &answer)
		if err != nil {
			return false, err
		}
		var failing []string
		for _, part := range answer.Parts {
			if !part.OK {
				failing = append(failing, part.Name)
			}
			if part.OK == (part.Fix != "") {
				return false, errors.New(part.Name + " should say what to do, if and only if it fails")
			}
		}
		want := http.StatusOK
		if len(parts) > 0 {
			want = http.StatusServiceUnavailable
		}
		return status == want && slices.Equal(failing, parts), nil
	})
	if status, err := w.get("/healthz", &struct{}{}); err != nil || status != http.StatusOK {
		w.t.Errorf("/healthz: %d, %v", status, err)
	}
}

func (w *world) get(path string, answer any) (status int, err error) {
	response, err := http.Get("http://" + w.address + path)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, errors.Join(json.NewDecoder(response.Body).Decode(answer), response.Body.Close())
}

// finishes lets the agent of the issue's task end and waits for the proposal.
func (w *world) finishes(issue int) {
	w.t.Helper()
	w.releaseAgent(w.taskOf(issue, task.Running))
	proposed := w.taskOf(issue, task.Proposed)
	w.auditHas(proposed.ID, map[audit.Action]int{audit.TaskCreated: 1, audit.ContainerStarted: 1, audit.ProposalPublished: 1})
}

func (w *world) releaseAgent(running task.Task) (engineName string) {
	w.t.Helper()
	return w.releaseNamed(running.Run.Container)
}

// releaseNamed is [world.release] by the server's name for the container.
func (w *world) releaseNamed(name string) (engineName string) {
	w.t.Helper()
	engineName = strings.TrimSpace(w.docker("ps", "-q", "--filter", "label=dev.coderflow.name="+name))
	w.release(container{ID: engineName})
	return engineName
}

func (w *world) databaseDown(issue int) {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.dir, "data", "coderflow.db")+"?_pragma=busy_timeout(10000)&_txlock=exclusive")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it was only read
	lock, err := db.BeginTx(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer lock.Rollback() //nolint:errcheck // after the rollback below it does nothing
	w.say(maria, forge.IssueTopic(issue), "/coderflow run")
	if d := w.lastDelivery("issue_comment"); d.Status != http.StatusServiceUnavailable {
		w.t.Errorf("the delivery was answered with %d %s", d.Status, d.Error)
	}
	w.unready("database")
	if err := lock.Rollback(); err != nil {
		w.t.Fatal(err)
	}
	w.unready()
	if err := w.hub.Redeliver(w.lastDelivery("issue_comment").GUID); err != nil {
		w.t.Fatal(err)
	}
	w.finishes(issue)
}

func (w *world) engineUnreachable(issue int, engine *engineProxy) {
	w.t.Helper()
	engine.cut()
	w.say(maria, forge.IssueTopic(issue), "/coderflow run")
	w.taskOf(issue, task.Preparing)
	w.unready("docker")
	engine.mend()
	w.unready()
	running := w.taskOf(issue, task.Running)
	engine.cut()
	w.docker("wait", w.releaseAgent(running)) // it ends while nobody looks
	w.unready("docker")
	engine.mend()
	proposed := w.taskOf(issue, task.Proposed)
	w.auditHas(proposed.ID, map[audit.Action]int{audit.ContainerStarted: 1, audit.ContainerEnded: 1, audit.ProposalPublished: 1})
}

// engineHangs has the engine accept connections and never answer. The server says so,
// and whatever needs no container goes on.
func (w *world) engineHangs(issue int, engine *engineProxy) {
	w.t.Helper()
	w.say(maria, forge.IssueTopic(issue), "/coderflow run")
	running := w.taskOf(issue, task.Running)
	engine.hang()
	w.unready("docker")
	w.docker("wait", w.releaseAgent(running)) // it ends while the engine says nothing
	w.say(maria, forge.IssueTopic(issue), "/coderflow help")
	w.waitSaid(forge.IssueTopic(issue), "/coderflow cancel")
	if left := w.taskOf(issue, task.Running); left.ID != running.ID {
		w.t.Errorf("the task is %+v", left)
	}
	engine.cut()
	engine.mend()
	w.unready()
	proposed := w.taskOf(issue, task.Proposed)
	w.auditHas(proposed.ID, map[audit.Action]int{audit.ContainerStarted: 1, audit.ContainerEnded: 1, audit.ProposalPublished: 1})
}

// tokensExpire ends every token of the App between two requests of a push, and once
// more while the pull request is asked for.
func (w *world) tokensExpire(issue int) {
	w.t.Helper()
	var git, api atomic.Bool
	w.hub.Fail(func(r *http.Request) *emulator.Fault {
		push := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/git-receive-pack") && git.CompareAndSwap(false, true)
		ask := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/pulls") && api.CompareAndSwap(false, true)
		if push || ask {
			w.hub.ExpireTokens()
		}
		return nil
	})
	w.say(maria, forge.IssueTopic(issue), "/coderflow run")
	w.finishes(issue)
	w.hub.Fail(nil)
	if !git.Load() || !api.Load() {
		w.t.Error("no token ended in the middle")
	}
	if strings.Contains(w.log.all(), "ghs_") {
		w.t.Error("a token is in the server's log")
	}
}

func (w *world) forgeDown(issue int) {
	w.t.Helper()
	person := map[string]bool{}
	for _, user := range w.hub.Info().Users {
		person["Bearer "+user.Token] = true
	}
	var refused atomic.Int64
	w.hub.Fail(func(r *http.Request) *emulator.Fault {
		if person[r.Header.Get("Authorization")] {
			return nil
		}
		refused.Add(1)
		return &emulator.Fault{Status: http.StatusBadGateway}
	})
	w.say(maria, forge.IssueTopic(issue), "/coderflow run")
	w.unready("forge")
	w.handledButFails(&refused)
	w.hub.Fail(nil)
	w.unready()
	w.finishes(issue)
}

// handledButFails waits until the delivery was acknowledged and its work met the outage.
func (w *world) handledButFails(refused *atomic.Int64) {
	w.t.Helper()
	if d := w.lastDelivery("issue_comment"); d.Status != http.StatusAccepted {
		w.t.Errorf("while the forge was down, its delivery was answered with %d", d.Status)
	}
	before := refused.Load()
	w.wait("the forge to be asked in vain", func(context.Context) (bool, error) { return refused.Load() > before+2, nil })
}

// engineProxy is a way to the Docker engine that can be cut.
type engineProxy struct {
	t    *testing.T
	path string

	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
}

func newEngineProxy(t *testing.T) *engineProxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "cf-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	p := &engineProxy{t: t, path: filepath.Join(dir, "docker.sock")}
	p.mend()
	t.Cleanup(func() {
		p.cut()
		_ = os.RemoveAll(dir)
	})
	return p
}

// mend listens again.
func (p *engineProxy) mend() { p.listen(p.join) }

// hang ends all connections, and takes new ones without ever answering them.
func (p *engineProxy) hang() {
	p.cut()
	p.listen(func(client net.Conn) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.open = append(p.open, client)
	})
}

func (p *engineProxy) listen(serve func(net.Conn)) {
	p.t.Helper()
	listener, err := net.Listen("unix", p.path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener = listener
	p.mu.Unlock()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(client)
		}
	}()
}

// join carries bytes both ways and passes on that one side has no more to say.
func (p *engineProxy) join(client net.Conn) {
	network, address, _ := strings.Cut(dockerAddress(), "://")
	engine, err := net.Dial(network, address)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.open = append(p.open, client, engine)
	p.mu.Unlock()
	pipe := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	go pipe(client, engine)
	pipe(engine, client)
}

func dockerAddress() string {
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		return host
	}
	return "unix:///var/run/docker.sock"
}

// cut ends all connections and takes no more.
func (p *engineProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
	for _, c := range p.open {
		_ = c.Close()
	}
	p.open = nil
}
