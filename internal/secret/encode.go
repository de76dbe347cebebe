package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
)

const (
	minLine  = 16  // bytes of a line of a value that is redacted by itself
	longFrom = 512 // bytes from which only the common encodings are looked for
)

// patterns are the texts that give the value away, as the matcher compares them:
// in lower case and without line breaks (an encoder may wrap its lines).
func patterns(content []byte) []string {
	text := strings.TrimSpace(string(content))
	found := []string{text}
	found = append(found, lines(text)...)
	found = append(found, inJSON(text)...)
	found = append(found, inBase64(text)...)
	if len(text) <= longFrom {
		found = append(found, inHex(text)...)
		found = append(found, inURL(text)...)
		found = append(found, html.EscapeString(text))
	} else {
		found = append(found, hex.EncodeToString([]byte(text)))
	}
	seen := map[string]bool{}
	var out []string
	for _, p := range found {
		p = fold(p)
		if len(p) >= MinLength && !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

// fold is the form in which patterns are compared.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, lowerASCII(s))
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower[c]
	}
	return string(b)
}

// lines are the lines of a text of several that are secret by themselves: a diff
// shows a key file with a sign before each line. A PEM header is not secret.
func lines(text string) []string {
	all := strings.Split(text, "\n")
	if len(all) == 1 {
		return nil
	}
	var out []string
	for _, line := range all {
		if line = strings.TrimSpace(line); len(line) >= minLine && !strings.HasPrefix(line, "-----") {
			out = append(out, line)
		}
	}
	return out
}

// inJSON are the ways to write the text within a JSON string.
func inJSON(text string) []string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return nil
	}
	plain := &strings.Builder{}
	encoder := json.NewEncoder(plain)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text)
	unquoted := strings.Trim(strings.TrimSpace(plain.String()), `"`)
	out := []string{strings.Trim(string(quoted), `"`), unquoted, strings.ReplaceAll(unquoted, "/", `\/`)}
	if len(text) <= longFrom {
		out = append(out, each(text, `\u00%02x`, ""))
	}
	return out
}

// inBase64 is the text at each of the three places that it can have within a
// longer encoded one, in both alphabets. Characters that depend on what stands
// before or after are left out.
func inBase64(text string) []string {
	var out []string
	for before := range 3 {
		padded := append(make([]byte, before), text...)
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			encoded := encoding.EncodeToString(padded)
			first := (before*8 + 5) / 6
			last := len(padded) * 8 / 6 // complete characters
			out = append(out, encoded[first:last])
		}
	}
	return out
}

// inHex are the usual hexadecimal dumps.
func inHex(text string) []string {
	return []string{
		hex.EncodeToString([]byte(text)),
		each(text, "%02x", " "),
		each(text, "%02x", ":"),
		each(text, `\x%02x`, ""),
	}
}

// inURL are the usual percent encodings: of a query, of a path, of JavaScript's
// encodeURIComponent, and of every byte.
func inURL(text string) []string {
	component := strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(url.QueryEscape(text))
	return []string{url.QueryEscape(text), url.PathEscape(text), component, each(text, "%%%02x", "")}
}

// each formats every byte.
func each(text, format, between string) string {
	parts := make([]string, len(text))
	for i := range len(text) {
		parts[i] = fmt.Sprintf(format, text[i])
	}
	return strings.Join(parts, between)
}
