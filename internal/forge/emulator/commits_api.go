package emulator

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// getCommit answers with the commit and its files, or with the diff or bare id that Accept names.
// commitParts are what GitHub has below a commit and the route of commits would take for the end of a ref.
var commitParts = []string{"branches-where-head", "check-runs", "check-suites", "comments", "pulls", "status", "statuses"}

func (c *call) getCommit() (response, error) {
	sha := c.f.git.resolve(c.repo, c.vars["ref"])
	if sha == "" {
		if part := path.Base(c.vars["ref"]); slices.Contains(commitParts, part) {
			return response{}, unsupported("GET %s/commits/{ref}/%s", inRepo, part)
		}
		return response{}, failure(http.StatusUnprocessableEntity, "No commit found for SHA: %s", c.vars["ref"])
	}
	list, err := c.f.commits(c.repo, []string{sha})
	if err != nil || len(list) == 0 {
		return response{}, fmt.Errorf("reading commit %s: %w", sha, err)
	}
	text, files, err := c.f.changedBy(c.repo, list[0])
	if err != nil {
		return response{}, err
	}
	switch accept := c.r.Header.Get("Accept"); {
	case strings.Contains(accept, ".sha"):
		return response{status: http.StatusOK, raw: []byte(sha), mime: accept}, nil
	case strings.Contains(accept, ".diff"):
		return response{status: http.StatusOK, raw: []byte(text), mime: accept}, nil
	}
	additions, deletions := 0, 0
	for _, file := range files {
		additions, deletions = additions+file.additions, deletions+file.deletions
	}
	page, _ := c.page(c.f.filesJSON(c.repo, sha, files))
	return ok(c.f.commitJSON(c.repo, list[0]).with(obj{"files": page,
		"stats": obj{"additions": additions, "deletions": deletions, "total": additions + deletions}}))
}

// changedBy is what differs from the commit's first parent.
func (f *Forge) changedBy(r *repository, c commitInfo) (string, []fileDiff, error) {
	from := emptyTree
	if len(c.parents) > 0 {
		from = c.parents[0]
	}
	return f.diffTrees(r, from, c.sha)
}

const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

func (c *call) listCommits() (response, error) {
	start := c.query.Get("sha")
	if start == "" {
		start = c.repo.defaultBranch
	}
	sha := c.f.git.resolve(c.repo, start)
	switch {
	case sha == "" && c.f.git.branch(c.repo, c.repo.defaultBranch) == "":
		return response{}, failure(http.StatusConflict, "Git Repository is empty.")
	case sha == "":
		return response{}, notFound()
	}
	args := []string{"rev-list", "--max-count=1000"}
	for _, name := range []string{"since", "until"} {
		if v := c.query.Get(name); v != "" {
			t, err := time.Parse(time.RFC3339, v)
			if err != nil {
				return response{}, failure(http.StatusUnprocessableEntity, "%s is not a date", name)
			}
			args = append(args, fmt.Sprintf("--%s=%d", name, t.Unix()))
		}
	}
	args = append(args, sha, "--")
	if p := c.query.Get("path"); p != "" {
		args = append(args, ":(literal)"+p)
	}
	out, err := c.f.git.in(c.repo, args...)
	if err != nil {
		return response{}, err
	}
	commits, err := c.f.commitsJSON(c.repo, strings.Fields(out))
	if err != nil {
		return response{}, err
	}
	return pages(commits)
}

func (c *call) compareCommits() (response, error) {
	left, right, found := strings.Cut(c.vars["basehead"], "...")
	if !found {
		return response{}, notFound()
	}
	base, head := c.f.git.resolve(c.repo, left), c.f.git.resolve(c.repo, right)
	if base == "" || head == "" {
		return response{}, notFound()
	}
	cmp, err := c.f.compare(c.repo, base, head)
	if err != nil {
		return response{}, failure(http.StatusNotFound, "No common ancestor between %s and %s.", left, right)
	}
	if accept := c.r.Header.Get("Accept"); strings.Contains(accept, ".diff") {
		return response{status: http.StatusOK, raw: []byte(cmp.diff), mime: accept}, nil
	}
	ends, err := c.f.commitsJSON(c.repo, []string{base, cmp.mergeBase})
	if err != nil || len(ends) < 1 {
		return response{}, fmt.Errorf("reading ends of a comparison: %w", err)
	}
	commits, err := c.f.commitsJSON(c.repo, cmp.commits)
	if err != nil {
		return response{}, err
	}
	self := c.f.repoURL(c.repo, "/compare/"+pathEscape(c.vars["basehead"]))
	html := c.f.base + "/" + c.repo.fullName() + "/compare/" + pathEscape(c.vars["basehead"])
	page, _ := c.page(commits)
	return ok(obj{"url": self, "html_url": html, "permalink_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch",
		"base_commit": ends[0], "merge_base_commit": ends[len(ends)-1], "status": comparisonStatus(cmp),
		"ahead_by": len(cmp.commits), "behind_by": cmp.behind, "total_commits": len(cmp.commits),
		"commits": page, "files": c.f.filesJSON(c.repo, head, cmp.files[:min(len(cmp.files), 300)])})
}

func comparisonStatus(c *comparison) string {
	switch {
	case c.behind > 0 && len(c.commits) > 0:
		return "diverged"
	case c.behind > 0:
		return "behind"
	case len(c.commits) > 0:
		return "ahead"
	default:
		return "identical"
	}
}
