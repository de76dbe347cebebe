package risk

import (
	"bytes"
	"regexp"
	"strings"
)

// yamlLevel is one key that the present line stands below.
type yamlLevel struct {
	indent int
	key    string
}

// scriptKeys hold commands, as a text, a block or a list.
var scriptKeys = map[string]bool{
	"run": true, "script": true, "before_script": true, "after_script": true, "bash": true, "sh": true, "cmd": true, "cmds": true,
	"command": true, "commands": true, "args": true, "entrypoint": true, "inlineScript": true, "postCreateCommand": true, "before_install": true,
	"install": true, "after_success": true, "deploy": true, "exec": true,
}

// maxYAMLLine is the longest line that is read, in bytes.
const maxYAMLLine = 64 << 10

// yamlReader reads the outline of YAML line by line: keys, their plain values, and
// the blocks of text below them. It parses no more: templates are read too.
type yamlReader struct {
	lines [][]byte
	at    int
	stack []yamlLevel
	kind  string // of the present document of Kubernetes
	to    *sink
}

func yamlUnits(text []byte, to *sink) {
	r := &yamlReader{lines: bytes.Split(text, []byte("\n")), to: to}
	for r.at = 0; r.at < len(r.lines) && to.spend(1+len(r.lines[r.at])); r.at++ {
		r.line(r.lines[r.at])
	}
}

func (r *yamlReader) line(raw []byte) {
	trimmed := bytes.TrimLeft(raw, " ")
	indent := len(raw) - len(trimmed)
	trimmed = bytes.TrimRight(trimmed, " \t\r")
	switch {
	case len(trimmed) == 0 || trimmed[0] == '#' || len(trimmed) > maxYAMLLine:
		return
	case bytes.HasPrefix(raw, []byte("---")):
		r.stack, r.kind = nil, ""
		return
	}
	for n := 0; n < maxScopes && bytes.HasPrefix(trimmed, []byte("- ")); n++ { // an item: its key stands deeper
		rest := bytes.TrimLeft(trimmed[2:], " ")
		r.pop(indent, true)
		if r.inScript() && !isKey(rest) {
			r.command(rest, indent)
			return
		}
		r.item(rest)
		indent += len(trimmed) - len(rest)
		trimmed = rest
	}
	if r.flow(trimmed, indent) {
		return
	}
	key, value, found := cutKey(trimmed)
	if !found {
		return
	}
	r.pop(indent, false)
	if key == "kind" && len(r.stack) == 0 {
		r.kind = value
	}
	r.setting(key, value)
	if r.stack = append(r.stack, yamlLevel{indent, key}); len(r.stack) > maxScopes {
		r.stack = r.stack[1:]
	}
	if r.flow([]byte(value), indent) {
		return
	}
	if scriptKeys[key] && value != "" {
		r.command([]byte(value), indent)
	} else if scriptKeys[key] {
		r.below(indent)
	} else if isBlock(value) {
		r.block(indent)
	}
}

// pop leaves the keys that do not enclose a line of this indent. An item of a list
// may stand as deep as its key.
func (r *yamlReader) pop(indent int, item bool) {
	for n := len(r.stack); n > 0; n-- {
		top := r.stack[n-1].indent
		if top < indent || item && top == indent {
			return
		}
		r.stack = r.stack[:n-1]
	}
}

func (r *yamlReader) inScript() bool {
	return len(r.stack) > 0 && scriptKeys[r.stack[len(r.stack)-1].key]
}

// setting yields "key : value"; the scope are the keys above it.
func (r *yamlReader) setting(key, value string) {
	scope := r.kind
	for _, l := range r.stack {
		scope += "/" + l.key
	}
	line := r.at + 1
	r.to.emit(unit{lang: LangYAML, scope: scope, last: line, words: []word{{text: key, line: line}, {text: ":", line: line}, {text: unquote(value), line: line}}})
}

// item yields an item of a list as a setting of the key above it.
func (r *yamlReader) item(rest []byte) {
	if len(r.stack) > 0 && !isKey(rest) {
		top := r.stack[len(r.stack)-1].key
		r.setting(top, string(rest))
	}
}

func isKey(text []byte) bool {
	_, _, found := cutKey(text)
	return found
}

// cutKey splits "key: value"; comments go.
func cutKey(text []byte) (key, value string, found bool) {
	if len(text) == 0 || text[0] == '[' || text[0] == '{' {
		return "", "", false
	}
	name, rest, found := bytes.Cut(text, []byte(":"))
	if !found || len(rest) > 0 && rest[0] != ' ' && rest[0] != '\t' || len(name) > 100 || bytes.ContainsAny(name, " \t$(;&|=") {
		return "", "", false
	}
	value = strings.TrimSpace(string(rest))
	if i := strings.Index(value, " #"); i >= 0 && !isScriptText(value) {
		value = strings.TrimSpace(value[:i])
	} else if strings.HasPrefix(value, "#") {
		value = ""
	}
	return strings.Trim(string(name), `"'`), value, true
}

func isScriptText(value string) bool { return strings.ContainsAny(value, `"'`) }

var blockHeader = regexp.MustCompile(`^(?:[&!][^ ]* +)*[|>][-+0-9]{0,2}(?: +#.*)?$`)

func isBlock(value string) bool { return blockHeader.MatchString(value) }

// flow reads the commands of {name: x, run: y} on one line.
func (r *yamlReader) flow(text []byte, indent int) bool {
	if len(text) < 2 || text[0] != '{' || text[1] == '{' || text[len(text)-1] != '}' {
		return false
	}
	quote, from := byte(0), 1
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == ',' || i == len(text)-1:
			if key, value, found := cutKey(bytes.TrimSpace(text[from:i])); found && scriptKeys[key] && value != "" && !isBlock(value) {
				r.command([]byte(value), indent)
			}
			from = i + 1
		}
	}
	return true
}

// below reads a command that begins on the line below its key.
func (r *yamlReader) below(indent int) {
	if r.at+1 >= len(r.lines) {
		return
	}
	next := r.lines[r.at+1]
	trimmed := bytes.TrimSpace(next)
	deeper := len(next)-len(bytes.TrimLeft(next, " ")) > indent
	if !deeper || len(trimmed) == 0 || len(trimmed) > maxYAMLLine || bytes.IndexByte([]byte("-#{["), trimmed[0]) >= 0 || isKey(trimmed) {
		return
	}
	from, lines := r.at+2, r.take(indent)
	shellUnits(bytes.Join(lines, []byte(" \\\n")), from, 0, variables{}, r.to) // it is one line
}

func unquote(value string) string {
	if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
		return value[1 : len(value)-1]
	}
	return value
}

// command reads the value of a script key: a block, a list in brackets, a text.
func (r *yamlReader) command(value []byte, indent int) {
	text := string(value)
	switch {
	case isBlock(text):
		from, lines := r.at+2, r.take(indent)
		shellUnits(bytes.Join(lines, []byte("\n")), from, 0, variables{}, r.to)
	case strings.HasPrefix(text, "["):
		shellUnits(fromList(value), r.at+1, 0, variables{}, r.to)
	default:
		shellUnits([]byte(unquote(text)), r.at+1, 0, variables{}, r.to)
	}
}

// block skips a text; SQL among it is read.
func (r *yamlReader) block(indent int) {
	from, lines := r.at+2, r.take(indent)
	if key := r.stack[len(r.stack)-1].key; strings.HasSuffix(key, ".sql") || key == "sql" || key == "query" {
		sqlUnits(bytes.Join(lines, []byte("\n")), from, 0, r.to)
	} else if strings.HasSuffix(key, ".sh") {
		shellUnits(bytes.Join(lines, []byte("\n")), from, 0, variables{}, r.to)
	}
}

// take moves over the lines that stand deeper than indent.
func (r *yamlReader) take(indent int) [][]byte {
	from := r.at + 1
	for r.at+1 < len(r.lines) {
		next := r.lines[r.at+1]
		trimmed := bytes.TrimLeft(next, " ")
		if len(bytes.TrimSpace(trimmed)) > 0 && len(next)-len(trimmed) <= indent {
			break
		}
		r.at++
	}
	return r.lines[from : r.at+1]
}

// fromList makes a command of ["sh", "-c", "…"].
func fromList(list []byte) []byte {
	out := bytes.Clone(list)
	quote := byte(0)
	for i, c := range out {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '[' || c == ']' || c == ',':
			out[i] = ' '
		}
	}
	return out
}
