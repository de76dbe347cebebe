package activity

import (
	"encoding/json"
	"time"
)

// opencodeLine is one line of `opencode run --format json`. Source: recorded output.
type opencodeLine struct {
	Type      string       `json:"type"`
	Timestamp int64        `json:"timestamp"` // milliseconds
	Part      opencodePart `json:"part"`
	Error     struct {
		Name string `json:"name"`
		Data struct {
			Message string `json:"message"`
		} `json:"data"`
	} `json:"error"`
}

type opencodePart struct {
	Text   string `json:"text"`
	Tool   string `json:"tool"`
	Reason string `json:"reason"`
	State  struct {
		Status   string          `json:"status"`
		Input    json.RawMessage `json:"input"`
		Output   string          `json:"output"`
		Error    string          `json:"error"`
		Metadata struct {
			Exit *int `json:"exit"`
		} `json:"metadata"`
	} `json:"state"`
	Tokens struct {
		Input  int64 `json:"input"`
		Output int64 `json:"output"`
		Cache  struct {
			Read  int64 `json:"read"`
			Write int64 `json:"write"`
		} `json:"cache"`
	} `json:"tokens"`
}

func decodeOpenCode(text []byte) ([]Event, error) {
	var line opencodeLine
	if err := json.Unmarshal(text, &line); err != nil {
		return nil, err
	}
	at := time.Time{}
	if line.Timestamp > 0 && line.Timestamp < 1<<43 { // before the year 2248: later ones have no JSON
		at = time.UnixMilli(line.Timestamp).UTC()
	}
	part := line.Part
	switch line.Type {
	case "step_start":
		return nil, nil
	case "text":
		return []Event{{Kind: Message, Text: part.Text, At: at}}, nil
	case "reasoning":
		return []Event{{Kind: Reasoning, Text: part.Text, At: at}}, nil
	case "tool_use":
		return opencodeTool(part, at), nil
	case "step_finish":
		used := tokens(part.Tokens.Input+part.Tokens.Cache.Read+part.Tokens.Cache.Write, part.Tokens.Output)
		used.At = at
		if part.Reason == "tool-calls" {
			return []Event{used}, nil
		}
		end := Event{Kind: End, At: at, Failed: part.Reason != "stop"}
		if end.Failed {
			end.Text = part.Reason
		}
		return []Event{used, end}, nil
	case "error":
		message := line.Error.Data.Message
		if message == "" {
			message = line.Error.Name
		}
		return []Event{{Kind: Problem, Text: message, At: at}, {Kind: End, Text: message, Failed: true, At: at}}, nil
	}
	return nil, errUnknown
}

// opencodeTool is told when the tool has answered.
func opencodeTool(part opencodePart, at time.Time) []Event {
	answer := Event{Kind: Result, Tool: part.Tool, Text: part.State.Output, Failed: part.State.Status == "error", At: at}
	if part.State.Error != "" {
		answer.Text = part.State.Error
	}
	if exit := part.State.Metadata.Exit; exit != nil && *exit != 0 {
		answer.Failed = true
		answer.Text = withExit(answer.Text, *exit)
	}
	return []Event{{Kind: ToolUse, Tool: part.Tool, Text: describe(part.State.Input), At: at}, answer}
}
