package emulator

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (c *call) getRepo() (response, error) {
	return ok(c.f.fullRepoJSON(c.repo, c.ownLevel()))
}

// ownLevel is the caller's access; an installation's follows its contents permission.
func (c *call) ownLevel() int {
	if c.who.token == nil {
		return c.repo.level(c.who.user)
	}
	if c.who.token.allows(c.repo, "contents", "write") {
		return levelWrite
	}
	return levelRead
}

// listBranches reads the real refs.
func (c *call) listBranches() (response, error) {
	refs, err := c.f.refs(c.repo, "refs/heads")
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, ref := range refs {
		name := strings.TrimPrefix(ref.name, "refs/heads/")
		protected := c.repo.protections[name] != nil
		if want := c.query.Get("protected"); want != "" && want != strconv.FormatBool(protected) {
			continue
		}
		out = append(out, obj{"name": name, "commit": obj{"sha": ref.sha, "url": c.f.repoURL(c.repo, "/commits/"+ref.sha)}, "protected": protected})
	}
	return pages(out)
}

func (c *call) getBranch() (response, error) {
	name := c.vars["branch"]
	sha := c.f.git.branch(c.repo, name)
	if sha == "" {
		return response{}, failure(http.StatusNotFound, "Branch not found")
	}
	commits, err := c.f.commitsJSON(c.repo, []string{sha})
	if err != nil {
		return response{}, err
	}
	self := c.f.repoURL(c.repo, "/branches/"+pathEscape(name))
	p := c.repo.protections[name]
	checks := obj{"enforcement_level": "off", "contexts": []string{}, "checks": []obj{}}
	if p != nil {
		checks = obj{"enforcement_level": "non_admins", "contexts": contexts(p), "checks": checksJSON(p)}
	}
	return ok(obj{"name": name, "commit": commits[0], "protected": p != nil, "protection_url": self + "/protection",
		"_links":     obj{"self": self, "html": c.f.base + "/" + c.repo.fullName() + "/tree/" + escapePath(name)},
		"protection": obj{"enabled": p != nil, "required_status_checks": checks}})
}

type refInfo struct{ name, sha, kind string }

// refs lists refs below a prefix, without those of pull requests.
func (f *Forge) refs(r *repository, prefix string) ([]refInfo, error) {
	out, err := f.git.in(r, "for-each-ref", "--format=%(refname) %(objectname) %(objecttype)")
	if err != nil {
		return nil, err
	}
	found := []refInfo{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) == 3 && strings.HasPrefix(fields[0], prefix) && !strings.HasPrefix(fields[0], "refs/pull/") {
			found = append(found, refInfo{fields[0], fields[1], fields[2]})
		}
	}
	return found, nil
}

func (f *Forge) refJSON(r *repository, ref refInfo) obj {
	return obj{"ref": ref.name, "node_id": "REF_" + base64.RawURLEncoding.EncodeToString([]byte(str(r.id)+":"+ref.name)),
		"url":    f.repoURL(r, "/git/"+escapePath(ref.name)),
		"object": obj{"type": ref.kind, "sha": ref.sha, "url": f.repoURL(r, "/git/"+ref.kind+"s/"+ref.sha)}}
}

func (c *call) getRef() (response, error) {
	want := "refs/" + c.vars["ref"]
	refs, err := c.f.refs(c.repo, want)
	if err != nil {
		return response{}, err
	}
	for _, ref := range refs {
		if ref.name == want {
			return ok(c.f.refJSON(c.repo, ref))
		}
	}
	return response{}, notFound()
}

func (c *call) matchingRefs() (response, error) {
	refs, err := c.f.refs(c.repo, "refs/"+c.vars["ref"])
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, ref := range refs {
		out = append(out, c.f.refJSON(c.repo, ref))
	}
	return pages(out)
}

func (c *call) createRef() (response, error) {
	var in struct {
		Ref string `json:"ref"`
		SHA string `json:"sha"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if _, err := c.f.git.in(c.repo, "check-ref-format", in.Ref); err != nil || !strings.HasPrefix(in.Ref, "refs/") || strings.Count(in.Ref, "/") < 2 {
		return response{}, failure(http.StatusUnprocessableEntity, "%s is not a valid ref name.", in.Ref)
	}
	if !shaPattern.MatchString(in.SHA) || c.f.git.resolve(c.repo, in.SHA) == "" {
		return response{}, failure(http.StatusUnprocessableEntity, "Object does not exist")
	}
	if refs, err := c.f.refs(c.repo, in.Ref); err != nil || slices.ContainsFunc(refs, func(r refInfo) bool { return r.name == in.Ref }) {
		return response{}, failure(http.StatusUnprocessableEntity, "Reference already exists")
	}
	if err := c.f.updateRef(c.repo, c.who, in.Ref, zeroSHA, in.SHA); err != nil {
		return response{}, err
	}
	return created(c.f.refJSON(c.repo, refInfo{in.Ref, in.SHA, "commit"}))
}

func (c *call) patchRef() (response, error) {
	var in struct {
		SHA   string `json:"sha"`
		Force bool   `json:"force"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	ref := "refs/" + c.vars["ref"]
	old, err := c.f.git.line(c.repo, "rev-parse", "--verify", "--quiet", "--end-of-options", ref)
	if err != nil {
		return response{}, failure(http.StatusUnprocessableEntity, "Reference does not exist")
	}
	if !shaPattern.MatchString(in.SHA) || c.f.git.resolve(c.repo, in.SHA) == "" {
		return response{}, failure(http.StatusUnprocessableEntity, "Object does not exist")
	}
	if !in.Force && !c.f.git.isAncestor(c.repo, old, in.SHA) {
		return response{}, failure(http.StatusUnprocessableEntity, "Update is not a fast forward")
	}
	if err := c.f.updateRef(c.repo, c.who, ref, old, in.SHA); err != nil {
		return response{}, err
	}
	return ok(c.f.refJSON(c.repo, refInfo{ref, in.SHA, "commit"}))
}

func (c *call) deleteRef() (response, error) {
	ref := "refs/" + c.vars["ref"]
	old, err := c.f.git.line(c.repo, "rev-parse", "--verify", "--quiet", "--end-of-options", ref)
	if err != nil {
		return response{}, failure(http.StatusUnprocessableEntity, "Reference does not exist")
	}
	if err := c.f.updateRef(c.repo, c.who, ref, old, zeroSHA); err != nil {
		return response{}, err
	}
	return noContent()
}

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
	from := emptyTree
	if len(list[0].parents) > 0 {
		from = list[0].parents[0]
	}
	text, files, err := c.f.diffTrees(c.repo, from, sha)
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

const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

func (c *call) listCommits() (response, error) {
	start := c.query.Get("sha")
	if start == "" {
		start = c.repo.defaultBranch
	}
	sha := c.f.git.resolve(c.repo, start)
	if sha == "" {
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

// getContents answers a file or a directory at a commit.
func (c *call) getContents() (response, error) {
	ref := c.query.Get("ref")
	if ref == "" {
		ref = c.repo.defaultBranch
	}
	sha := c.f.git.resolve(c.repo, ref)
	if sha == "" {
		return response{}, failure(http.StatusNotFound, "No commit found for the ref %s", ref)
	}
	name := strings.Trim(path.Clean("/"+c.vars["path"]), "/")
	args := []string{"ls-tree", "-z", "--long", sha, "--", name}
	entries, err := c.entries(args...)
	if name == "" {
		entries, err = c.entries("ls-tree", "-z", "--long", sha)
	}
	if err != nil {
		return response{}, err
	}
	if name != "" && len(entries) == 0 {
		return response{}, notFound()
	}
	if name != "" && entries[0].kind != "tree" {
		return c.fileContents(entries[0], ref)
	}
	if name != "" {
		if entries, err = c.entries("ls-tree", "-z", "--long", sha, "--", name+"/"); err != nil {
			return response{}, err
		}
	}
	out := []obj{}
	for _, e := range entries {
		out = append(out, c.entryJSON(e, ref))
	}
	return ok(out)
}

type treeEntry struct {
	mode, kind, sha, path string
	size                  int
}

func (c *call) entries(args ...string) ([]treeEntry, error) {
	out, err := c.f.git.run(gitCall{dir: c.repo.dir, env: []string{"GIT_LITERAL_PATHSPECS=1"}}, args...)
	if err != nil {
		return nil, err
	}
	var found []treeEntry
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		meta, name, _ := strings.Cut(line, "\t")
		fields := strings.Fields(meta)
		if len(fields) == 4 {
			size, _ := strconv.Atoi(fields[3])
			found = append(found, treeEntry{fields[0], fields[1], fields[2], name, size})
		}
	}
	return found, nil
}

func (c *call) entryJSON(e treeEntry, ref string) obj {
	kind := map[string]string{"tree": "dir", "commit": "submodule", "blob": "file"}[e.kind]
	if e.mode == "120000" {
		kind = "symlink"
	}
	where := escapePath(e.path)
	self := c.f.repoURL(c.repo, "/contents/"+where+"?ref="+ref)
	git := c.f.repoURL(c.repo, "/git/"+e.kind+"s/"+e.sha)
	html := c.f.base + "/" + c.repo.fullName() + "/" + e.kind + "/" + ref + "/" + where
	var download any
	if kind == "file" {
		download = c.f.base + "/" + c.repo.fullName() + "/raw/" + ref + "/" + where
	}
	return obj{"type": kind, "name": path.Base(e.path), "path": e.path, "sha": e.sha, "size": e.size, "url": self,
		"git_url": git, "html_url": html, "download_url": download, "_links": obj{"self": self, "git": git, "html": html}}
}

// fileContents adds the bytes, in base64 with GitHub's line breaks.
func (c *call) fileContents(e treeEntry, ref string) (response, error) {
	content, err := c.f.git.in(c.repo, "cat-file", "blob", e.sha)
	if err != nil {
		return response{}, err
	}
	if accept := c.r.Header.Get("Accept"); strings.Contains(accept, ".raw") {
		return response{status: http.StatusOK, raw: []byte(content), mime: accept}, nil
	}
	o := c.entryJSON(e, ref)
	switch o["type"] {
	case "symlink":
		o["target"] = content
	case "file":
		var text strings.Builder
		for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString([]byte(content))), 60) {
			text.Write(line)
			text.WriteByte('\n')
		}
		o["content"], o["encoding"] = text.String(), "base64"
	}
	return ok(o)
}

// listActivity lists pushes, newest first.
func (c *call) listActivity() (response, error) {
	direction, err := c.one("direction", "desc", "asc")
	if err != nil {
		return response{}, err
	}
	ref := c.query.Get("ref")
	if ref != "" && !strings.HasPrefix(ref, "refs/") {
		ref = "refs/heads/" + ref
	}
	out := []obj{}
	for _, p := range c.repo.pushes {
		if (ref == "" || ref == p.Ref) && matchesQuery(c.query.Get("actor"), p.actor.login) && matchesQuery(c.query.Get("activity_type"), p.Kind) {
			out = append(out, obj{"id": p.ID, "node_id": nodeID("PSH", p.ID), "before": p.Old, "after": p.New, "ref": p.Ref,
				"timestamp": stamp(p.At), "activity_type": p.Kind, "actor": c.f.userJSON(p.actor)})
		}
	}
	if direction == "desc" {
		slices.Reverse(out)
	}
	return pages(out)
}
