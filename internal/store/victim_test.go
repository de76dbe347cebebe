package store_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// victimEnv makes the test binary a process that writes and kills itself.
const victimEnv = "CODERFLOW_TEST_STORE_VICTIM"

// Where the victim kills itself.
const (
	afterCommit = "after the commit, before it could acknowledge"
	inside      = "inside a transaction"
)

// victim commits one task. Then it kills itself, or does so in the middle of a
// second transaction.
func victim(mode string) int {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{DSN: os.Getenv("DSN"), Path: os.Getenv("DB_PATH")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	write := func(id task.ID, kill bool) error {
		return s.InTx(ctx, func(tx *store.Tx) error {
			if err := writeTask(ctx, tx, id); err != nil {
				return err
			}
			if kill {
				die()
			}
			return nil
		})
	}
	if err := write("committed", false); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if mode == inside {
		err = write("uncommitted", true)
	}
	die()
	fmt.Fprintln(os.Stderr, "still alive:", err)
	return 1
}

func writeTask(ctx context.Context, tx *store.Tx, id task.ID) error {
	v := newTask()
	v.ID, v.TriggerKey = id, "comment:"+string(id)
	if _, err := tx.InsertTask(ctx, v); err != nil {
		return err
	}
	e, err := audit.New(time.Now(), audit.System, audit.TaskCreated, nil)
	if err != nil {
		return err
	}
	e.Task = string(id)
	if err := tx.Audit(ctx, e); err != nil {
		return err
	}
	return tx.Enqueue(ctx, advanceJob(id))
}

// die ends the process as a power cut would: nothing is flushed or closed.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // it does not return an error to the dead
	time.Sleep(time.Minute)
}

func TestFault02And30WhatWasCommittedSurvivesTheProcessAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{afterCommit, inside} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			storetest.EachOptions(t, func(t *testing.T, o store.Options) {
				before := storetest.Open(t, o)
				cmd := exec.CommandContext(t.Context(), os.Args[0])
				cmd.Env = append(os.Environ(), victimEnv+"="+mode, "DSN="+o.DSN, "DB_PATH="+o.Path)
				output, err := cmd.CombinedOutput()
				if err == nil || !strings.Contains(err.Error(), "killed") {
					t.Fatalf("the victim ended with %v: %s", err, output)
				}
				for _, s := range []*store.Store{before, storetest.Open(t, o)} {
					if got := contents(t, s, "committed"); got != (presence{task: true, jobs: 1, audit: 1}) {
						t.Errorf("what was committed: %+v", got)
					}
					if got := contents(t, s, "uncommitted"); got != (presence{jobs: 1}) {
						t.Errorf("what was not committed: %+v", got)
					}
				}
				// The redelivery finds it there.
				again := newTask()
				again.TriggerKey = "comment:committed"
				inTx(t, before, func(ctx context.Context, tx *store.Tx) error {
					fresh, err := tx.InsertTask(ctx, again)
					if fresh {
						t.Error("the same cause made a second task")
					}
					return err
				})
			})
		})
	}
}
