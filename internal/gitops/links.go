package gitops

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxLinkTarget = 4095 // PATH_MAX of Linux without its NUL
	maxLinkHops   = 40   // as Linux counts
)

// checkLinks refuses symbolic links that lead out of the tree, by themselves or
// through other links. A link of the base that the agent did not touch counts
// if it stayed inside the base's tree and would lead out of the result's.
func (b *build) checkLinks(ctx context.Context) error {
	before, err := b.baseLinks(ctx)
	if err != nil {
		return err
	}
	after := map[string]string{}
	for path, entry := range b.wanted {
		if entry.Mode != modeSymlink {
			continue
		}
		if file, changed := b.received[path]; changed {
			after[path] = file.target
		} else if target, known := before[path]; known {
			after[path] = target
		}
	}
	for _, path := range slices.Sorted(maps.Keys(after)) {
		if _, changed := b.received[path]; changed && b.wanted[path] != b.byPath[path] {
			if why := linkProblem(path, after[path]); why != "" {
				b.problems.add(path, "28", "%s", why)
				continue
			}
		} else if leadsOut(path, before) != "" {
			continue
		}
		if why := leadsOut(path, after); why != "" {
			b.problems.add(path, "28", "%s", why)
		}
	}
	return nil
}

// linkProblem judges a link's name and the text of its target.
func linkProblem(path, target string) string {
	name := foldPath(path[strings.LastIndexByte(path, '/')+1:])
	switch {
	case slices.Contains([]string{".gitmodules", ".gitattributes", ".gitignore", ".mailmap"}, name):
		return "git does not allow a symbolic link of this name"
	case target == "":
		return "the link has no target"
	case len(target) > maxLinkTarget:
		return fmt.Sprintf("the link's target is longer than %d bytes", maxLinkTarget)
	case !utf8.ValidString(target) || strings.ContainsFunc(target, isControl):
		return "the link's target contains a control character or is not valid UTF-8"
	case strings.ContainsAny(target, "\\:"):
		return "the link's target contains a backslash or a colon, which can lead anywhere on Windows"
	}
	return ""
}

// leadsOut follows the link at path among links (by path, with their targets)
// and tells whether it leaves the tree.
func leadsOut(path string, links map[string]string) string {
	pending := strings.Split(path, "/")
	var at []string // where we are, never through a link
	for hops := 0; len(pending) > 0; {
		next := pending[0]
		pending = pending[1:]
		switch next {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return "the link leads out of the repository"
			}
			at = at[:len(at)-1]
			continue
		}
		at = append(at, next)
		target, isLink := links[strings.Join(at, "/")]
		if !isLink {
			continue
		}
		if hops++; hops > maxLinkHops {
			return "the link leads through too many links, or in a circle"
		}
		if strings.HasPrefix(target, "/") {
			return "the link leads to an absolute path"
		}
		at = at[:len(at)-1]
		pending = append(strings.Split(target, "/"), pending...)
	}
	return ""
}

// baseLinks reads the targets of the base's links, those of a sane length.
func (b *build) baseLinks(ctx context.Context) (map[string]string, error) {
	var questions bytes.Buffer
	var paths []string
	for _, e := range b.base {
		if e.Mode == modeSymlink && e.Size <= maxLinkTarget {
			paths = append(paths, e.Path)
			questions.WriteString(e.Blob + "\n")
		}
	}
	targets := map[string]string{}
	if len(paths) == 0 {
		return targets, nil
	}
	out, err := b.g.run(ctx, invocation{gitDir: b.q.mirror.dir, args: []string{"cat-file", "--batch"}, stdin: &questions})
	if err != nil {
		return nil, fmt.Errorf("read the base's links: %w", err)
	}
	answers := bufio.NewReader(bytes.NewReader(out))
	for _, path := range paths {
		if targets[path], err = readBatched(answers); err != nil {
			return nil, fmt.Errorf("read the base's link %.200q: %w", path, err)
		}
	}
	return targets, nil
}

// readBatched reads one answer of cat-file --batch: "ID TYPE SIZE\n", content, "\n".
func readBatched(r *bufio.Reader) (string, error) {
	header, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	fields := strings.Fields(header)
	if len(fields) != 3 {
		return "", fmt.Errorf("git cat-file wrote %.200q", header)
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil {
		return "", fmt.Errorf("git cat-file wrote %.200q: %w", header, err)
	}
	content := make([]byte, size+1)
	if _, err := io.ReadFull(r, content); err != nil {
		return "", err
	}
	return string(content[:size]), nil
}
