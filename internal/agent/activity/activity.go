package activity

// Format is how an agent writes what it does.
type Format string

// The formats.
const (
	Text     Format = "text" // no structure
	Claude   Format = "claude"
	Codex    Format = "codex"
	Gemini   Format = "gemini"
	OpenCode Format = "opencode"
	Qwen     Format = "qwen"
)
