package activity

import (
	"encoding/json"
	"fmt"
	"strings"
)

// codexLine is one line of `codex exec --json`. Source: codex's exec_events, and recorded output.
type codexLine struct {
	Type    string    `json:"type"`
	Message string    `json:"message"`
	Item    codexItem `json:"item"`
	Error   struct {
		Message string `json:"message"`
	} `json:"error"`
	Usage struct {
		Input  int64 `json:"input_tokens"` // with the cached ones
		Output int64 `json:"output_tokens"`
	} `json:"usage"`
}

type codexItem struct {
	Type     string          `json:"type"`
	Text     string          `json:"text"`
	Message  string          `json:"message"`
	Command  string          `json:"command"`
	Output   string          `json:"aggregated_output"`
	ExitCode *int            `json:"exit_code"`
	Status   string          `json:"status"`
	Server   string          `json:"server"`
	Tool     string          `json:"tool"`
	Input    json.RawMessage `json:"arguments"`
	Query    string          `json:"query"`
	Changes  []struct {
		Path string `json:"path"`
		Kind string `json:"kind"`
	} `json:"changes"`
	Items []struct {
		Text      string `json:"text"`
		Completed bool   `json:"completed"`
	} `json:"items"`
}

func decodeCodex(text []byte) ([]Event, error) {
	var line codexLine
	if err := json.Unmarshal(text, &line); err != nil {
		return nil, err
	}
	switch line.Type {
	case "thread.started", "turn.started", "item.updated":
		return nil, nil
	case "item.started":
		return codexStarted(line.Item), nil
	case "item.completed":
		return codexCompleted(line.Item)
	case "error":
		return []Event{{Kind: Problem, Text: line.Message}}, nil
	case "turn.completed":
		return []Event{tokens(line.Usage.Input, line.Usage.Output), {Kind: End}}, nil
	case "turn.failed":
		return []Event{{Kind: End, Text: line.Error.Message, Failed: true}}, nil
	}
	return nil, errUnknown
}

// codexStarted tells of tools that take time; the others are told of when they are done.
func codexStarted(item codexItem) []Event {
	switch item.Type {
	case "command_execution":
		return []Event{{Kind: ToolUse, Tool: "shell", Text: item.Command}}
	case "mcp_tool_call":
		return []Event{{Kind: ToolUse, Tool: item.Server + "." + item.Tool, Text: describe(item.Input)}}
	}
	return nil
}

func codexCompleted(item codexItem) ([]Event, error) {
	failed := item.Status == "failed" || item.Status == "declined"
	switch item.Type {
	case "agent_message":
		return []Event{{Kind: Message, Text: item.Text}}, nil
	case "reasoning":
		return []Event{{Kind: Reasoning, Text: item.Text}}, nil
	case "command_execution":
		if item.ExitCode != nil && *item.ExitCode != 0 {
			failed = true
			item.Output = withExit(item.Output, *item.ExitCode)
		}
		return []Event{{Kind: Result, Tool: "shell", Text: item.Output, Failed: failed}}, nil
	case "mcp_tool_call":
		return []Event{{Kind: Result, Tool: item.Server + "." + item.Tool, Failed: failed}}, nil
	case "file_change":
		var changes []string
		for _, change := range item.Changes {
			changes = append(changes, change.Kind+" "+change.Path)
		}
		return []Event{{Kind: ToolUse, Tool: "edit", Text: strings.Join(changes, "\n"), Failed: failed}}, nil
	case "web_search":
		return []Event{{Kind: ToolUse, Tool: "web_search", Text: item.Query}}, nil
	case "todo_list":
		return []Event{{Kind: Reasoning, Text: todo(item)}}, nil
	case "error":
		return []Event{{Kind: Problem, Text: item.Message}}, nil
	}
	return nil, errUnknown
}

func withExit(output string, code int) string {
	return strings.TrimRight(output, "\n") + fmt.Sprintf("\n(exit code %d)", code)
}

func todo(item codexItem) string {
	var list strings.Builder
	for _, entry := range item.Items {
		mark := "[ ] "
		if entry.Completed {
			mark = "[x] "
		}
		list.WriteString(mark + entry.Text + "\n")
	}
	return list.String()
}
