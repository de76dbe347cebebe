package gitops

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Bounds of a path, in bytes, and of its depth: what Linux, and a checkout
// under some directory on other systems, can hold.
const (
	maxComponent = 255
	maxPath      = 4000
	maxDepth     = 128
)

// reservedDir is where carrier commits put the inert patch. Nothing else may be there.
const reservedDir = ".coderflow/proposals"

// structureProblem tells why a path cannot even be looked up: it is not the
// name of something inside a tree.
func structureProblem(path string) string {
	switch {
	case path == "":
		return "the path is empty"
	case path[0] == '/':
		return "the path is absolute"
	case strings.IndexByte(path, 0) >= 0:
		return "the path contains a NUL byte"
	case len(path) > maxPath:
		return "the path is longer than 4000 bytes"
	}
	depth := 0
	for component := range strings.SplitSeq(path, "/") {
		depth++
		switch component {
		case "":
			return "the path has an empty part"
		case ".", "..":
			return "the path has a part \"" + component + "\""
		}
	}
	if depth > maxDepth {
		return "the path is more than 128 directories deep"
	}
	return ""
}

// pathProblem tells why git or another file system would misread the path, or
// returns "". The path has passed structureProblem.
func pathProblem(path string) string {
	switch {
	case !utf8.ValidString(path):
		return "the name is not valid UTF-8"
	case strings.IndexByte(path, '\\') >= 0:
		return "the name contains a backslash, which separates directories on Windows"
	case strings.ContainsFunc(path, isControl):
		return "the name contains a control character"
	}
	for component := range strings.SplitSeq(path, "/") {
		if len(component) > maxComponent {
			return "a part of the path is longer than 255 bytes"
		}
		if strings.TrimRight(strings.Map(dropIgnored, component), " .") == "" {
			return "a part of the path is nothing but dots, spaces and invisible characters"
		}
		if isDotGit(component) {
			return "a part of the path is \".git\" to some system"
		}
	}
	if folded := foldPath(path); folded == ".coderflow" || folded == reservedDir || strings.HasPrefix(folded, reservedDir+"/") {
		return reservedDir + " is reserved for CoderFlow"
	}
	return ""
}

func isControl(r rune) bool { return r < 0x20 || (r >= 0x7f && r < 0xa0) || r == 0x2028 || r == 0x2029 }

// isDotGit reports whether some file system takes the name for ".git":
// HFS+ ignores some characters and case, NTFS ignores trailing spaces and dots
// and what follows a colon, and knows ".git" as "git~1" (git's utf8.c and
// path.c; here any digit counts, and the two are combined).
func isDotGit(component string) bool {
	name, _, _ := strings.Cut(strings.Map(dropIgnored, component), ":")
	name = strings.ToLower(strings.TrimRight(name, " ."))
	if name == ".git" {
		return true
	}
	digit, short := strings.CutPrefix(name, "git~")
	return short && len(digit) == 1 && digit[0] >= '0' && digit[0] <= '9'
}

// dropIgnored, for strings.Map, drops the code points that HFS+ leaves out when
// it compares names.
func dropIgnored(r rune) rune {
	if r >= 0x200c && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x206a && r <= 0x206f || r == 0xfeff {
		return -1
	}
	return r
}

// foldPath maps paths that some file system takes for the same one to one text:
// case, Unicode normalization, ignored characters, trailing dots and spaces.
func foldPath(path string) string {
	if isPlain(path) {
		return path
	}
	components := strings.Split(path, "/")
	fold := cases.Fold()
	for i, component := range components {
		component = strings.TrimRight(strings.Map(dropIgnored, component), " .")
		components[i] = norm.NFC.String(fold.String(norm.NFD.String(component)))
	}
	return strings.Join(components, "/")
}

// isPlain reports whether foldPath changes nothing, for the common case.
func isPlain(path string) bool {
	for i := 0; i < len(path); i++ {
		c := path[i]
		ends := i+1 == len(path) || path[i+1] == '/'
		if c >= 0x80 || c >= 'A' && c <= 'Z' || ends && (c == ' ' || c == '.') {
			return false
		}
	}
	return true
}
