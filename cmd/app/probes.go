package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/web"
)

// What is too long: minutes for what takes a moment, so that a busy server is not called a
// broken one.
const (
	maxReady    = 5 * time.Minute  // for a job, while there is room to work it
	maxUnsigned = 10 * time.Minute // for an entry of the audit log
)

// jobQueue is how busy the queue of this process is.
type jobQueue interface{ Free() int }

func probes(db *store.Store, jobs jobQueue, runner *docker.Runner, hub forges, dataDir, guest string) []web.Probe {
	parts := slices.Concat([]web.Probe{{
		Name: "database", Check: db.Ping, Cause: "the database cannot be written to",
		Fix: "see the server's log; it goes on by itself once the database answers",
	}}, hub.probes(), []web.Probe{{
		Name: "disk", Check: func(context.Context) error { return roomIn(dataDir) }, Cause: "the data directory is full",
		Fix: "make room on its disk; nothing is lost, and what waits goes on by itself",
	}}, ownProbes(db, jobs))
	if runner == nil {
		return parts
	}
	return append(parts,
		web.Probe{Name: "docker", Check: runner.Ready, Cause: "the Docker engine does not answer", Fix: "start it or check docker.host"},
		web.Probe{
			Name: "guest", Check: func(context.Context) error { return guestThere(guest) }, Cause: "the guest helper is gone, so that no container can be started",
			Fix: "put coderflow-guest of the same version where sandbox.guest says, or beside the server's binary",
		})
}

// ownProbes are about CoderFlow's own work in the database.
func ownProbes(db *store.Store, jobs jobQueue) []web.Probe {
	return []web.Probe{
		{
			Name: "schema", Needs: "database", Check: func(ctx context.Context) error { return schemaFits(ctx, db) }, Cause: "the database's schema cannot be read",
			Fix: "run the version of CoderFlow that migrated the database; see docs/operations.md",
		},
		{
			Name: "queue", Needs: "database", Check: func(ctx context.Context) error { return jobsFlow(ctx, db, jobs) }, Cause: "the jobs cannot be looked at",
			Fix: "see the server's log, and restart it if it says nothing: each job looks first, so nothing is done twice",
		},
		{
			Name: "audit", Needs: "database", Check: func(ctx context.Context) error { return logSigned(ctx, db) }, Cause: "the audit log cannot be looked at",
			Fix: "the server's log says why it is not signed; `coderflow audit verify` examines it",
		},
	}
}

// leastRoom is how many bytes of the data directory's disk a server needs free to
// write down what it does.
const leastRoom = 32 << 20

func roomIn(dir string) error {
	var about syscall.Statfs_t
	if err := syscall.Statfs(dir, &about); err != nil {
		return fmt.Errorf("look at the disk of %s: %w", dir, err)
	}
	if free := about.Bavail * uint64(about.Bsize); free < leastRoom { //nolint:gosec // a block has a size above zero
		return fmt.Errorf("%s has %d MiB free, which is less than %d", dir, free>>20, leastRoom>>20)
	}
	return nil
}

func guestThere(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is no program", path)
	}
	return nil
}

func schemaFits(ctx context.Context, db *store.Store) error {
	found, known, err := db.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if found != known {
		return web.Unready(fmt.Sprintf("the database has schema version %d, and this program is made for %d", found, known))
	}
	return nil
}

// jobsFlow fails while a job waits long that this process could take. The jobs of a node
// are its own worker's, so the queue that all share says enough.
func jobsFlow(ctx context.Context, db *store.Store, jobs jobQueue) error {
	waits, err := queue.Waits(ctx, db.DB(), db.Dialect())
	if err != nil {
		return err
	}
	for _, w := range waits {
		if free := jobs.Free(); w.Queue == queue.Shared && w.Oldest > maxReady && free > 0 {
			return web.Unready(fmt.Sprintf("%d jobs are ready and not taken, the oldest for %s, while there is room for %d", w.Jobs, w.Oldest.Round(time.Minute), free))
		}
	}
	return nil
}

func logSigned(ctx context.Context, db *store.Store) error {
	a, err := db.AuditState(ctx)
	if err != nil {
		return err
	}
	if age := time.Since(a.UnsignedFrom); !a.UnsignedFrom.IsZero() && age > maxUnsigned {
		return web.Unready(fmt.Sprintf("%d entries of the audit log are not signed, the oldest for %s", a.Entries-a.Signed, age.Round(time.Minute)))
	}
	return nil
}
