// Package command reads what people write to CoderFlow: commands in comments
// and directives in reviews.
//
// A command stands at the start of a line of ordinary text. A line inside a
// block quote, code, a link, struck-out text, an HTML comment or an HTML element
// that quotes or folds away its content is somebody else's text, or an example,
// and is never a command. What counts is how CommonMark reads the text, not how
// the line looks by itself, so the text goes through a Markdown parser.
//
// Nothing that looks like a command is dropped silently: what cannot be followed
// is returned as a [Problem] to show to its author.
package command

// maxBody bounds the text that is read, in bytes. GitHub's own limit is 65,536
// characters.
const maxBody = 64 << 10

// maxCommands bounds the commands and problems of one text.
const maxCommands = 20

// Name is the word after /coderflow.
type Name string

// The commands.
const (
	Run    Name = "run"
	Status Name = "status"
	Help   Name = "help"
	Revise Name = "revise"
	Cancel Name = "cancel"
	Retry  Name = "retry"
	Rebase Name = "rebase"
	Check  Name = "check"
	Judge  Name = "judge"
	Why    Name = "why"
)

// Names returns every command, in the order of the help text.
func Names() []Name {
	return []Name{Run, Revise, Rebase, Retry, Cancel, Status, Why, Check, Judge, Help}
}

// Options are the options of [Run]. An empty one was not given.
type Options struct {
	Env    string
	Agents []string // by --agent one, by --agents several: each once, in their order
	Base   string   // a branch name by git's rules, without a leading dash
	// Supersede puts the new task in the place of one that is still open on the issue.
	Supersede bool
}

// Command is one command as its author meant it. Its words are checked for
// form only; whether the environment or the branch exists is not known here.
type Command struct {
	Name    Name
	Options Options
	// Checks are the names after check, and Judges those after judge; none means all.
	Checks, Judges []string
	// Text is what follows run or revise: the rest of the line and the text
	// below it up to the next command, without block quotes and HTML comments.
	Text string
	// Line is the line of the command, from 1.
	Line int
}

// Problem is a line that looks like a command and cannot be followed. Text may
// quote a stranger's words and must be escaped where it is shown.
type Problem struct {
	Line int // from 1; 0 if the text as a whole is meant
	Text string
}
