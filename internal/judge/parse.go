package judge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/gateway/strictjson"
	"github.com/coderflow/coderflow/internal/prompt"
)

// InvalidError says what is wrong with an answer that is no verdict, for the judge, who
// gets a second try, and for people.
type InvalidError struct{ Problems []string }

// maxProblems bounds what one answer is told about.
const maxProblems = 8

// Error implements error.
func (e *InvalidError) Error() string {
	listed := e.Problems[:min(len(e.Problems), maxProblems)]
	text := "no valid verdict: " + strings.Join(listed, "; ")
	if more := len(e.Problems) - len(listed); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// Parse reads a verdict: exactly one JSON object, which may stand in one ```json fence. A
// finding must be at one of paths. It fails with *InvalidError.
func Parse(text string, paths []string) (Verdict, error) {
	text = unfenced(text)
	r := reader{paths: paths}
	switch {
	case text == "":
		r.bad("the answer is empty; it must be one JSON object")
	case len(text) > MaxVerdict:
		r.bad("the answer has %d bytes; at most %d are allowed", len(text), MaxVerdict)
	default:
		root, err := strictjson.Parse(text)
		if err != nil {
			r.bad("the answer is not exactly one JSON object: %v", err)
			break
		}
		if v := r.verdict(root); len(r.problems) == 0 {
			return v, nil
		}
	}
	return Verdict{}, &InvalidError{Problems: r.problems}
}

// unfenced takes off one fence around the whole text.
func unfenced(text string) string {
	text = strings.TrimSpace(text)
	inner, opened := strings.CutPrefix(text, "```json\n")
	if !opened {
		inner, opened = strings.CutPrefix(text, "```\n")
	}
	if body, closed := strings.CutSuffix(inner, "\n```"); opened && closed {
		return strings.TrimSpace(body)
	}
	return text
}

// reader collects everything that is wrong, so that one retry can mend it all.
type reader struct {
	paths    []string
	problems []string
}

func (r *reader) bad(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// members checks that n is an object with these keys: all of needed, and others at most of optional.
func (r *reader) members(where string, n *strictjson.Node, needed, optional []string) bool {
	if !n.IsObject() {
		r.bad("%s must be an object", where)
		return false
	}
	for _, m := range n.Members {
		if !slices.Contains(needed, m.Key) && !slices.Contains(optional, m.Key) {
			r.bad("%s has an unknown key %.60q", where, m.Key)
		}
	}
	for _, key := range needed {
		if n.Get(key) == nil {
			r.bad("%s lacks %q", where, key)
		}
	}
	return true
}

func (r *reader) verdict(root *strictjson.Node) Verdict {
	v := Verdict{Scores: map[Aspect]Score{}, Findings: []Finding{}}
	if !r.members("the verdict", root, []string{"summary", "recommendation", "scores", "findings"}, nil) {
		return v
	}
	v.Summary = r.text("summary", root.Get("summary"), MaxSummary, true)
	v.Recommendation = Recommendation(r.oneOf("recommendation", root.Get("recommendation"), words(Recommendations())))
	if scores := root.Get("scores"); scores != nil && r.members("scores", scores, words(Aspects()), nil) {
		for _, aspect := range Aspects() {
			v.Scores[aspect] = r.score("scores."+string(aspect), scores.Get(string(aspect)))
		}
	}
	list := root.Get("findings")
	switch {
	case list == nil:
	case !list.IsArray():
		r.bad("findings must be a list")
	case len(list.Items) > MaxFindings:
		r.bad("there are %d findings; at most %d are allowed, the worst first", len(list.Items), MaxFindings)
	default:
		for i, item := range list.Items {
			v.Findings = append(v.Findings, r.finding(fmt.Sprintf("findings[%d]", i), item))
		}
	}
	return v
}

func (r *reader) score(where string, n *strictjson.Node) (s Score) {
	if n == nil || !r.members(where, n, []string{"score"}, []string{"notes"}) {
		return s
	}
	s.Score = r.number(where+".score", n.Get("score"), MaxScore)
	s.Notes = r.text(where+".notes", n.Get("notes"), MaxNotes, false)
	return s
}

func (r *reader) finding(where string, n *strictjson.Node) (f Finding) {
	if !r.members(where, n, []string{"path", "severity", "title"}, []string{"line", "text"}) {
		return f
	}
	if path := n.Get("path"); path != nil {
		if !path.IsString() || !slices.Contains(r.paths, path.Text) {
			r.bad("%s.path: %.200q is none of the changed files", where, path.Text)
		}
		f.Path = path.Text
	}
	if line := n.Get("line"); !line.IsNull() {
		f.Line = r.number(where+".line", line, 10_000_000)
	}
	f.Severity = Severity(r.oneOf(where+".severity", n.Get("severity"), words(Severities())))
	f.Title = strings.Join(strings.Fields(r.text(where+".title", n.Get("title"), MaxTitle, true)), " ")
	f.Text = r.text(where+".text", n.Get("text"), MaxText, false)
	return f
}

// text is a string without what people would not see. One that is missing was told before.
func (r *reader) text(where string, n *strictjson.Node, limit int, needed bool) string {
	if n == nil || !needed && n.IsNull() {
		return ""
	}
	if !n.IsString() {
		r.bad("%s must be a string", where)
		return ""
	}
	if len(n.Text) > limit {
		r.bad("%s has %d bytes; at most %d are allowed", where, len(n.Text), limit)
	}
	clean := strings.TrimSpace(visible(n.Text))
	if needed && clean == "" {
		r.bad("%s is empty", where)
	}
	return clean
}

func (r *reader) number(where string, n *strictjson.Node, most int) int {
	if n == nil {
		return 0
	}
	i, err := strconv.Atoi(n.Text)
	if n.Kind != strictjson.Literal || err != nil || i < 0 || i > most || strconv.Itoa(i) != n.Text {
		r.bad("%s must be a whole number from 0 to %d, not %.40q", where, most, n.Text)
		return 0
	}
	return i
}

func (r *reader) oneOf(where string, n *strictjson.Node, words []string) string {
	if n == nil {
		return ""
	}
	if !n.IsString() || !slices.Contains(words, n.Text) {
		r.bad("%s must be one of %s, not %.40q", where, strings.Join(words, ", "), n.Text)
		return ""
	}
	return n.Text
}

func words[T ~string](all []T) []string {
	var out []string
	for _, word := range all {
		out = append(out, string(word))
	}
	return out
}

// visible drops what a reader does not see or what a terminal would obey: an escape of
// JSON brings it back after the agent's output was cleaned.
func visible(text string) string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(text, string(utf8.RuneError)))
	return strings.Map(func(c rune) rune {
		if prompt.Invisible(c) {
			return -1
		}
		return c
	}, text)
}
