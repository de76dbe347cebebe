// Package world starts the real programs for benchmarks: `coderflow serve`, as `make build` leaves it, on a local forge
// in this process, with a repository, two people and an environment.
package world

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/forge/github"
	"github.com/coderflow/coderflow/internal/store"
)

// Who and what there is at the forge.
const (
	Owner, Name = "acme", "shop"
	Repository  = Owner + "/" + Name
	Developer   = "maria" // may start tasks
	Approver    = "tom"   // may approve

	image = "coderflow/sandbox:dev"
)

// Options are what worlds differ in.
type Options struct {
	// Agent is the shell text of the agent; empty: it writes one line.
	Agent string
	// Postgres is the address of an empty database; empty: SQLite.
	Postgres string
	// Concurrency is how many agents run at once; 0: 2.
	Concurrency int
	// More are further repositories, beside Repository, that the environment has.
	More []string
	// Extra are more lines for coderflow.yaml.
	Extra string
	// NoServer leaves the server to the caller, see [World.Start].
	NoServer bool
}

// World is a forge and a server.
type World struct {
	Forge   *emulator.Forge
	Dir     string
	Address string // of the server
	Calls   *Calls

	b       testing.TB
	options Options
	server  *exec.Cmd
	log     *os.File
}

// New starts a world that ends with the benchmark, and leaves nothing on the engine.
func New(b testing.TB, o Options) *World {
	b.Helper()
	dir, err := os.MkdirTemp("", "cf-bench-")
	if err != nil {
		b.Fatal(err)
	}
	w := &World{b: b, options: o, Dir: dir, Calls: &Calls{}, Address: freeAddress(b)}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	w.startForge()
	w.configure()
	w.Forge.SetWebhookURL("http://" + w.Address + "/webhooks/github")
	b.Cleanup(w.end)
	if !o.NoServer {
		w.Start()
	}
	return w
}

func (w *World) startForge() {
	w.b.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		w.b.Fatal(err)
	}
	w.Forge, err = emulator.New(emulator.Options{
		Dir: filepath.Join(w.Dir, "forge"), Key: key, Middleware: w.Calls.count,
		App: &emulator.AppManifest{Name: "CoderFlow", URL: "https://coderflow.dev", Events: github.AppEvents(), Permissions: github.AppPermissions()},
	})
	if err == nil {
		err = w.Forge.Start(context.Background())
	}
	if err == nil {
		err = w.seed()
	}
	if err != nil {
		w.b.Fatal(err)
	}
}

func (w *World) seed() error {
	if _, err := w.Forge.CreateUser(Owner, emulator.UserOptions{Organization: true}); err != nil {
		return err
	}
	for _, login := range []string{Developer, Approver} {
		if _, err := w.Forge.CreateUser(login, emulator.UserOptions{}); err != nil {
			return err
		}
	}
	all := append([]string{Repository}, w.options.More...)
	for _, full := range all {
		owner, name, _ := strings.Cut(full, "/")
		files := map[string]string{"README.md": "# " + name + "\n", "main.go": "package main\n\nfunc main() {}\n"}
		if _, err := w.Forge.CreateRepository(owner, name, files, emulator.RepositoryOptions{}); err != nil {
			return err
		}
		for _, login := range []string{Developer, Approver} {
			if err := w.Forge.AddCollaborator(full, login, "write"); err != nil {
				return err
			}
		}
	}
	_, err := w.Forge.Install(all...)
	return err
}

// As is a client of the forge for a person.
func (w *World) As(login string) *gh.Client {
	w.b.Helper()
	client, err := gh.NewClient(nil).WithAuthToken(w.Forge.ClientFor(login)).WithEnterpriseURLs(w.Forge.Info().APIURL, w.Forge.Info().APIURL)
	if err != nil {
		w.b.Fatal(err)
	}
	return client
}

// binary is what `make build` made.
func binary(b testing.TB, name string) string {
	b.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		b.Fatalf("%v: run `make build`", err)
	}
	return path
}

// Start starts the server and waits until it answers.
func (w *World) Start() {
	w.b.Helper()
	log, err := os.Create(filepath.Join(w.Dir, "server.log"))
	if err != nil {
		w.b.Fatal(err)
	}
	w.log = log
	w.server = exec.Command(binary(w.b, "coderflow"), "serve", "-c", w.config())
	w.server.Stdout, w.server.Stderr = log, log
	w.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.server.Start(); err != nil {
		w.b.Fatal(err)
	}
	w.Until("the server answers", func() bool {
		r, err := http.Get("http://" + w.Address + "/healthz")
		return err == nil && r.Body.Close() == nil && r.StatusCode == http.StatusOK
	})
}

// PID is the server's.
func (w *World) PID() int { return w.server.Process.Pid }

// Stop ends the server and waits for it.
func (w *World) Stop() {
	if w.server == nil {
		return
	}
	_ = w.server.Process.Signal(syscall.SIGTERM)
	_ = w.server.Wait()
	w.server = nil
}

// longEnough is how long anything is waited for.
const longEnough = 3 * time.Minute

// Until waits for something, looking every 2 ms.
func (w *World) Until(what string, is func() bool) {
	w.b.Helper()
	for end := time.Now().Add(longEnough); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			text, _ := os.ReadFile(filepath.Join(w.Dir, "server.log"))
			w.b.Fatalf("waited in vain until %s; the server's log ends with\n%s", what, text[max(0, len(text)-4000):])
		}
	}
}

// Store opens the server's database beside it.
func (w *World) Store() *store.Store {
	w.b.Helper()
	o := store.Options{DSN: "sqlite", Path: filepath.Join(w.Dir, "data", "coderflow.db")}
	if w.options.Postgres != "" {
		o = store.Options{DSN: w.options.Postgres}
	}
	s, err := store.Open(context.Background(), o)
	if err != nil {
		w.b.Fatal(err)
	}
	w.b.Cleanup(func() { _ = s.Close() })
	return s
}

// Node is the server's name, which its containers carry.
func (w *World) Node() string {
	name, _ := os.ReadFile(filepath.Join(w.Dir, "data", "node"))
	return strings.TrimSpace(string(name))
}

func (w *World) end() {
	w.Stop()
	_ = w.Forge.Close()
	if node := w.Node(); node != "" {
		label := "label=dev.coderflow.instance=" + node
		_ = exec.Command("/bin/sh", "-c", "docker ps -aq --filter "+label+" | xargs -r docker rm -f; "+
			"docker volume ls -q --filter "+label+" | xargs -r docker volume rm; docker volume ls -q --filter "+label+" | xargs -r docker volume rm").Run()
	}
	if w.log != nil {
		_ = w.log.Close()
	}
}

func freeAddress(b testing.TB) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it only found a port
	return l.Addr().String()
}

// Calls counts what is asked of the forge's API.
type Calls struct {
	mu  sync.Mutex
	all []string
}

func (c *Calls) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.all = append(c.all, r.Method+" "+r.URL.Path)
		c.mu.Unlock()
		next.ServeHTTP(rw, r)
	})
}

// Take returns what was asked since it was called last.
func (c *Calls) Take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	return all
}

// Quiet waits until the server asks nothing of the forge any more, and forgets what it asked.
func (w *World) Quiet() {
	w.b.Helper()
	const silence = 700 * time.Millisecond
	last := time.Now()
	w.Until("the server is quiet", func() bool {
		if len(w.Calls.Take()) > 0 {
			last = time.Now()
		}
		return time.Since(last) > silence
	})
}

// Head is the commit at the head of a pull request of Repository.
func (w *World) Head(number int) string {
	w.b.Helper()
	for _, p := range w.Forge.PullRequests(Repository) {
		if p.Number == number {
			return p.HeadSHA
		}
	}
	w.b.Fatalf("there is no pull request %d", number)
	return ""
}
