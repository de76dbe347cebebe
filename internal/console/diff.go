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
	from = max(0, from)
	var shown []row
	places, count := newNotePlaces(notes), 0
	for r := range f.rows() {
		if count >= from && len(shown) < PieceRows {
			shown = append(shown, r)
		}
		places.pass(count, r)
		count++
	}
	from = min(from, count)
	placed := places.placed(notes)
	var out strings.Builder
	if from == 0 {
		for _, n := range placed[beforeAll] {
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
	return Piece{HTML: template.HTML(out.String()), Rest: count - from - len(shown), Next: from + len(shown)}
}

// beforeAll is the row of a note whose line is not in the diff.
const beforeAll = -1

// notePlaces are the rows of the lines that notes are about.
type notePlaces struct{ old, now map[int]int }

func newNotePlaces(notes []Note) notePlaces {
	p := notePlaces{map[int]int{}, map[int]int{}}
	for _, n := range notes {
		p.side(n.Removed)[n.Line] = beforeAll
	}
	return p
}

func (p notePlaces) side(removed bool) map[int]int {
	if removed {
		return p.old
	}
	return p.now
}

// pass looks at a row of the diff.
func (p notePlaces) pass(i int, r row) {
	line, removed := r.new, r.sign == '-'
	if removed {
		line = r.old
	}
	if _, wanted := p.side(removed)[line]; wanted && line > 0 {
		p.side(removed)[line] = i
	}
}

// placed are the notes by row, the worst first.
func (p notePlaces) placed(notes []Note) map[int][]Note {
	placed := map[int][]Note{}
	for _, n := range notes {
		at := p.side(n.Removed)[n.Line]
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
