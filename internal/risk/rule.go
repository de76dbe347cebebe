package risk

// Language is what a lexer of this package reads.
type Language string

// Languages. Files hold pieces of others: a workflow holds commands, a command
// can hold SQL.
const (
	LangSQL     Language = "sql"
	LangShell   Language = "shell"
	LangHCL     Language = "hcl"
	LangYAML    Language = "yaml"
	LangCode    Language = "code"
	langNothing Language = ""
)

// Rule is one kind of danger.
type Rule struct {
	ID   string
	Name string // of the risk
	// Reads is the language whose units the rule looks at: statements of SQL, simple
	// commands of shell, settings of HCL and YAML, tokens of code.
	Reads Language
	// Match are patterns of words; see [pattern].
	Match []string
	// Unless are patterns that make a unit harmless.
	Unless []string
	// Check is a further condition on what was matched.
	Check func(u *unit, at span) bool
	// Guard is a rule about a protection: not its presence is the danger but that
	// a change removes it.
	Guard bool
	Why   string // in words, for whoever reviews the change
	// Hits and Misses are examples that a test runs.
	Hits, Misses []Example
}

// Example is a file of one text.
type Example struct{ File, Text string }

// word is one token of a unit.
type word struct {
	text   string // as it is compared: folded in SQL, without quotes in shell
	line   int
	quoted bool // an identifier or a word in quotes, a literal of code
}

// unit is what a rule is matched with: a statement, a command, a setting, or the
// tokens of a file of code.
type unit struct {
	lang  Language
	words []word
	scope string // the block in which a setting stands; the same in the old and the new file
	pipe  string // the command that gets the output
	last  int    // line of its end
	vars  variables
	// rollback tells that the unit is part of what takes a migration back.
	rollback bool
	// again tells that this is another reading of a text that was read already: only
	// what begins a statement counts.
	again bool
}

// span is the part of a unit that a pattern matched: words[from:to].
type span struct{ from, to int }

func (u *unit) text(s span) []word { return u.words[s.from:s.to] }

func (u *unit) first() int {
	if len(u.words) == 0 {
		return u.last
	}
	return u.words[0].line
}
