package activity

import (
	"encoding/json"
	"fmt"
	"time"
)

// claudeLine is one line of claude's stream-json, which qwen writes too.
// Source: the Agent SDK's message types, and recorded output.
type claudeLine struct {
	Type      string    `json:"type"`
	Subtype   string    `json:"subtype"`
	Timestamp time.Time `json:"timestamp"`
	Message   struct {
		Content json.RawMessage `json:"content"`
	} `json:"message"`
	// of the result:
	IsError bool            `json:"is_error"`
	Result  string          `json:"result"`
	Error   json.RawMessage `json:"error"` // a word in a message, an object in a result
	Usage   struct {
		Input      int64 `json:"input_tokens"`
		CacheRead  int64 `json:"cache_read_input_tokens"`
		CacheWrite int64 `json:"cache_creation_input_tokens"`
		Output     int64 `json:"output_tokens"`
	} `json:"usage"`
}

// claudeBlock is one part of a message.
type claudeBlock struct {
	Type     string          `json:"type"`
	Text     string          `json:"text"`
	Thinking string          `json:"thinking"`
	Name     string          `json:"name"`
	Input    json.RawMessage `json:"input"`
	Content  json.RawMessage `json:"content"`
	IsError  bool            `json:"is_error"`
}

func decodeClaude(text []byte) ([]Event, error) {
	var line claudeLine
	if err := json.Unmarshal(text, &line); err != nil {
		return nil, err
	}
	switch line.Type {
	case "system", "stream_event", "rate_limit_event", "tool_progress":
		return nil, nil // how it is set up, and pieces of what comes whole later
	case "assistant", "user":
		return claudeMessage(line)
	case "result":
		return claudeResult(line), nil
	}
	return nil, errUnknown
}

func claudeMessage(line claudeLine) ([]Event, error) {
	var words string
	if err := json.Unmarshal(line.Message.Content, &words); err == nil {
		if line.Type == "user" {
			return nil, nil // the prompt
		}
		return []Event{{Kind: Message, Text: words, At: line.Timestamp}}, nil
	}
	var blocks []claudeBlock
	if err := json.Unmarshal(line.Message.Content, &blocks); err != nil {
		return nil, fmt.Errorf("read a message: %w", err)
	}
	var events []Event
	for _, block := range blocks {
		event := Event{At: line.Timestamp, Failed: block.IsError}
		switch block.Type {
		case "text":
			if line.Type == "user" {
				continue
			}
			event.Kind, event.Text = Message, block.Text
		case "thinking":
			event.Kind, event.Text = Reasoning, block.Thinking
		case "tool_use":
			event.Kind, event.Tool, event.Text = ToolUse, block.Name, describe(block.Input)
		case "tool_result":
			event.Kind, event.Text = Result, wording(block.Content)
		default:
			event.Kind, event.Text = Output, block.Type
		}
		events = append(events, event)
	}
	return events, nil
}

// claudeResult is the last line. is_error decides: with an error of the API, subtype still says "success".
func claudeResult(line claudeLine) []Event {
	failed := line.IsError || line.Subtype != "success"
	text := line.Result
	if text == "" {
		var problem struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(line.Error, &problem) == nil {
			text = problem.Message
		}
	}
	if text == "" && failed {
		text = line.Subtype
	}
	input := line.Usage.Input + line.Usage.CacheRead + line.Usage.CacheWrite
	return []Event{tokens(input, line.Usage.Output), {Kind: End, Text: text, Failed: failed, At: line.Timestamp}}
}

func tokens(input, output int64) Event {
	return Event{Kind: Usage, Text: fmt.Sprintf("%d tokens in, %d out", input, output)}
}

// telling are the inputs of tools that say best what is done, the best first.
var telling = []string{"command", "cmd", "file_path", "filePath", "absolute_path", "path", "pattern", "query", "url", "description", "prompt"}

// describe says what a tool is asked to do.
func describe(input json.RawMessage) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(input, &fields) == nil {
		for _, name := range telling {
			var value string
			if json.Unmarshal(fields[name], &value) == nil && value != "" {
				return value
			}
		}
	}
	if string(input) == "{}" || string(input) == "null" {
		return ""
	}
	return string(input)
}

// wording is the text of something that is a text, or a list of parts some of which are.
func wording(content json.RawMessage) string {
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(content, &parts) != nil {
		return string(content)
	}
	for _, part := range parts {
		if part.Text == "" {
			part.Text = "[" + part.Type + "]"
		}
		text += part.Text + "\n"
	}
	return text
}
