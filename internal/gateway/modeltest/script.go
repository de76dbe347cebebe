package modeltest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

// Script is what the model wants done, in order.
type Script struct {
	Turns []Turn
	// Final is the model's last message; "Done." when empty.
	Final string
	// Pace is the pause between two events of a stream; one millisecond when zero.
	Pace time.Duration
	// InputTokens and OutputTokens are reported as used by each answer; when zero,
	// a quarter of the bytes.
	InputTokens, OutputTokens int64
	// CutStreams ends each stream after its first events, without usage.
	CutStreams bool
}

// Turn is one answer before the final one: a shell command to run, or a failure.
type Turn struct {
	Say string // text before the call
	Run string // for the agent's shell tool
	// Status, when set, is answered instead: an error of the interface, with Header.
	Status int
	Header http.Header
	Error  string // its message
}

// Shell makes one turn of each command.
func Shell(commands ...string) []Turn {
	turns := make([]Turn, len(commands))
	for i, c := range commands {
		turns[i] = Turn{Run: c}
	}
	return turns
}

// Write is a turn that writes a file through the shell, whatever its bytes.
func Write(name, content string) Turn {
	encoded := base64.StdEncoding.EncodeToString([]byte(content))
	return Turn{Run: fmt.Sprintf("mkdir -p %s && printf %%s %s | base64 -d > %s", quote(path.Dir(name)), encoded, quote(name))}
}

// quote makes one word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// final is the last message.
func (s Script) final() string {
	if s.Final == "" {
		return "Done."
	}
	return s.Final
}

// question is what one request asks, in any of the interfaces.
type question struct {
	model   string
	method  string // of Gemini
	stream  bool
	results int    // tool results in the conversation so far
	tools   []tool // what the agent offers
	usage   bool   // a stream that shall end with its usage (Chat Completions)
	format  any    // the JSON schema that the answer must follow, or nil
	size    int    // bytes of the request
	mark    string // makes ids unique: a digest of the request
}

// answer is what the model says: text, a tool call, or both.
type answer struct {
	text          string
	call          *toolCall
	turn          int
	input, output int64 // tokens
}

// toolCall is one use of the agent's tool. Input is for free-form tools,
// Arguments for the others.
type toolCall struct {
	id        string
	tool      tool
	arguments map[string]any
	input     string
}

// next is the answer to a question; failure is set for a turn that fails.
func (s Script) next(q question) (a answer, failure *Turn) {
	a = answer{turn: q.results}
	shell, offered := shellOf(q.tools)
	switch {
	case !offered && q.format != nil:
		a.text = instance(q.format)
	case !offered:
		a.text = "Scripted."
	case q.results >= len(s.Turns) && q.format != nil:
		a.text = instance(q.format)
	case q.results >= len(s.Turns):
		a.text = s.final()
	case s.Turns[q.results].Status != 0:
		return a, &s.Turns[q.results]
	default:
		turn := s.Turns[q.results]
		a.text = turn.Say
		a.call = shell.call(turn.Run, fmt.Sprintf("%02d%s", q.results, q.mark))
	}
	a.input, a.output = s.InputTokens, s.OutputTokens
	if a.input == 0 {
		a.input = int64(q.size/4) + 1
	}
	if a.output == 0 {
		a.output = int64(len(a.text)/4) + 5
	}
	return a, nil
}
