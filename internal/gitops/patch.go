package gitops

import (
	"bytes"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// patchLine is one line that a patch adds or removes.
type patchLine struct {
	path    string
	added   bool
	line    int // in the new file if it is added, else in the old one, from 1
	newLine int // in the new file: where it stands, or what stands where it stood
	at      int // in the patch, from 1
	text    []byte
}

// addedLines yields the lines that a patch adds.
func addedLines(patch []byte) iter.Seq2[patchLine, error] {
	return func(yield func(patchLine, error) bool) {
		for line, err := range patchLines(patch, nil) {
			if (err != nil || line.added) && !yield(line, err) {
				return
			}
		}
	}
}

// patchLines yields the lines that a patch of git adds or removes, and tells header,
// if it is not nil, of the line of the patch where each file begins. Hunks are
// counted by their headers, so that content that looks like a header is content.
func patchLines(patch []byte, header func(at int)) iter.Seq2[patchLine, error] {
	return func(yield func(patchLine, error) bool) {
		p := patchReader{header: header}
		for line := range bytes.Lines(patch) {
			p.at++
			changed, found, err := p.next(line)
			if (found || err != nil) && !yield(changed, err) || err != nil {
				return
			}
		}
	}
}

// patchReader is where a reader of a patch stands.
type patchReader struct {
	header           func(at int)
	oldPath, path    string
	oldLine, newLine int
	oldLeft, newLeft int // lines of the present hunk
	at               int // line of the patch
}

func (p *patchReader) next(line []byte) (changed patchLine, found bool, err error) {
	switch {
	case p.oldLeft > 0 || p.newLeft > 0:
		return p.content(line)
	case bytes.HasPrefix(line, []byte("diff --git ")):
		p.oldPath, p.path = "", ""
		if p.header != nil {
			p.header(p.at)
		}
	case bytes.HasPrefix(line, []byte("--- ")):
		p.oldPath, err = patchPath(strings.TrimSuffix(string(line[4:]), "\n"), "a/")
	case bytes.HasPrefix(line, []byte("+++ ")):
		p.path, err = patchPath(strings.TrimSuffix(string(line[4:]), "\n"), "b/")
		if p.path == "" {
			p.path = p.oldPath
		}
	case bytes.HasPrefix(line, []byte("@@ -")):
		err = p.hunk(string(line))
	}
	return changed, false, err
}

func (p *patchReader) content(line []byte) (changed patchLine, found bool, err error) {
	changed = patchLine{path: p.path, newLine: p.newLine, at: p.at, text: line[1:]}
	switch line[0] {
	case '+':
		changed.added, changed.line, found = true, p.newLine, true
		p.newLine++
		p.newLeft--
	case '-':
		changed.line, found = p.oldLine, true
		p.oldLine++
		p.oldLeft--
	case ' ', '\n':
		p.oldLine++
		p.newLine++
		p.oldLeft--
		p.newLeft--
	}
	return changed, found, nil
}

// hunk reads "@@ -OLD[,COUNT] +NEW[,COUNT] @@".
func (p *patchReader) hunk(line string) (err error) {
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[3] != "@@" {
		return fmt.Errorf("malformed hunk header %.100q", line)
	}
	p.oldLine, p.oldLeft, err = hunkRange(strings.TrimPrefix(fields[1], "-"))
	if err == nil {
		p.newLine, p.newLeft, err = hunkRange(strings.TrimPrefix(fields[2], "+"))
	}
	if err != nil {
		return fmt.Errorf("malformed hunk header %.100q: %w", line, err)
	}
	return nil
}

func hunkRange(text string) (start, count int, err error) {
	first, second, two := strings.Cut(text, ",")
	if start, err = strconv.Atoi(first); err != nil || !two {
		return start, 1, err
	}
	count, err = strconv.Atoi(second)
	return start, count, err
}

// patchPath reads the path of a "+++ " or "--- " line: "b/PATH", a tab after it if
// there is a space in it, in C quotes if there is an unusual byte in it.
func patchPath(text, prefix string) (string, error) {
	text = strings.TrimSuffix(text, "\t")
	if text == "/dev/null" {
		return "", nil
	}
	if strings.HasPrefix(text, `"`) {
		// git's escapes are among Go's: octal ones of three digits and letters.
		unquoted, err := strconv.Unquote(text)
		if err != nil {
			return "", fmt.Errorf("malformed path %.200q in a patch: %w", text, err)
		}
		text = unquoted
	}
	path, found := strings.CutPrefix(text, prefix)
	if !found {
		return "", fmt.Errorf("malformed path %.200q in a patch", text)
	}
	return path, nil
}
