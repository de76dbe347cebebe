package console

import (
	"cmp"
	"html/template"
	"slices"
	"strconv"
	"strings"
)

// Note is a remark that stands at its line of a diff: a risk, or what a judge found.
type Note struct {
	Path string
	// Line is of the new file, and of the old one if Removed; 0: the file as a whole.
	Line    int
	Removed bool
	// Level is "bad", "warn" or "calm", and Label says it in words.
	Level, Label string
	// Title and Text are anybody's.
	Title, Text string
	// Link is where more is said, on this site; may be empty.
	Link string
}

// PieceRows is how many lines of a file one piece has.
const PieceRows = 500

// Piece is a part of a file's diff.
type Piece struct {
	HTML template.HTML // rows of a table
	// Rest is how many lines follow, Next the line with which they begin.
	Rest, Next int
}

// Piece renders a file's diff from a line on, with the notes that belong to it.
func (f *FilePatch) Piece(file string, notes []Note, from int, p Painter) Piece {
	all := f.rows()
	from = min(max(0, from), len(all))
	shown := all[from:min(len(all), from+PieceRows)]
	placed := placeNotes(all, notes)
	var out strings.Builder
	if from == 0 {
		for _, n := range placed[-1] {
			writeNote(&out, n)
		}
	}
	code := p.brush(file).both(shown)
	for i, r := range shown {
		writeRow(&out, r, code[i])
		for _, n := range placed[from+i] {
			writeNote(&out, n)
		}
	}
	return Piece{HTML: template.HTML(out.String()), Rest: len(all) - from - len(shown), Next: from + len(shown)}
}

// placeNotes finds the row of each note; -1 is before all of them.
func placeNotes(rows []row, notes []Note) map[int][]Note {
	placed := map[int][]Note{}
	if len(notes) == 0 {
		return placed
	}
	old, now := map[int]int{}, map[int]int{}
	for i, r := range rows {
		switch r.sign {
		case '-':
			old[r.old] = i
		case '+', ' ':
			now[r.new] = i
		}
	}
	for _, n := range notes {
		lines := now
		if n.Removed {
			lines = old
		}
		at, shown := lines[n.Line]
		if !shown || n.Line == 0 {
			at = -1
		}
		placed[at] = append(placed[at], n)
	}
	for _, list := range placed {
		slices.SortStableFunc(list, func(a, b Note) int { return cmp.Compare(severity(a.Level), severity(b.Level)) })
	}
	return placed
}

func severity(level string) int { return slices.Index([]string{"bad", "warn", "calm"}, level) }

// both colours the new and the old side each in one go, and takes for every row the
// side that it is of.
func (b *brush) both(rows []row) []string {
	var old, now []string
	for _, r := range rows {
		switch r.sign {
		case '-':
			old = append(old, r.text)
		case '+':
			now = append(now, r.text)
		case ' ':
			old, now = append(old, r.text), append(now, r.text)
		}
	}
	now = b.lines(now)
	if slices.ContainsFunc(rows, func(r row) bool { return r.sign == '-' }) {
		old = b.lines(old)
	}
	code := make([]string, len(rows))
	o, n := 0, 0
	for i, r := range rows {
		switch r.sign {
		case '-':
			code[i] = old[o]
			o++
		case '+':
			code[i] = now[n]
			n++
		case ' ':
			code[i] = now[n]
			o, n = o+1, n+1
		default:
			var text strings.Builder
			writeText(&text, r.text)
			code[i] = text.String()
		}
	}
	return code
}

var rowClasses = map[byte]string{'+': "add", '-': "del", '@': "hunk", '!': "word", ' ': "same"}

// writeRow writes a line of the table; code is HTML already.
func writeRow(out *strings.Builder, r row, code string) {
	out.WriteString(`<tr class="` + rowClasses[r.sign] + `"><td>`)
	if r.sign == '@' || r.sign == '!' {
		out.WriteString(`</td><td></td><td></td><td>` + code + "</td></tr>\n")
		return
	}
	if r.old > 0 {
		out.WriteString(strconv.Itoa(r.old))
	}
	out.WriteString("</td><td>")
	if r.new > 0 {
		out.WriteString(strconv.Itoa(r.new))
	}
	sign := ""
	if r.sign != ' ' {
		sign = string(r.sign)
	}
	out.WriteString("</td><td>" + sign + "</td><td>" + code + "</td></tr>\n")
}

func writeNote(out *strings.Builder, n Note) {
	level := n.Level
	if severity(level) < 0 {
		level = "calm"
	}
	out.WriteString(`<tr class="note ` + level + `"><td colspan="4"><div><strong>`)
	writeText(out, Line(n.Label))
	out.WriteString("</strong> ")
	writeText(out, Line(n.Title))
	if n.Text != "" {
		out.WriteString(`<span class="text">`)
		writeText(out, Line(n.Text))
		out.WriteString("</span>")
	}
	out.WriteString("</div></td></tr>\n")
}
