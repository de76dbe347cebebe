// Package throughput measures how many tasks a second the engine takes from their request to their end, with 1, 2 and 4
// workers on one PostgreSQL. Everything is the product's but the sandbox: its containers end as soon as they are
// started and have changed nothing. The database and the forge are on the same processors.
package throughput

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/bench/bound"
	"github.com/coderflow/coderflow/bench/world"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/github"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

const tasks = 40

func BenchmarkWorkers(b *testing.B) {
	server := storetest.NewServer(b)
	w := world.New(b, world.Options{NoServer: true})
	set, err := manifest.Parse(map[string][]byte{"bench.yaml": []byte(w.Manifests())})
	if err != nil {
		b.Fatal(err)
	}
	title := "Measured"
	if _, _, err := w.As(world.Developer).Issues.Create(b.Context(), world.Owner, world.Name, &gh.IssueRequest{Title: &title}); err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 2, 4} {
		rate := measure(b, w, set, server.Database(b), n)
		bound.Tell(b, fmt.Sprintf("throughput: tasks with %d workers on PostgreSQL", n), "1/s", rate, 0)
	}
}

// measure works off tasks that are all there from the start.
func measure(b *testing.B, w *world.World, set *manifest.Set, o store.Options, workers int) float64 {
	b.Helper()
	db := storetest.Open(b, o)
	for i := range tasks {
		insert(b, db, w, set, i)
	}
	began := time.Now()
	var stops []func()
	for i := range workers {
		stops = append(stops, work(b, w, set, o, fmt.Sprintf("worker-%d-%d", workers, i)))
	}
	w.Until("all tasks have ended", func() bool {
		time.Sleep(50 * time.Millisecond) // asking costs the database something too
		ended, err := db.Tasks(b.Context(), store.TaskFilter{States: []task.State{task.NoChange}, Limit: tasks})
		return err == nil && len(ended) == tasks
	})
	took := time.Since(began)
	for _, stop := range stops {
		stop()
	}
	return tasks / took.Seconds()
}

func insert(b *testing.B, db *store.Store, w *world.World, set *manifest.Set, i int) {
	b.Helper()
	info := w.Forge.Info()
	id := task.NewID()
	t := task.Task{
		ID: id, State: task.Queued, Environment: "bench", Issue: 1, PolicyVersion: set.Version, BaseBranch: "main", TriggerKey: fmt.Sprintf("%s/%d", id, i),
		Repository: forge.RepositoryRef{Host: forge.GitHub, ID: fmt.Sprint(info.Repositories[0].ID), Owner: world.Owner, Name: world.Name},
		Requester:  forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: fmt.Sprint(info.Users[0].ID)}, Login: world.Developer, Kind: forge.Person},
		Snapshot:   task.Snapshot{Title: "Measured", Body: "Please."},
	}
	err := db.InTx(b.Context(), func(tx *store.Tx) error {
		if _, err := tx.InsertTask(b.Context(), t); err != nil {
			return err
		}
		return tx.Enqueue(b.Context(), queue.Job{Kind: queue.Advance, Key: string(id)})
	})
	if err != nil {
		b.Fatal(err)
	}
}

// rules are always the same.
type rules struct{ set *manifest.Set }

func (r rules) Manifests(context.Context) (*manifest.Set, error) { return r.set, nil }

// records is the store in the engine's words.
type records struct{ *store.Store }

func (r records) InTx(ctx context.Context, f func(engine.Tx) error) error {
	return r.Store.InTx(ctx, func(tx *store.Tx) error { return f(tx) })
}

func (r records) TaskLog(ctx context.Context, id task.ID) ([]audit.Entry, error) {
	return r.AuditEntries(ctx, store.AuditFilter{Task: string(id), Limit: 1000})
}

// work starts a worker and returns what stops it.
func work(b *testing.B, w *world.World, set *manifest.Set, o store.Options, name string) (stop func()) {
	b.Helper()
	db := storetest.Open(b, o)
	dir := filepath.Join(b.TempDir(), name)
	info := w.Forge.Info()
	key, err := os.ReadFile(info.PrivateKeyFile)
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	hub, err := github.New(github.Config{APIURL: info.APIURL, GraphQLURL: info.GraphQLURL, GitURL: info.GitURL, AppID: info.AppID, PrivateKey: key, Logger: log})
	if err != nil {
		b.Fatal(err)
	}
	git, err := gitops.New(gitops.Options{Dir: filepath.Join(dir, "git"), Committer: gitops.Identity{Name: "Bench", Email: "bench@example.com"}, AllowHTTPHosts: []string{strings.TrimPrefix(info.GitURL, "http://")}})
	if err != nil {
		b.Fatal(err)
	}
	e := engine.New(engine.Options{
		Store: records{db}, Forge: forge.Hosts{forge.GitHub: hub}, Git: git, Sandbox: instant{}, Models: closed{}, Secrets: none{},
		Manifests: rules{set}, Logger: log, Now: time.Now, Node: name, DataDir: dir, MaxRunning: 8,
		Self: node.Node{Name: name, StartedAt: time.Now()},
	})
	q, err := queue.New(queue.Options{
		DB: db.DB(), Dialect: db.Dialect(), Wake: db.Wake(), Logger: log, Node: name,
		Queues:   []string{queue.Anybody, queue.Workers, queue.NodeQueue(name)},
		Handlers: map[queue.Kind]queue.Handler{queue.Advance: e.Advance},
	})
	if err == nil {
		err = e.Beat(b.Context()) // before it takes anything: steps are sent to nodes that are known
	}
	if err == nil {
		err = q.Start(context.WithoutCancel(b.Context()))
	}
	if err != nil {
		b.Fatal(err)
	}
	doing, end := context.WithCancel(context.WithoutCancel(b.Context()))
	for interval, chore := range map[time.Duration]func(context.Context) error{
		time.Second: e.Schedule, engine.BeatInterval: e.Beat, 15 * time.Second: e.Sweep, // as often as the server does
	} {
		go every(doing, interval, chore, log)
	}
	return func() {
		end()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := q.Stop(ctx); err != nil {
			b.Error(err)
		}
	}
}

func every(ctx context.Context, interval time.Duration, chore func(context.Context) error, log *slog.Logger) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := chore(ctx); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "a chore failed", "error", err)
			}
		}
	}
}
