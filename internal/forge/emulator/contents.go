package emulator

import (
	"encoding/base64"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

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
