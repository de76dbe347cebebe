package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// former is what takes a database back to the schema before the newest steps: all that they
// added, and the jobs where that version looks for them.
var former = []string{
	"DROP TABLE proposal_pack_chunks", "DROP TABLE proposal_packs", "DROP TABLE nodes",
	"UPDATE river_job SET queue = 'default' WHERE queue <> 'default'",
	"DELETE FROM schema_versions WHERE version > 25",
}

// A server is upgraded while an agent runs, a proposal waits, and an approved change is about
// to be pushed: each ends as if nothing had happened, on both databases. With TEST_FORMER, a
// built coderflow of the version before with its guest helper beside it, that program does what comes before.
func TestAnUpgradeLosesNoTaskInFlight(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(*testing.T) string { return "" },
		"postgres": func(t *testing.T) string { return "\ndatabase: " + storetest.EmptyPostgres(t).DSN },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStoppedWorld(t, withExtra(looksOften+"\nworker: {concurrency: 3}"+database(t)), withAgent(untilReleased+"\n"+quickAgent))
			w.former = os.Getenv("TEST_FORMER")
			w.start()
			running, waiting, approved := w.inFlight()
			w.former = ""
			if os.Getenv("TEST_FORMER") == "" {
				w.takeBack()
			}
			w.start()
			w.releaseAgent(running)
			ends := []task.Task{w.taskOf(running.Issue, task.Proposed), waiting}
			for _, p := range ends {
				w.approve(tom, p.PullRequest, "/coderflow deploy publish")
			}
			for _, p := range append(ends, approved) {
				done := w.taskOf(p.Issue, task.Done)
				w.landedExactly(done)
				w.auditHas(done.ID, map[audit.Action]int{audit.TaskCreated: 1, audit.ContainerStarted: 1, audit.PushIntent: 1, audit.PushDone: 1, audit.DeployIntent: 1, audit.DeployEnded: 1})
			}
			w.packed(waiting)
		})
	}
}

// inFlight are a task whose agent runs, a proposal, and an approved task, when the server is
// gone that was about to push its commit.
func (w *world) inFlight() (running, waiting, approved task.Task) {
	w.t.Helper()
	propose := func() task.Task {
		t := w.taskOf(w.run(maria).Number, task.Running)
		w.releaseAgent(t)
		return w.taskOf(t.Issue, task.Proposed)
	}
	waiting, approved = propose(), propose()
	running = w.taskOf(w.run(maria).Number, task.Running)
	w.server.kill()
	w.start("CODERFLOW_FAILPOINT=push-intended")
	w.approve(tom, approved.PullRequest, "/coderflow deploy publish")
	w.awaitDeath()
	return running, waiting, approved
}

// takeBack makes the database what the version before left.
func (w *world) takeBack() {
	w.t.Helper()
	cfg, err := (configFlag{Config: w.in.config}).load()
	if err != nil {
		w.t.Fatal(err)
	}
	driver, dsn := "sqlite", "file:"+filepath.Join(w.dir, "data", "coderflow.db")+"?_pragma=foreign_keys(0)"
	if cfg.Database.Postgres {
		driver, dsn = "pgx", cfg.Database.DSN.Reveal()
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // each statement told
	for _, statement := range former {
		if _, err := db.ExecContext(w.t.Context(), statement); err != nil {
			w.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// packed waits until the objects of a proposal from before are in the database.
func (w *world) packed(proposed task.Task) {
	w.t.Helper()
	w.wait("the objects of a proposal from before", func(ctx context.Context) (bool, error) {
		left, err := w.db().ProposalsWithoutPack(ctx)
		return len(left[proposed.ID]) == 0, err
	})
}
