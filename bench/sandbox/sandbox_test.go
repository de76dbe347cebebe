package sandbox

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/coderflow/coderflow/bench/bound"
	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// The targets, and how often each thing is measured.
const (
	mostOverBare    = 1.25
	mostStartGrowth = 1.2
	mostReadGrowth  = 1.5
	leastOverGit    = 5
	times           = 9

	fewFiles, manyFiles = 1_000, 100_000
)

// now is a program whose first act is to say what time it is.
var now = []string{"/bin/date", "+%s%N"}

// BenchmarkStart measures the time from the "run" step, with a warm base, to the agent's first instruction.
func BenchmarkStart(b *testing.B) {
	world := dockertest.New(b)
	few, many := generated(b, fewFiles), generated(b, manyFiles)
	warm(b, world, few)
	warm(b, world, many)
	var bare, small, large []time.Duration
	bareStart(b, world, few) // the engine's caches
	for range times {
		bare = append(bare, bareStart(b, world, few))
		small = append(small, taskStart(b, world, few))
		large = append(large, taskStart(b, world, many))
	}
	report(b, "bare-ms", bare)
	report(b, "start-ms", small)
	report(b, "start-100k-ms", large)
	bound.AtMost(b, "sandbox: start of an agent beside a bare container", "ms", median(small), median(bare), mostOverBare)
	bound.AtMost(b, "sandbox: the same with 100,000 files", "ms", median(large), median(bare), mostOverBare)
	bound.AtMost(b, "sandbox: start with 100,000 files beside 1,000", "ms", median(large), median(small), mostStartGrowth)
}

// taskStart takes a task from nothing but its base to its first instruction.
func taskStart(b *testing.B, world *dockertest.World, repository dockertest.Repository) time.Duration {
	b.Helper()
	defer remove(b, world, "task")
	began := time.Now()
	prepare(b, world, repository, "task")
	if _, err := world.Start(world.Context(b), spec("task", now...)); err != nil {
		b.Fatal(err)
	}
	if _, err := world.Wait(world.Context(b), "task"); err != nil {
		b.Fatal(err)
	}
	return said(b, world.Output(b, "task")).Sub(began)
}

// bareStart creates and starts a container of the same image and settings, without CoderFlow's mounts and pid 1.
func bareStart(b *testing.B, world *dockertest.World, repository dockertest.Repository) time.Duration {
	b.Helper()
	ctx := world.Context(b)
	prepare(b, world, repository, "model")
	defer remove(b, world, "model")
	if _, err := world.Create(ctx, spec("model", now...)); err != nil {
		b.Fatal(err)
	}
	model, err := world.Engine.ContainerInspect(ctx, world.EngineName("model"))
	if err != nil {
		b.Fatal(err)
	}
	config, host := *model.Config, *model.HostConfig
	config.Entrypoint, config.WorkingDir = now, guestproto.Tmp
	host.Mounts = []mount.Mount{}
	name := world.EngineName("bare")
	began := time.Now()
	made, err := world.Engine.ContainerCreate(ctx, &config, &host, nil, nil, name)
	if err != nil {
		b.Fatal(err)
	}
	if err := world.Engine.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		b.Fatal(err)
	}
	ended, failed := world.Engine.ContainerWait(ctx, made.ID, container.WaitConditionNotRunning)
	select {
	case <-ended:
	case err := <-failed:
		b.Fatal(err)
	}
	// Its pid 1 writes to the log directly, which is what Output reads.
	first := said(b, world.Output(b, "bare"))
	if err := world.Engine.ContainerRemove(context.WithoutCancel(ctx), made.ID, container.RemoveOptions{Force: true}); err != nil {
		b.Fatal(err)
	}
	return first.Sub(began)
}

// said reads what now has printed.
func said(b *testing.B, output string) time.Time {
	b.Helper()
	nanoseconds, err := strconv.ParseInt(strings.TrimSpace(output), 10, 64)
	if err != nil {
		b.Fatalf("the time is %q: %v", output, err)
	}
	return time.Unix(0, nanoseconds)
}

// BenchmarkCollect measures the collecting of ten changed files, and what git takes to find them in the same tree: as
// a whole, with the container that each of them runs in, and what their processes take in it.
func BenchmarkCollect(b *testing.B) {
	world := dockertest.New(b)
	few, many := generated(b, fewFiles), generated(b, manyFiles)
	change(b, world, few, "few", fewFiles)
	change(b, world, many, "many", manyFiles)
	var small, large, own, gitWhole, gitOwn []time.Duration
	for range times {
		whole, _ := collect(b, world, "few")
		small = append(small, whole)
		whole, alone := collect(b, world, "many")
		large, own = append(large, whole), append(own, alone)
		whole, alone = addAndWriteTree(b, world)
		gitWhole, gitOwn = append(gitWhole, whole), append(gitOwn, alone)
	}
	report(b, "collect-ms", small)
	report(b, "collect-100k-ms", large)
	report(b, "collector-100k-ms", own)
	report(b, "git-100k-ms", gitOwn)
	report(b, "git-container-100k-ms", gitWhole)
	b.ReportMetric(ratio(gitWhole, large), "git-container/collect-100k")
	bound.AtMost(b, "sandbox: collection of 10 changes in 100,000 files beside 1,000", "ms", median(large), median(small), mostReadGrowth)
	bound.AtLeast(b, "sandbox: git add and write-tree beside the collector", "ms", median(gitOwn), median(own), leastOverGit)
}

// change makes a workspace in which ten files differ.
func change(b *testing.B, world *dockertest.World, repository dockertest.Repository, name string, files int) {
	b.Helper()
	prepare(b, world, repository, name)
	var script strings.Builder
	for i := range 10 {
		script.WriteString("echo changed >> " + path(i*files/10) + "\n")
	}
	world.Run(b, spec(name, "/bin/sh", "-ec", script.String()))
}

// collect returns what it takes until the last record is there, and how long the collector ran for it.
func collect(b *testing.B, world *dockertest.World, volume string) (whole, own time.Duration) {
	b.Helper()
	began := time.Now()
	collection, err := world.Collect(world.Context(b), sandbox.CollectSpec{
		Volume: volume, Image: dockertest.Image, Limits: guestproto.DefaultLimits(),
	})
	if err != nil {
		b.Fatal(err)
	}
	records := 0
	for ; err == nil; records++ {
		_, err = collection.Next()
	}
	whole = time.Since(began)
	if records--; !errors.Is(err, io.EOF) || records != 10 {
		b.Fatalf("%d records, %v", records, err)
	}
	own = lifetime(b, world, "collect-"+volume)
	if err := collection.Close(); err != nil {
		b.Fatal(err)
	}
	return whole, own
}

// lifetime is how long the process of a container ran, as the engine saw it.
func lifetime(b *testing.B, world *dockertest.World, name string) time.Duration {
	b.Helper()
	for {
		found, err := world.Engine.ContainerInspect(world.Context(b), world.EngineName(name))
		if err != nil {
			b.Fatal(err)
		}
		if !found.State.Running {
			return stamp(b, found.State.FinishedAt).Sub(stamp(b, found.State.StartedAt))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func stamp(b *testing.B, text string) time.Time {
	b.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		b.Fatal(err)
	}
	return at
}

// addAndWriteTree does what is compared with in a container of the same kind, over a throwaway copy of the same tree,
// so that each time is the first. The second time is that of git alone.
func addAndWriteTree(b *testing.B, world *dockertest.World) (whole, own time.Duration) {
	b.Helper()
	ctx := world.Context(b)
	task := spec("git", "/bin/sh", "-ec", "date +%s%N; git add -A; git write-tree > /tmp/tree; date +%s%N")
	if err := world.CopyWorkspace(ctx, "many", "git", task.Labels); err != nil {
		b.Fatal(err)
	}
	defer remove(b, world, "git")
	began := time.Now()
	world.Run(b, task)
	whole = time.Since(began)
	first, second, _ := strings.Cut(world.Output(b, "git"), "\n")
	return whole, said(b, second).Sub(said(b, first))
}

func median(all []time.Duration) float64 { return bound.Times(all).Median() }

func ratio(a, b []time.Duration) float64 { return median(a) / median(b) }

func report(b *testing.B, unit string, all []time.Duration) {
	b.ReportMetric(median(all), unit)
	b.ReportMetric(0, "ns/op")
}
