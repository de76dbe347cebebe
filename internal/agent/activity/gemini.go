package activity

import (
	"encoding/json"
	"time"
)

// geminiLine is one line of gemini's stream-json. Source: recorded output.
type geminiLine struct {
	Type       string          `json:"type"`
	Timestamp  time.Time       `json:"timestamp"`
	Role       string          `json:"role"`
	Content    string          `json:"content"`
	Delta      bool            `json:"delta"`
	ToolName   string          `json:"tool_name"`
	Parameters json.RawMessage `json:"parameters"`
	Status     string          `json:"status"`
	Output     string          `json:"output"`
	Message    string          `json:"message"`
	Error      struct {
		Message string `json:"message"`
	} `json:"error"`
	Stats struct {
		Input  int64 `json:"input_tokens"`
		Output int64 `json:"output_tokens"`
	} `json:"stats"`
}

func decodeGemini(text []byte) ([]Event, error) {
	var line geminiLine
	if err := json.Unmarshal(text, &line); err != nil {
		return nil, err
	}
	event := Event{At: line.Timestamp, Failed: line.Status != "" && line.Status != "success"}
	switch line.Type {
	case "init":
		return nil, nil
	case "message":
		if line.Role == "user" {
			return nil, nil // the prompt
		}
		event.Kind, event.Text = Message, line.Content
		if line.Delta {
			event.Kind = piece
		}
	case "tool_use":
		event.Kind, event.Tool, event.Text = ToolUse, line.ToolName, describe(line.Parameters)
	case "tool_result":
		event.Kind, event.Text = Result, line.Output
		if line.Output == "" {
			event.Text = line.Error.Message
		}
	case "error":
		event.Kind, event.Text = Problem, line.Message
	case "result":
		event.Kind, event.Text = End, line.Error.Message
		return []Event{tokens(line.Stats.Input, line.Stats.Output), event}, nil
	default:
		return nil, errUnknown
	}
	return []Event{event}, nil
}
