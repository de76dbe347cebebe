package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// MaxBytes is the largest file that is read. The YAML parser's time grows with
	// the square of it: at this size the worst that is known takes about a second.
	MaxBytes = 256 << 10
	// maxDepth bounds nesting: the YAML parser recurses without a limit of its own.
	maxDepth = 32
)

type position struct{ line, column int }

// Document is one YAML document of a file, with the places of its keys.
type Document struct {
	file string
	body ast.Node
	at   map[string]position
}

// Parse reads all documents of a file; empty ones are left out. name is used in
// problems only. The error is a *[Problem].
func Parse(name string, data []byte) (docs []*Document, err error) {
	if err := precheck(name, data); err != nil {
		return nil, err
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	defer func() {
		if r := recover(); r != nil { // a bug of the YAML library is a refusal, not a crash
			docs, err = nil, &Problem{File: name, Text: fmt.Sprintf("is not YAML that can be read: %v", r)}
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if err := checkTokens(name, tokens); err != nil {
		return nil, err
	}
	for _, part := range split(tokens) {
		d, err := parseDocument(name, part)
		if err != nil {
			return nil, err
		}
		if d != nil {
			docs = append(docs, d)
		}
	}
	return docs, nil
}

// split cuts the tokens into documents. The library's own way loses everything
// that follows an empty document, and a lost role binding or gate is not seen by
// anybody; so each document is parsed by itself.
func split(tokens token.Tokens) []token.Tokens {
	var parts []token.Tokens
	var part token.Tokens
	for _, tk := range tokens {
		switch tk.Type {
		case token.DocumentHeaderType, token.DocumentEndType:
			parts, part = append(parts, part), nil
		case token.CommentType:
		default:
			part = append(part, tk)
		}
	}
	return append(parts, part)
}

// parseDocument returns nil for an empty document.
func parseDocument(name string, tokens token.Tokens) (*Document, error) {
	if len(tokens) == 0 {
		return nil, nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // found by Decode, all of them
	if err != nil {
		return nil, syntaxProblem(name, err)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, tokenProblem(name, tokens[0], "is not YAML that can be read")
	}
	body := file.Docs[0].Body
	if lost := lostToken(tokens, body); lost != nil {
		return nil, tokenProblem(name, lost, fmt.Sprintf("%q would be ignored here; check the indentation", excerpt(lost.Value)))
	}
	if body.Type() == ast.NullType {
		return nil, nil
	}
	return &Document{file: name, body: body, at: map[string]position{"": place(body)}}, nil
}

// lostToken returns a value that the parser read and that is not in its result.
func lostToken(tokens token.Tokens, body ast.Node) *token.Token {
	kept := map[*token.Token]bool{}
	ast.Walk(collector(kept), body)
	for _, tk := range tokens {
		switch tk.Type {
		case token.StringType, token.SingleQuoteType, token.DoubleQuoteType, token.IntegerType, token.FloatType,
			token.BinaryIntegerType, token.OctetIntegerType, token.HexIntegerType, token.BoolType, token.NullType,
			token.InfinityType, token.NanType:
			if !kept[tk] {
				return tk
			}
		}
	}
	return nil
}

type collector map[*token.Token]bool

// Visit implements ast.Visitor.
func (c collector) Visit(n ast.Node) ast.Visitor {
	c[n.GetToken()] = true
	return c
}

func excerpt(text string) string {
	const most = 40
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func precheck(name string, data []byte) error {
	switch {
	case len(data) > MaxBytes:
		return &Problem{File: name, Text: fmt.Sprintf("is larger than %s", Size(MaxBytes))}
	case !utf8.Valid(data):
		return &Problem{File: name, Text: "is not valid UTF-8"}
	case bytes.IndexByte(data, 0) >= 0:
		return &Problem{File: name, Text: "contains a NUL byte; is it YAML?"}
	}
	return nil
}

// checkTokens refuses what this dialect has no use for, and nesting that the
// recursive parser could not survive. Nesting by indentation is bounded by the
// size of the file (it grows with its square root).
func checkTokens(name string, tokens token.Tokens) error {
	flow, line, onLine := 0, 0, 0
	onHeader, headerLine := false, 0
	for _, tk := range tokens {
		if tk.Position.Line != line {
			line, onLine = tk.Position.Line, 0
		}
		if onHeader && tk.Position.Line == headerLine && tk.Type != token.CommentType {
			return tokenProblem(name, tk, "begin the document on a line of its own, below ---")
		}
		onHeader, headerLine = tk.Type == token.DocumentHeaderType || (onHeader && tk.Type == token.CommentType), tk.Position.Line
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			onLine++
		}
		switch tk.Type {
		case token.AnchorType, token.AliasType:
			return tokenProblem(name, tk, "anchors and aliases are not supported; write the value out where it is needed")
		case token.MergeKeyType:
			return tokenProblem(name, tk, "merge keys are not supported; write the keys out where they are needed")
		case token.TagType:
			return tokenProblem(name, tk, "tags are not supported")
		case token.DirectiveType:
			return tokenProblem(name, tk, "YAML directives are not supported")
		}
		if flow > maxDepth || onLine > maxDepth {
			return tokenProblem(name, tk, fmt.Sprintf("is nested deeper than %d levels", maxDepth))
		}
	}
	return nil
}

func tokenProblem(name string, tk *token.Token, text string) error {
	return &Problem{File: name, Line: tk.Position.Line, Column: tk.Position.Column, Text: text}
}

func syntaxProblem(name string, err error) error {
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil {
		return tokenProblem(name, syntax.GetToken(), syntax.GetMessage())
	}
	return &Problem{File: name, Text: err.Error()}
}

func place(n ast.Node) position {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		n = m.Values[0].Key
	}
	tk := n.GetToken()
	if tk == nil || tk.Position == nil {
		return position{}
	}
	return position{tk.Position.Line, tk.Position.Column}
}

// Problem makes a problem at the key path, or at the nearest place above it
// that is in the document.
func (d *Document) Problem(path, format string, args ...any) *Problem {
	at, known := d.at[path]
	for above := path; !known && above != ""; {
		above = above[:max(strings.LastIndexAny(above, ".["), 0)]
		at, known = d.at[above]
	}
	return &Problem{File: d.file, Line: at.line, Column: at.column, Path: path, Text: fmt.Sprintf(format, args...)}
}

// Scalar returns the text of a top-level key, or "" if it is missing or not a scalar.
func (d *Document) Scalar(key string) string {
	m, ok := d.body.(*ast.MappingNode)
	if !ok {
		return ""
	}
	for _, kv := range m.Values {
		if keyText(kv) == key {
			text, _ := scalarText(kv.Value)
			return text
		}
	}
	return ""
}

func keyText(kv *ast.MappingValueNode) string {
	if tk := kv.Key.GetToken(); tk != nil {
		return tk.Value
	}
	return ""
}

// Named returns a document without content, for problems of things that were
// not read from a file.
func Named(name string) *Document {
	return &Document{file: name, at: map[string]position{}}
}
