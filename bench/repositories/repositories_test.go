// Package repositories measures what many repositories, and one with a long history, cost: the fetch of one new commit,
// and a round of reconciliation. (That the workspaces of a large repository are there as soon as those of a small one
// is measured in bench/sandbox.)
package repositories

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/bench/bound"
	"github.com/coderflow/coderflow/bench/world"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
)

const (
	repositories = 50
	commits      = 100_000
	files        = 100_000
	times        = 5
	// mostOverGit is beside a bare `git fetch` of the same.
	mostOverGit = 2
	// mostCalls is of one repository in one round of reconciliation.
	mostCalls = 8
	interval  = 5 * time.Second
	rounds    = 4
)

func BenchmarkRepositories(b *testing.B) {
	var more []string
	for i := range repositories - 1 {
		more = append(more, fmt.Sprintf("%s/small%02d", world.Owner, i))
	}
	w := world.New(b, world.Options{More: more, NoServer: true, Extra: fmt.Sprintf("reconcile: {interval: %s}\n", interval)})
	large := w.Forge.RepositoryDir(world.Repository)
	grow(b, large)
	fetches(b, w, large)
	reconciles(b, w)
}

// grow gives the repository a history, and a tree, of that size.
func grow(b *testing.B, dir string) {
	b.Helper()
	load := exec.Command("git", "-C", dir, "fast-import", "--quiet", "--force")
	input, err := load.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := load.Start(); err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriterSize(input, 1<<20)
	for i := range commits {
		fmt.Fprint(out, "commit refs/heads/main\n")
		fmt.Fprintf(out, "mark :%d\ncommitter Test <test@example.com> %d +0000\ndata 6\nchange\n", i+1, 1_600_000_000+i)
		if i == 0 {
			fmt.Fprint(out, "from refs/heads/main^0\n")
		}
		fmt.Fprintf(out, "M 100644 inline area%02d/package%02d/file%02d.txt\ndata 8\n%07d\n\n", i/10_000, i/100%100, i%100, i%files)
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := input.Close(); err != nil {
		b.Fatal(err)
	}
	if err := load.Wait(); err != nil {
		b.Fatal(err)
	}
}

func git(b *testing.B, arguments ...string) string {
	b.Helper()
	output, err := exec.Command("git", arguments...).CombinedOutput()
	if err != nil {
		b.Fatalf("git %v: %v: %s", arguments, err, output)
	}
	return strings.TrimSpace(string(output))
}

// commit puts one more commit on the branch, at the forge.
func commit(b *testing.B, dir string, n int) {
	b.Helper()
	made := git(b, "-C", dir, "-c", "user.name=Bench", "-c", "user.email=bench@example.com", "commit-tree", "-p", "main", "-m", fmt.Sprint("one more ", n), "main^{tree}")
	git(b, "-C", dir, "update-ref", "refs/heads/main", made)
}

func fetches(b *testing.B, w *world.World, dir string) {
	info := w.Forge.Info()
	host, err := gitops.New(gitops.Options{Dir: filepath.Join(b.TempDir(), "git"), Committer: gitops.Identity{Name: "Bench", Email: "bench@example.com"}, AllowHTTPHosts: []string{strings.TrimPrefix(info.GitURL, "http://")}})
	if err != nil {
		b.Fatal(err)
	}
	remote := gitops.Remote{
		Repository: forge.RepositoryRef{Host: forge.GitHub, ID: fmt.Sprint(info.Repositories[0].ID), Owner: world.Owner, Name: world.Name},
		URL:        info.GitURL + "/" + world.Repository + ".git",
		Token:      forge.Token{Value: forge.Secret(w.Forge.ClientFor(world.Developer))},
	}
	bare := filepath.Join(b.TempDir(), "bare.git")
	git(b, "init", "--quiet", "--bare", bare)
	from := strings.Replace(remote.URL, "://", "://"+world.Developer+":"+w.Forge.ClientFor(world.Developer)+"@", 1)
	fetch := func() time.Duration {
		began := time.Now()
		git(b, "-C", bare, "fetch", "--quiet", "--no-tags", from, "+refs/heads/main:refs/heads/main")
		return time.Since(began)
	}
	ours := func() time.Duration {
		began := time.Now()
		if _, err := host.Fetch(b.Context(), remote, "main"); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	bound.Tell(b, "repositories: first fetch of 100,000 commits and files", "ms", float64(ours().Milliseconds()), float64(fetch().Milliseconds()))
	var measured, floor bound.Times
	for n := range times {
		commit(b, dir, n)
		measured, floor = append(measured, ours()), append(floor, fetch())
	}
	bound.AtMost(b, "repositories: fetch of one new commit after 100,000", "ms", measured.Median(), floor.Median(), mostOverGit)
}

// reconciles counts what rounds of reconciliation ask of the forge and take of the processor, for each repository.
func reconciles(b *testing.B, w *world.World) {
	w.Start()
	time.Sleep(2 * interval)
	w.Calls.Take()
	before := w.Processor()
	time.Sleep(rounds * interval)
	const each = rounds * repositories
	bound.Below(b, "repositories: calls of a reconciliation for each of 50", "", float64(len(w.Calls.Take()))/each, mostCalls)
	bound.Tell(b, "repositories: processor time of a reconciliation for each of 50", "ms", (w.Processor()-before)*1000/each, 0)
}
