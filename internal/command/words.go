package command

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

var errUnclosedQuote = errors.New("a quotation mark is not closed")

// token is one word of a command line.
type token struct {
	text string // without its quotation marks
	end  int    // offset behind it in the line
}

// nextToken reads the first word of s from offset at. Quotation marks (" and ')
// keep spaces together; inside "…" a backslash makes the next character plain.
func nextToken(s string, at int) (t token, ok bool, err error) {
	for at < len(s) {
		r, size := utf8.DecodeRuneInString(s[at:])
		if !unicode.IsSpace(r) {
			break
		}
		at += size
	}
	if at == len(s) {
		return token{end: at}, false, nil
	}
	var b strings.Builder
	quote, escaped := rune(0), false
	for at < len(s) {
		r, size := utf8.DecodeRuneInString(s[at:])
		switch {
		case escaped:
			b.WriteRune(r)
			escaped = false
		case quote == '"' && r == '\\':
			escaped = true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case quote == 0 && unicode.IsSpace(r):
			return token{b.String(), at}, true, nil
		default:
			b.WriteRune(r)
		}
		at += size
	}
	if quote != 0 {
		return token{end: at}, false, errUnclosedQuote
	}
	return token{b.String(), at}, true, nil
}

// tokens reads all words of s.
func tokens(s string) ([]string, error) {
	var all []string
	for at := 0; ; {
		t, ok, err := nextToken(s, at)
		if err != nil || !ok {
			return all, err
		}
		all, at = append(all, t.text), t.end
	}
}

var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)

func checkName(what, s string) error {
	if !namePattern.MatchString(s) {
		return fmt.Errorf("%s is not a name of %s: a name begins with a letter or underscore and has up to 64 letters, digits, - and _", show(s), what)
	}
	return nil
}

// CheckBranch fails unless s can be the name of a branch, by the rules of
// git-check-ref-format(1) and without a leading dash. It is stricter than git in
// that only printable characters are taken.
func CheckBranch(s string) error {
	bad := func(why string) error { return fmt.Errorf("%s is not a branch name: %s", show(s), why) }
	switch {
	case s == "" || s == "@" || s == "HEAD":
		return bad("it is a reserved name or empty")
	case len(s) > 244:
		return bad("it is too long")
	case strings.HasPrefix(s, "-"):
		return bad("it begins with a dash")
	case strings.HasSuffix(s, "."):
		return bad("it ends with a dot")
	case strings.Contains(s, "..") || strings.Contains(s, "@{"):
		return bad("it contains .. or @{")
	case strings.ContainsAny(s, " ~^:?*[\\\x7f"):
		return bad("it contains a character that git does not allow")
	case strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }):
		return bad("it contains an invisible character")
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return bad("a part between slashes is empty, begins with a dot or ends with .lock")
		}
	}
	return nil
}

// show quotes a stranger's word for a message, cut to a readable length and
// with everything but printable ASCII spelt out.
func show(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%+q", s)
}

// nearest returns the known word that s is most likely meant to be, if any.
func nearest[S ~string](s string, known []S) (S, bool) {
	s = strings.ToLower(s)
	best, least := S(""), 3
	for _, k := range known {
		if d := distance(s, string(k)); d < least && d < len(k) {
			best, least = k, d
		}
	}
	return best, least < 3
}

// distance is the Levenshtein distance, for short words; a long one is far from everything.
func distance(a, b string) int {
	if len(a) > 32 || len(b) > 32 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// didYouMean ends a message about an unknown word.
func didYouMean[S ~string](s string, known []S) string {
	if k, ok := nearest(s, known); ok {
		return fmt.Sprintf("; did you mean %s?", string(k))
	}
	return ""
}

func list[S ~string](words []S) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}
