package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// TestSoakNothingIsLostOrDoubled has many tasks on their way while the server, the
// forge and, in `make soak`, a Docker engine of its own are killed at random moments.
// TEST_SOAK says how long, as "10m"; without it there is one short round, on the
// machine's engine, which is left alone. TEST_SEED repeats the moments of a run.
func TestSoakNothingIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	s := newSoak(t)
	for round := 1; ; round++ {
		s.round(round)
		if time.Now().After(s.until) || t.Failed() {
			break
		}
	}
	s.k.stop()
	if out, said, err := s.w.cli("audit", "verify", "-c", s.w.in.config); err != nil {
		t.Errorf("the audit log: %v: %s%s", err, out, said)
	}
	t.Logf("seed %d: %d tasks landed, %d retried, kills: server %d, forge %d, engine %d; nothing was lost or doubled",
		s.seed, s.landed, s.retried, s.k.kills.Load(), s.forgeKills, s.engineKills)
}

type soak struct {
	w      *world
	k      *keeper
	engine *ownEngine // nil: the machine's, which is left alone
	seed   int64
	random *rand.Rand
	until  time.Time
	atOnce int
	most   int // kills in a round

	people                  sync.RWMutex // nobody acts at a forge that is down
	landed, retried         int
	forgeKills, engineKills int
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{seed: time.Now().UnixNano(), atOnce: 3, most: 8}
	var environment []string
	if text := os.Getenv("TEST_SEED"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatalf("TEST_SEED=%q: %v", text, err)
		}
		s.seed = n
	}
	t.Logf("the moments of the kills are drawn with TEST_SEED=%d", s.seed)
	s.random = rand.New(rand.NewPCG(uint64(s.seed), 30)) //nolint:gosec // when to kill is no secret
	s.w = newStoppedWorld(t, withExtra(looksOften), withAgent("sleep 1\necho \"agent $(cat /proc/sys/kernel/random/uuid)\"\n"+quickAgent), withScript(once("deployment")))
	if text := os.Getenv("TEST_SOAK"); text != "" {
		length, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("TEST_SOAK=%q: %v", text, err)
		}
		s.until, s.atOnce, s.most = time.Now().Add(length), 8, 30
		s.engine = newOwnEngine(t, s.w)
		environment = append(environment, "CODERFLOW_DOCKER_HOST="+s.engine.host())
	}
	s.k = s.w.keep(share{}, environment...)
	return s
}

// act does what a person does, at a forge that is up.
func (s *soak) act(f func()) {
	s.people.RLock()
	defer s.people.RUnlock()
	f()
}

// round takes some tasks from the comment to the deployment.
func (s *soak) round(n int) {
	w, db := s.w, s.w.db()
	var issues []int
	for range s.atOnce {
		s.act(func() { issues = append(issues, w.run(maria).Number) })
	}
	stop := s.killAll()
	defer stop()
	approved, again := map[int]bool{}, map[task.ID]bool{}
	err := until(w.t.Context(), 10*time.Minute, fmt.Sprintf("the tasks of round %d", n), func(ctx context.Context) (bool, error) {
		done := 0
		for _, issue := range issues {
			newest, err := s.newest(ctx, db, issue)
			switch {
			case err != nil:
				return false, err
			case newest.State == task.Proposed && !approved[newest.PullRequest]:
				approved[newest.PullRequest] = true
				s.act(func() { w.approve(tom, newest.PullRequest, "/coderflow deploy publish") })
			case newest.State == task.Failed && s.engine != nil && newest.Reported == newest.State && !again[newest.ID]:
				// The engine took the container with it, and the task says so.
				s.retried++
				again[newest.ID] = true
				s.act(func() { w.say(maria, forge.IssueTopic(issue), "/coderflow retry") })
			case newest.State == task.Done:
				done++
			case newest.State.Ended() && newest.State != task.Failed:
				return false, fmt.Errorf("the task of issue %d is %s: %s", issue, newest.State, newest.Failure)
			}
		}
		return done == len(issues), nil
	})
	stop()
	if err != nil {
		w.t.Fatal(err)
	}
	w.redeliverAll()
	for _, issue := range issues {
		s.once(issue)
	}
}

func (s *soak) newest(ctx context.Context, db *store.Store, issue int) (task.Task, error) {
	tasks, err := db.Tasks(ctx, store.TaskFilter{Limit: 1000})
	if err != nil {
		return task.Task{}, err
	}
	i := slices.IndexFunc(tasks, func(t task.Task) bool { return t.Issue == issue }) // newest first
	if i < 0 {
		return task.Task{State: task.Queued}, nil // nobody heard of it yet
	}
	return tasks[i], nil
}

// once proves that what happened to an issue happened once.
func (s *soak) once(issue int) {
	w := s.w
	w.t.Helper()
	tasks := w.tasksOf(issue)
	done := tasks[slices.IndexFunc(tasks, func(t task.Task) bool { return t.State == task.Done })]
	s.landed++
	w.landedExactly(done)
	runs, err := w.db().DeployRuns(w.t.Context(), done.ID)
	if err != nil || len(runs) != 1 {
		w.t.Fatalf("task %s: %d deployments: %v", done.ID, len(runs), err)
	}
	if starts := strings.Count(w.output("deploy/"+runs[0].ID), "deployment "); starts > 1 || starts == 0 && runs[0].State == deploy.Succeeded {
		w.t.Errorf("deployment %s, which is %s, ran %d times", runs[0].ID, runs[0].State, starts)
	}
	if starts := strings.Count(w.output("task/"+string(done.ID)), "agent "); starts != 1 {
		w.t.Errorf("the agent of task %s ran %d times", done.ID, starts)
	}
	w.auditHas(done.ID, map[audit.Action]int{
		audit.TaskCreated: 1, audit.ContainerStarted: 1, audit.ContainerEnded: 1, audit.ProposalRecorded: 1, audit.ProposalPublished: 1,
		audit.ApprovalRecorded: 1, audit.PushIntent: 1, audit.PushDone: 1, audit.DeployIntent: 1, audit.DeployEnded: 1,
	})
}

// killAll kills one of the parts after another, until it is stopped.
func (s *soak) killAll() (stop func()) {
	ctx, cancel := context.WithCancel(s.w.t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		for range s.most {
			pause := time.Duration(s.random.Int64N(int64(4 * time.Second)))
			which := s.random.IntN(6)
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if err := s.kill(which); err != nil {
				s.w.t.Errorf("kill: %v", err)
				return
			}
		}
	})
	return sync.OnceFunc(func() { cancel(); work.Wait() })
}

func (s *soak) kill(which int) error {
	switch {
	case which == 0 && s.engine != nil:
		s.engineKills++
		return s.engine.restart()
	case which <= 2:
		s.people.Lock()
		defer s.people.Unlock()
		s.forgeKills++
		if err := s.w.hub.Crash(); err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond)
		return s.w.hub.Restart(context.Background())
	}
	return s.k.kill()
}
