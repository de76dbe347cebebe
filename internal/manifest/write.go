package manifest

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// plain is text that YAML reads as the same text without quotes.
var plain = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./@()+-]*(:[A-Za-z0-9_./@-]+)*( [A-Za-z0-9_./@(),;-]+)*$`)

// spoken are words that some reader of YAML takes for something else than text.
var spoken = []string{"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"}

// writeYAML writes a node in block style, indented by depth.
func writeYAML(b *bytes.Buffer, n node, depth int) {
	indent := strings.Repeat("  ", depth)
	switch v := n.(type) {
	case mapping:
		for i, e := range v {
			if i > 0 || depth > 0 && !bytes.HasSuffix(b.Bytes(), []byte("- ")) {
				b.WriteString(indent)
			}
			b.WriteString(yamlText(e.key) + ":")
			writeValue(b, e.value, depth)
		}
	case sequence:
		for _, item := range v {
			b.WriteString(indent + "- ")
			if m, is := item.(mapping); is && len(m) > 0 {
				writeYAML(b, m, depth+1)
				continue
			}
			writeInline(b, item, depth)
		}
	}
}

// writeValue writes what follows the colon of a key.
func writeValue(b *bytes.Buffer, n node, depth int) {
	if empty(n) {
		b.WriteByte(' ')
		writeInline(b, n, depth)
		return
	}
	switch v := n.(type) {
	case mapping, sequence:
		b.WriteByte('\n')
		writeYAML(b, v, depth+1)
	default:
		b.WriteByte(' ')
		writeInline(b, n, depth)
	}
}

func writeInline(b *bytes.Buffer, n node, depth int) {
	switch v := n.(type) {
	case mapping:
		b.WriteString("{}\n")
	case sequence:
		b.WriteString("[]\n")
	case scalarNode:
		switch {
		case v.raw || v.bare:
			b.WriteString(v.text + "\n")
		case readableBlock(v.text):
			writeBlock(b, v.text, depth)
		default:
			b.WriteString(yamlText(v.text) + "\n")
		}
	}
}

// readableBlock reports whether text can stand as lines of its own and be read
// back the same: every line begins and ends with something that can be seen, or
// is indented further than the first.
func readableBlock(text string) bool {
	body, ends := strings.CutSuffix(text, "\n")
	if !ends || !strings.Contains(body, "\n") && len(body) < 60 || strings.HasSuffix(body, "\n") {
		return false
	}
	for i, line := range strings.Split(body, "\n") {
		if i == 0 && (line == "" || line[0] == ' ') || strings.HasSuffix(line, " ") || strings.ContainsFunc(line, unprintable) {
			return false
		}
	}
	return true
}

func unprintable(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }

func writeBlock(b *bytes.Buffer, text string, depth int) {
	b.WriteString("|\n")
	for line := range strings.Lines(text) {
		if line != "\n" {
			b.WriteString(strings.Repeat("  ", depth+1))
		}
		b.WriteString(line)
	}
}

// yamlText writes text so that it is read as that text, in quotes if need be.
// What JSON writes in quotes is YAML too.
func yamlText(text string) string {
	if plain.MatchString(text) && !slices.Contains(spoken, strings.ToLower(text)) {
		return text
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // text always encodes
	return strings.TrimSuffix(b.String(), "\n")
}
