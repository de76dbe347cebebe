package gitops

import "bytes"

// PatchIndex maps between the lines of a proposal's patch, which is the file that the
// carrier holds, and the lines of the files that the patch changes. People comment on the
// former and talk about the latter.
type PatchIndex struct {
	places []patchPlace // by line of the patch, from 0
	lines  map[fileLine]int
	begins map[string]int
}

// patchPlace is what one line of a patch is about. A zero one is about no file.
type patchPlace struct {
	path    string
	line    int // 0: the file as a whole
	removed bool
}

type fileLine struct {
	path string
	line int
}

// PatchLines reads a patch of [Git.BuildTree]. Of one that is malformed it knows what stands
// before the fault.
func PatchLines(diff []byte) *PatchIndex {
	x := &PatchIndex{lines: map[fileLine]int{}, begins: map[string]int{}}
	p, header := patchReader{}, 0
	for line := range bytes.Lines(diff) {
		p.at++
		inside, oldLine, newLine := p.oldLeft > 0 || p.newLeft > 0, p.oldLine, p.newLine
		if _, _, err := p.next(line); err != nil {
			break
		}
		if inside {
			x.content(p.path, line[0], oldLine, newLine)
			continue
		}
		switch {
		case bytes.HasPrefix(line, []byte("diff --git ")):
			header = p.at
		case bytes.HasPrefix(line, []byte("+++ ")) && header > 0:
			x.file(p.path, header)
		}
		at := patchPlace{}
		if bytes.HasPrefix(line, []byte("+++ ")) || bytes.HasPrefix(line, []byte("@@ -")) {
			at.path = p.path
		}
		x.places = append(x.places, at)
	}
	return x
}

// file says of the lines from header on that they are about path: only the last of them
// names it in a way that can be read.
func (x *PatchIndex) file(path string, header int) {
	for i := header - 1; i < len(x.places); i++ {
		x.places[i].path = path
	}
	if _, twice := x.begins[path]; !twice { // a file that becomes a link has two headers
		x.begins[path] = header
	}
}

// content adds a line of a hunk.
func (x *PatchIndex) content(path string, sign byte, oldLine, newLine int) {
	at := patchPlace{path: path, line: newLine}
	switch sign {
	case '-':
		at.line, at.removed = oldLine, true
	case '+', ' ', '\n':
		x.lines[fileLine{path, newLine}] = len(x.places) + 1
	default: // "\ No newline at end of file"
		at.line = 0
	}
	x.places = append(x.places, at)
}

// Line is the line of the patch, from 1, that shows line newLine, from 1, of a file of the
// result: one that was added, or one that stands beside a change. ok is false if the patch
// does not show it.
func (x *PatchIndex) Line(path string, newLine int) (patchLine int, ok bool) {
	patchLine, ok = x.lines[fileLine{path, newLine}]
	return patchLine, ok
}

// File is the line of the patch where the file begins. ok is false if the patch has no such
// file, or shows nothing of its text because it is binary or only its mode changed.
func (x *PatchIndex) File(path string) (patchLine int, ok bool) {
	patchLine, ok = x.begins[path]
	return patchLine, ok
}

// Place is what line patchLine, from 1, of the patch is about: a line of a file of the
// result or, if removed, of the base. Line 0 is the file as a whole: its header, or that of a
// hunk. ok is false if it is about no file.
func (x *PatchIndex) Place(patchLine int) (path string, line int, removed bool, ok bool) {
	if patchLine < 1 || patchLine > len(x.places) {
		return "", 0, false, false
	}
	at := x.places[patchLine-1]
	return at.path, at.line, at.removed, at.path != ""
}
