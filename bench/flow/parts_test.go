package flow

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/client"
	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/bench/world"
)

// parts does by itself what a task is made of.
type parts struct {
	b      *testing.B
	w      *world.World
	engine *client.Client
	dir    string // a bare clone
	pushed int
}

func newParts(b *testing.B, w *world.World) *parts {
	b.Helper()
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		b.Fatal(err)
	}
	p := &parts{b: b, w: w, engine: engine, dir: filepath.Join(w.Dir, "bare.git")}
	b.Cleanup(func() { _ = engine.Close() })
	p.git("clone", "--quiet", "--bare", p.remote(), p.dir)
	return p
}

// remote is the repository with a person's token.
func (p *parts) remote() string {
	scheme, rest, _ := strings.Cut(p.w.Forge.Info().GitURL, "://")
	return scheme + "://" + world.Developer + ":" + p.w.Forge.ClientFor(world.Developer) + "@" + rest + "/" + world.Repository + ".git"
}

func (p *parts) git(arguments ...string) string {
	p.b.Helper()
	output, err := exec.Command("git", arguments...).CombinedOutput()
	if err != nil {
		p.b.Fatalf("git %v: %v: %s", arguments, err, output)
	}
	return strings.TrimSpace(string(output))
}

func (p *parts) fetch() time.Duration {
	p.b.Helper()
	began := time.Now()
	p.git("-C", p.dir, "fetch", "--quiet", p.remote(), "+refs/heads/main:refs/heads/main")
	return time.Since(began)
}

// push makes a commit and pushes it: to a new branch, or with a lease over the last one's, which has a pull request by
// then, as what an approval pushes goes to.
func (p *parts) push(again string) time.Duration {
	p.b.Helper()
	lease, old := "", "main"
	if again == "" {
		p.pushed++
	} else {
		old = p.git("-C", p.dir, "rev-parse", "last")
		lease = old
	}
	branch := "refs/heads/" + p.branch()
	began := time.Now()
	commit := p.git("-C", p.dir, "-c", "user.name=Bench", "-c", "user.email=bench@example.com", "commit-tree", "-p", "main", "-m", fmt.Sprint(again, p.pushed), "main^{tree}")
	p.git("-C", p.dir, "push", "--quiet", "--force-with-lease="+branch+":"+lease, p.remote(), commit+":"+branch)
	took := time.Since(began)
	p.git("-C", p.dir, "update-ref", "refs/heads/last", commit)
	return took
}

func (p *parts) branch() string { return fmt.Sprintf("bare-%d", p.pushed) }

// calls reads from the forge's API as often as CoderFlow called it, and opens a pull request where it opened one.
func (p *parts) calls(calls []string) time.Duration {
	p.b.Helper()
	base, err := url.Parse(p.w.Forge.Info().BaseURL)
	if err != nil {
		p.b.Fatal(err)
	}
	began := time.Now()
	for _, path := range gets(calls) {
		if path == opens {
			p.open()
			continue
		}
		address := *base
		address.Path = path
		r, err := http.NewRequest(http.MethodGet, address.String(), nil)
		if err != nil {
			p.b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+p.w.Forge.ClientFor(world.Developer))
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			p.b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
	took := time.Since(began)
	p.w.Quiet()
	p.w.Calls.Take()
	return took
}

// open opens a draft pull request from the last branch.
func (p *parts) open() {
	p.b.Helper()
	title, head, base, draft := "Bare", p.branch(), "main", true
	_, _, err := p.w.As(world.Developer).PullRequests.Create(context.Background(), world.Owner, world.Name,
		&gh.NewPullRequest{Title: &title, Head: &head, Base: &base, Draft: &draft})
	if err != nil {
		p.b.Fatal(err)
	}
}

// container runs what the agent ran in a container with the settings of the last task's, and reads its output. It has
// none of CoderFlow's mounts and not its pid 1.
func (p *parts) container() time.Duration {
	p.b.Helper()
	ctx := context.Background()
	found, err := p.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", "dev.coderflow.instance="+p.w.Node()), filters.Arg("name", "coderflow-task-"))})
	if err != nil || len(found) == 0 {
		p.b.Fatalf("find the container of a task: %v, %d", err, len(found))
	}
	model, err := p.engine.ContainerInspect(ctx, found[0].ID)
	if err != nil {
		p.b.Fatal(err)
	}
	config, host := *model.Config, *model.HostConfig
	config.Entrypoint, config.Cmd, config.WorkingDir = []string{"/bin/sh", "-c", "cd /tmp; " + world.OneLine}, nil, "/tmp"
	host.Mounts = []mount.Mount{}
	began := time.Now()
	made, err := p.engine.ContainerCreate(ctx, &config, &host, nil, nil, "")
	if err != nil {
		p.b.Fatal(err)
	}
	if err := p.engine.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		p.b.Fatal(err)
	}
	ended, failed := p.engine.ContainerWait(ctx, made.ID, container.WaitConditionNotRunning)
	select {
	case <-ended:
	case err := <-failed:
		p.b.Fatal(err)
	}
	output, err := p.engine.ContainerLogs(ctx, made.ID, container.LogsOptions{ShowStdout: true})
	if err != nil {
		p.b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, output)
	_ = output.Close()
	took := time.Since(began)
	if err := p.engine.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true}); err != nil {
		p.b.Fatal(err)
	}
	return took
}
