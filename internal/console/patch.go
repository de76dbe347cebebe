package console

import (
	"bytes"
	"iter"
	"strconv"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// Patch is a proposal's diff by file. It holds the diff and copies nothing of it.
type Patch struct {
	files map[string]*FilePatch
	order []string
}

// FilePatch is what a diff says about one path.
type FilePatch struct {
	// sections are from their "diff --git" line on; a file that becomes a link has two.
	sections [][]byte
}

var sectionStart = []byte("diff --git ")

// ReadPatch finds the files of a diff that git made, without renames. A line of a
// file's content has a sign before it, so that none is taken for the start of a file.
func ReadPatch(diff []byte) *Patch {
	p := &Patch{files: map[string]*FilePatch{}}
	for len(diff) > 0 {
		end := len(diff)
		if i := bytes.Index(diff, append([]byte("\n"), sectionStart...)); i >= 0 {
			end = i + 1
		}
		if bytes.HasPrefix(diff, sectionStart) {
			header, _, _ := bytes.Cut(diff[len(sectionStart):end], []byte("\n"))
			p.add(headerPath(string(header)), diff[:end])
		}
		diff = diff[end:]
	}
	return p
}

func (p *Patch) add(path string, section []byte) {
	f := p.files[path]
	if f == nil {
		f = &FilePatch{}
		p.files[path] = f
		p.order = append(p.order, path)
	}
	f.sections = append(f.sections, section)
}

// File is the part about one path, as the manifest has it; nil if there is none.
func (p *Patch) File(path string) *FilePatch { return p.files[path] }

// Manifest is what the diff itself says of every path, in its order. A proposal has one
// of its own, which is what was pinned.
func (p *Patch) Manifest() []task.PathChange {
	list := make([]task.PathChange, 0, len(p.order))
	for _, path := range p.order {
		list = append(list, p.files[path].change(path))
	}
	return list
}

func (f *FilePatch) change(path string) task.PathChange {
	c := task.PathChange{Path: path, Kind: task.Modified}
	for r := range f.rows() {
		switch {
		case r.sign == '+':
			c.Added++
		case r.sign == '-':
			c.Removed++
		case r.sign != '!':
		case strings.HasPrefix(r.text, "new file mode "):
			c.Kind = task.Added
		case strings.HasPrefix(r.text, "deleted file mode "):
			c.Kind = task.Deleted
		case strings.HasPrefix(r.text, "binary"):
			c.Binary, c.Added, c.Removed = true, -1, -1
		}
	}
	if len(f.sections) > 1 { // it became something else: a link, say
		c.Kind = task.Modified
	}
	return c
}

// headerPath reads "a/PATH b/PATH", both of one path, quoted or not.
func headerPath(header string) string {
	half := len(header) / 2
	if len(header) < 5 || header[half] != ' ' {
		return ""
	}
	first := header[:half]
	if strings.HasPrefix(first, `"`) {
		first = unquote(first)
	}
	path, _ := strings.CutPrefix(first, "a/")
	return path
}

// unquote reads a name as git writes one that holds more than plain characters.
func unquote(quoted string) string {
	quoted = strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`)
	var out strings.Builder
	for i := 0; i < len(quoted); i++ {
		if quoted[i] != '\\' || i+1 == len(quoted) {
			out.WriteByte(quoted[i])
			continue
		}
		i++
		if at := strings.IndexByte(`abtnvfr"\`, quoted[i]); at >= 0 {
			out.WriteByte("\a\b\t\n\v\f\r\"\\"[at])
			continue
		}
		if i+3 <= len(quoted) {
			if n, err := strconv.ParseUint(quoted[i:i+3], 8, 8); err == nil {
				out.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		out.WriteByte(quoted[i])
	}
	return out.String()
}

// row is one line of a file's diff.
type row struct {
	// sign is '+', '-', ' ', '@' for the head of a hunk, or '!' for a word of ours.
	sign     byte
	old, new int // lines, from 1; 0: the line is not there
	text     string
}

// rows are the lines of a file's diff, without what its manifest line says already.
// They are made one after the other: together they are many times what the diff is.
func (f *FilePatch) rows() iter.Seq[row] {
	return func(yield func(row) bool) {
		for _, section := range f.sections {
			if !sectionRows(section, yield) {
				return
			}
		}
	}
}

// sectionRows hands out the rows of a section, until one is the last that is wanted.
func sectionRows(section []byte, yield func(row) bool) (more bool) {
	old, now, inside := 0, 0, false
	for line := range strings.SplitSeq(strings.TrimSuffix(string(section), "\n"), "\n") {
		r := row{}
		switch {
		case strings.HasPrefix(line, "@@ "):
			old, now = hunkStart(line)
			inside = true
			r = row{sign: '@', text: line}
		case !inside:
			if r = (row{sign: '!', text: headWords(line)}); r.text == "" {
				continue
			}
		case strings.HasPrefix(line, "+"):
			r = row{sign: '+', new: now, text: line[1:]}
			now++
		case strings.HasPrefix(line, "-"):
			r = row{sign: '-', old: old, text: line[1:]}
			old++
		case strings.HasPrefix(line, `\`):
			r = row{sign: '!', text: "no newline at the end of the file"}
		default:
			r = row{sign: ' ', old: old, new: now, text: strings.TrimPrefix(line, " ")}
			old++
			now++
		}
		if !yield(r) {
			return false
		}
	}
	return true
}

// headWords says what matters of a line before the first hunk.
func headWords(line string) string {
	switch {
	case strings.HasPrefix(line, "old mode "), strings.HasPrefix(line, "new mode "),
		strings.HasPrefix(line, "new file mode "), strings.HasPrefix(line, "deleted file mode "):
		return line
	case line == "GIT binary patch", strings.HasPrefix(line, "Binary files "):
		return "binary: the patch on the pull request has its bytes"
	}
	return ""
}

// hunkStart reads "@@ -OLD[,N] +NEW[,N] @@".
func hunkStart(line string) (old, now int) {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return 0, 0
	}
	number := func(field string) int {
		digits, _, _ := strings.Cut(strings.TrimLeft(field, "+-"), ",")
		n, err := strconv.Atoi(digits)
		if err != nil {
			return 0
		}
		return n
	}
	return number(fields[1]), number(fields[2])
}
