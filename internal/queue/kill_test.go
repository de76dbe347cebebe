package queue_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// victimEnv makes the test binary a process that works jobs until it is killed.
const victimEnv = "CODERFLOW_TEST_QUEUE_VICTIM"

// node is the victim's name, and its successor's.
const node = "node-1"

// victim takes a job, says so and never finishes it.
func victim() int {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{DSN: os.Getenv("DSN"), Path: os.Getenv("DB_PATH")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	q, err := queue.New(queue.Options{
		DB: s.DB(), Dialect: s.Dialect(), Node: node, PollInterval: 20 * time.Millisecond,
		Handlers: handlers(func(_ context.Context, key string) error {
			fmt.Println("running", key)
			select {}
		}),
	})
	if err == nil {
		err = q.Start(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	select {}
}

func TestFault07AJobOfAKilledProcessRunsAgainAtTheNextStartOfItsNode(t *testing.T) {
	t.Parallel()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		s := storetest.Open(t, o)
		enqueue(t, s, advance("interrupted"))

		killWhileRunning(t, o)

		if n := count(t, s, "running"); n != 1 {
			t.Fatalf("%d jobs are left running, want 1", n)
		}
		var ran keys
		run(t, s, queue.Options{Node: node, Handlers: handlers(func(_ context.Context, key string) error {
			ran.add(key)
			return nil
		})})
		await(t, "the job to run again", func() bool { return ran.count("interrupted") == 1 })
		await(t, "completion", func() bool { return count(t, s, "completed") == 1 })
	})
}

// killWhileRunning starts a victim and kills it once its job runs.
func killWhileRunning(t *testing.T, o store.Options) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"=1", "DSN="+o.DSN, "DB_PATH="+o.Path)
	cmd.Stderr = os.Stderr
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	if !lines.Scan() || lines.Text() != "running interrupted" {
		t.Errorf("the victim said %q", lines.Text())
	}
	if err := cmd.Process.Kill(); err != nil { // SIGKILL
		t.Error(err)
	}
	_ = cmd.Wait() // "signal: killed"
}

func TestAJobThatKillsItsProcessEveryTimeIsGivenUp(t *testing.T) {
	t.Parallel()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		s := storetest.Open(t, o)
		enqueue(t, s, advance("interrupted"))

		killWhileRunning(t, o)

		discarded := make(chan error, 1)
		run(t, s, queue.Options{
			Node: node, MaxAttempts: 1,
			Handlers:  handlers(func(context.Context, string) error { return errors.New("ran again") }),
			OnDiscard: func(_ context.Context, _ queue.Job, err error) { discarded <- err },
		})
		select {
		case err := <-discarded:
			if err.Error() == "ran again" {
				t.Error("the job ran more often than it may")
			}
		case <-time.After(longEnough):
			t.Fatal("the job was not given up")
		}
	})
}
