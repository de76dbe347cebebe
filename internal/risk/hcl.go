package risk

import (
	"bytes"
	"strings"
)

// hclUnits yields the settings of a file of HCL as "key = value", and the headers
// of its blocks as "resource type name {". A setting's scope are the headers of
// the blocks around it.
func hclUnits(text []byte, emit func(unit)) {
	var scopes []string
	var words []word
	line := 1
	flush := func() {
		if len(words) > 0 {
			emit(unit{lang: LangHCL, words: words, scope: strings.Join(scopes, "/"), last: line})
			words = nil
		}
	}
	for at := 0; at < len(text); {
		switch c := text[at]; {
		case c == '\n':
			flush()
			line++
			at++
		case c == '#' || c == '/' && at+1 < len(text) && text[at+1] == '/':
			at = lineEnd(text, at)
		case c == '/' && at+1 < len(text) && text[at+1] == '*':
			end := skipTo(text, at+2, "*/")
			line += bytes.Count(text[at:end], []byte("\n"))
			at = end
		case c == '"':
			end := stringEnd(text, at)
			words = append(words, word{text: string(text[at+1 : max(at+1, end-1)]), line: line, quoted: true})
			line += bytes.Count(text[at:end], []byte("\n"))
			at = end
		case c == '<' && bytes.HasPrefix(text[at:], []byte("<<")):
			end := heredocEnd(text, at)
			words = append(words, word{text: "<<", line: line, quoted: true})
			line += bytes.Count(text[at:end], []byte("\n"))
			at = end
		case c == '{':
			header := headerOf(words)
			words = append(words, word{text: "{", line: line})
			flush()
			scopes = append(scopes, header)
			at++
		case c == '}':
			flush()
			if len(scopes) > 0 {
				scopes = scopes[:len(scopes)-1]
			}
			at++
		case isWordByte(c) || c == '-':
			from := at
			for at < len(text) && (isWordByte(text[at]) || text[at] == '-' || text[at] == '.') {
				at++
			}
			words = append(words, word{text: string(text[from:at]), line: line})
		default:
			if c > ' ' {
				words = append(words, word{text: string(c), line: line})
			}
			at++
		}
	}
	flush()
}

func headerOf(words []word) string {
	var texts []string
	for _, w := range words[:min(len(words), 4)] {
		texts = append(texts, w.text)
	}
	return strings.Join(texts, ".")
}

func lineEnd(text []byte, at int) int {
	if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(text)
}

// skipTo is the index after the next end from at on, or the end of the text.
func skipTo(text []byte, at int, end string) int {
	at = min(at, len(text))
	if n := bytes.Index(text[at:], []byte(end)); n >= 0 {
		return at + n + len(end)
	}
	return len(text)
}

// stringEnd is the index after a quoted string that begins at at. It ends at the
// end of its line at the latest.
func stringEnd(text []byte, at int) int {
	quote := text[at]
	for i := at + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		case '\n':
			return i
		}
	}
	return len(text)
}

// heredocEnd is the index after a here-document of HCL.
func heredocEnd(text []byte, at int) int {
	first := lineEnd(text, at)
	tag := strings.Trim(string(text[at:min(first, at+100)]), "<-~ \t\r\"'")
	if tag == "" {
		return at + 2
	}
	for i := first; i < len(text); {
		next := lineEnd(text, i+1)
		if string(bytes.TrimSpace(text[i:next])) == tag {
			return next
		}
		i = next
	}
	return len(text)
}
