package emulator

import (
	"fmt"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// comparison is what git says about the way from one commit to another, over their merge base.
type comparison struct {
	mergeBase            string
	behind               int
	commits              []string // oldest first
	files                []fileDiff
	additions, deletions int
	diff                 string // unified
	mergeable            bool
}

type fileDiff struct {
	name, previous, status, blob string
	additions, deletions         int
	patch                        string // "" for binary and very large files, as GitHub leaves it out
}

// maxPatchLines is the length over which GitHub shows no patch of a file.
const maxPatchLines = 20000

var diffArgs = []string{"diff", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index", "--find-renames"}

// compare computes base...head, once per pair of commits.
func (f *Forge) compare(r *repository, base, head string) (*comparison, error) {
	key := base + "..." + head
	if found := r.comparisons[key]; found != nil {
		return found, nil
	}
	c := &comparison{}
	var err error
	if c.mergeBase, err = f.git.line(r, "merge-base", base, head); err != nil {
		return nil, fmt.Errorf("no common ancestor of %s and %s: %w", base, head, err)
	}
	log, err := f.git.in(r, "rev-list", "--reverse", "--topo-order", base+".."+head)
	if err != nil {
		return nil, err
	}
	c.commits = strings.Fields(log)
	if log, err = f.git.in(r, "rev-list", head+".."+base); err != nil {
		return nil, err
	}
	c.behind = len(strings.Fields(log))
	if c.diff, c.files, err = f.diffTrees(r, c.mergeBase, head); err != nil {
		return nil, err
	}
	for _, file := range c.files {
		c.additions += file.additions
		c.deletions += file.deletions
	}
	c.mergeable = c.mergeBase == base
	if !c.mergeable {
		_, err := f.git.in(r, "merge-tree", "--write-tree", base, head)
		c.mergeable = err == nil
	}
	r.comparisons[key] = c
	return c, nil
}

// diffTrees returns the unified diff of two commits or trees, whole and by file.
func (f *Forge) diffTrees(r *repository, from, to string) (string, []fileDiff, error) {
	text, err := f.git.in(r, append(diffArgs, from, to, "--")...)
	if err != nil {
		return "", nil, err
	}
	parsed, _, err := gitdiff.Parse(strings.NewReader(text))
	if err != nil {
		return "", nil, fmt.Errorf("parsing git's diff: %w", err)
	}
	files := []fileDiff{}
	for _, p := range parsed {
		files = append(files, newFileDiff(p))
	}
	return text, files, nil
}

func newFileDiff(p *gitdiff.File) fileDiff {
	d := fileDiff{name: p.NewName, blob: p.NewOIDPrefix, status: "modified"}
	switch {
	case p.IsNew:
		d.status = "added"
	case p.IsDelete:
		d.status, d.name, d.blob = "removed", p.OldName, p.OldOIDPrefix
	case p.IsRename:
		d.status, d.previous = "renamed", p.OldName
	}
	var patch strings.Builder
	lines := 0
	for _, fragment := range p.TextFragments {
		d.additions += int(fragment.LinesAdded)
		d.deletions += int(fragment.LinesDeleted)
		lines += len(fragment.Lines)
		patch.WriteString(fragment.String())
	}
	if lines <= maxPatchLines {
		d.patch = strings.TrimSuffix(patch.String(), "\n")
	}
	return d
}

// fileJSON is GitHub's diff entry.
func (f *Forge) fileJSON(r *repository, head string, d fileDiff) obj {
	blob := d.blob
	if blob == "" { // a pure change of mode or name has no index line
		blob, _ = f.git.line(r, "rev-parse", "--verify", "--quiet", head+":"+d.name)
	}
	path := escapePath(d.name)
	html := f.base + "/" + r.fullName()
	o := obj{
		"sha": blob, "filename": d.name, "status": d.status, "additions": d.additions, "deletions": d.deletions,
		"changes": d.additions + d.deletions, "blob_url": html + "/blob/" + head + "/" + path,
		"raw_url": html + "/raw/" + head + "/" + path, "contents_url": f.repoURL(r, "/contents/"+path+"?ref="+head),
	}
	if d.previous != "" {
		o["previous_filename"] = d.previous
	}
	if d.patch != "" {
		o["patch"] = d.patch
	}
	return o
}

func (f *Forge) filesJSON(r *repository, head string, files []fileDiff) []obj {
	out := []obj{}
	for _, file := range files {
		out = append(out, f.fileJSON(r, head, file))
	}
	return out
}

// escapePath escapes each segment of a path.
func escapePath(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = pathEscape(s)
	}
	return strings.Join(segments, "/")
}
