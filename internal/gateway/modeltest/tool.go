package modeltest

import (
	"encoding/json"
	"slices"
	"strings"
)

// Kinds of tools that a request may offer.
const (
	kindFunction   = "function"    // JSON arguments by a schema
	kindCustom     = "custom"      // free text
	kindLocalShell = "local_shell" // OpenAI's shell item
)

// tool is one that the agent offers.
type tool struct {
	name, kind string
	namespace  string // of OpenAI's grouped tools
	schema     map[string]any
}

// shellNames are the shell tools of the known agents, the preferred first.
var shellNames = []string{
	"Bash",                                                             // claude
	"exec_command", "shell_command", "shell", "container.exec", "exec", // codex
	"bash",              // opencode
	"run_shell_command", // gemini, qwen
	kindLocalShell,
}

// shellOf is the tool that runs commands.
func shellOf(tools []tool) (tool, bool) {
	for _, name := range shellNames {
		at := slices.IndexFunc(tools, func(t tool) bool {
			return t.name == name && (t.kind != kindCustom || name == "exec")
		})
		if at >= 0 {
			return tools[at], true
		}
	}
	return tool{}, false
}

// call is a use of the shell tool that runs the command.
func (t tool) call(command, id string) *toolCall {
	c := &toolCall{id: id, tool: t}
	switch t.kind {
	case kindCustom: // codex runs JavaScript that has its tools as functions
		arguments, _ := json.Marshal(map[string]any{"cmd": command, "yield_time_ms": 30000})
		c.input = "const r = await tools.exec_command(" + string(arguments) + ");\ntext(r.output ?? r);"
	case kindLocalShell:
		c.arguments = map[string]any{"type": "exec", "command": []string{"bash", "-lc", command}, "env": map[string]any{}}
	default:
		c.arguments = t.fill(command)
	}
	return c
}

// fill makes the arguments: the command where it belongs, and something valid
// for whatever else the schema requires.
func (t tool) fill(command string) map[string]any {
	properties, _ := t.schema["properties"].(map[string]any)
	required, _ := t.schema["required"].([]any)
	arguments := map[string]any{}
	for _, name := range []string{"command", "cmd", "script"} {
		property, ok := properties[name].(map[string]any)
		if !ok {
			continue
		}
		if typeOf(property) == "array" {
			arguments[name] = []string{"bash", "-lc", command}
		} else {
			arguments[name] = command
		}
		break
	}
	for _, r := range required {
		name, _ := r.(string)
		if _, done := arguments[name]; !done {
			arguments[name] = sample(properties[name], 0)
		}
	}
	if _, ok := properties["yield_time_ms"]; ok {
		arguments["yield_time_ms"] = 30000 // wait for the end instead of asking again
	}
	return arguments
}

// instance is a JSON text that follows the schema.
func instance(schema any) string {
	text, err := json.Marshal(sample(schema, 0))
	if err != nil {
		return "{}"
	}
	return string(text)
}

// sample is a small value that follows the schema: the first enum value (but
// "user" where someone asks who speaks next, which ends a conversation), numbers
// as small as allowed, required properties only.
func sample(schema any, depth int) any {
	s, _ := schema.(map[string]any)
	if depth > 8 || s == nil {
		return "scripted"
	}
	if values, ok := s["enum"].([]any); ok && len(values) > 0 {
		if slices.Contains(values, any("user")) {
			return "user"
		}
		return values[0]
	}
	if value, ok := s["const"]; ok {
		return value
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		if options, ok := s[key].([]any); ok && len(options) > 0 {
			return sample(options[0], depth+1)
		}
	}
	switch typeOf(s) {
	case "object":
		return sampleObject(s, depth)
	case "array":
		if least, _ := s["minItems"].(float64); least > 0 {
			return []any{sample(s["items"], depth+1)}
		}
		return []any{}
	case "boolean":
		return false
	case "number", "integer":
		least, _ := s["minimum"].(float64)
		return least
	case "null":
		return nil
	default:
		return "scripted"
	}
}

func sampleObject(s map[string]any, depth int) map[string]any {
	object := map[string]any{}
	properties, _ := s["properties"].(map[string]any)
	required, listed := s["required"].([]any)
	if !listed {
		for name, property := range properties {
			object[name] = sample(property, depth+1)
		}
	}
	for _, r := range required {
		if name, ok := r.(string); ok {
			object[name] = sample(properties[name], depth+1)
		}
	}
	return object
}

// typeOf is the schema's type in lower case: Gemini writes them in capitals, and
// a list of types stands for its first.
func typeOf(s map[string]any) string {
	switch t := s["type"].(type) {
	case string:
		return strings.ToLower(t)
	case []any:
		if len(t) > 0 {
			name, _ := t[0].(string)
			return strings.ToLower(name)
		}
	}
	if _, ok := s["properties"]; ok {
		return "object"
	}
	return ""
}
