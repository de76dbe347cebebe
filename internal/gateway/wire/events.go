package wire

import (
	"encoding/json"
	"strings"
)

// event is the union of what the protocols' events and documents say. A field
// whose shape differs between them is kept raw.
type event struct {
	Type string `json:"type"`

	Message      *document       `json:"message"`       // Anthropic, message_start
	ContentBlock *block          `json:"content_block"` // Anthropic
	Delta        json.RawMessage `json:"delta"`         // Anthropic: an object; Responses: a string
	Content      []block         `json:"content"`       // Anthropic, not streamed

	Response *document `json:"response"` // Responses
	Item     *block    `json:"item"`
	Output   []block   `json:"output"` // Responses, not streamed

	Choices []choice `json:"choices"` // Chat Completions

	Candidates    []candidate  `json:"candidates"` // Gemini
	UsageMetadata *geminiUsage `json:"usageMetadata"`

	Usage *usage `json:"usage"`
}

type document struct {
	Usage *usage `json:"usage"`
}

// usage is Anthropic's and OpenAI's.
type usage struct {
	InputTokens      *int64 `json:"input_tokens"`
	OutputTokens     *int64 `json:"output_tokens"`
	CacheRead        int64  `json:"cache_read_input_tokens"`
	CacheWrite       int64  `json:"cache_creation_input_tokens"`
	PromptTokens     *int64 `json:"prompt_tokens"`
	CompletionTokens *int64 `json:"completion_tokens"`
	InputDetails     *struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	PromptDetails *struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

type block struct {
	Type        string          `json:"type"`
	Text        string          `json:"text"`
	Thinking    string          `json:"thinking"`
	PartialJSON string          `json:"partial_json"`
	Name        string          `json:"name"`
	Arguments   string          `json:"arguments"`
	Input       json.RawMessage `json:"input"`
	Content     []struct {
		Text string `json:"text"`
	} `json:"content"`
}

type choice struct {
	Delta   *chatMessage `json:"delta"`
	Message *chatMessage `json:"message"`
}

type chatMessage struct {
	Content   string `json:"content"`
	Reasoning string `json:"reasoning_content"`
	ToolCalls []struct {
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

type candidate struct {
	Content struct {
		Parts []struct {
			Text         string `json:"text"`
			FunctionCall *struct {
				Name string          `json:"name"`
				Args json.RawMessage `json:"args"`
			} `json:"functionCall"`
		} `json:"parts"`
	} `json:"content"`
	FinishReason string `json:"finishReason"`
}

type geminiUsage struct {
	Prompt     int64 `json:"promptTokenCount"`
	Candidates int64 `json:"candidatesTokenCount"`
	Thoughts   int64 `json:"thoughtsTokenCount"`
	Tools      int64 `json:"toolUsePromptTokenCount"`
	Cached     int64 `json:"cachedContentTokenCount"`
	Total      int64 `json:"totalTokenCount"`
}

// anthropic reads message_start, the deltas, and a whole message.
func (m *Meter) anthropic(e *event) {
	switch e.Type {
	case "message_start":
		if e.Message != nil {
			m.count(e.Message.Usage, false)
		}
	case "message_delta":
		m.count(e.Usage, true)
	case "message":
		m.count(e.Usage, true)
		for _, b := range e.Content {
			m.block(b)
		}
	case "content_block_start":
		if e.ContentBlock != nil {
			m.tool(e.ContentBlock.Name)
		}
	case "content_block_delta":
		var d block
		if json.Unmarshal(e.Delta, &d) == nil {
			m.say(d.Text, d.Thinking, d.PartialJSON)
		}
	}
}

// block keeps a complete part of an answer.
func (m *Meter) block(b block) {
	m.tool(b.Name)
	m.say(b.Text, b.Thinking, b.Arguments)
	if len(b.Input) > 0 {
		m.say(string(b.Input))
	}
	for _, part := range b.Content {
		m.say(part.Text)
	}
}

// responses reads the deltas and the end of a response, and a whole one.
func (m *Meter) responses(e *event) {
	switch {
	case e.Type == "response.completed" || e.Type == "response.incomplete" || e.Type == "response.failed":
		if e.Response != nil {
			m.count(e.Response.Usage, true)
		}
	case e.Type == "response.output_item.added" && e.Item != nil:
		m.tool(e.Item.Name)
	case strings.HasPrefix(e.Type, "response.") && strings.HasSuffix(e.Type, ".delta"):
		var text string
		if json.Unmarshal(e.Delta, &text) == nil {
			m.say(text)
		}
	case e.Type == "" && len(e.Output) > 0:
		m.count(e.Usage, true)
		for _, b := range e.Output {
			m.block(b)
		}
	case e.Type == "" && len(e.Choices) == 0 && e.Usage != nil:
		m.count(e.Usage, true) // the last chunk of Chat Completions, or an empty response
	}
}

func (m *Meter) chat(e *event) {
	for _, c := range e.Choices {
		for _, message := range []*chatMessage{c.Delta, c.Message} {
			if message == nil {
				continue
			}
			m.say(message.Content, message.Reasoning)
			for _, call := range message.ToolCalls {
				m.tool(call.Function.Name)
				m.say(call.Function.Arguments)
			}
		}
	}
	if len(e.Choices) > 0 {
		m.count(e.Usage, true)
	}
}

func (m *Meter) gemini(e *event) {
	ended := false
	for _, c := range e.Candidates {
		ended = ended || c.FinishReason != ""
		for _, part := range c.Content.Parts {
			m.say(part.Text)
			if part.FunctionCall != nil {
				m.tool(part.FunctionCall.Name)
				m.say(string(part.FunctionCall.Args))
			}
		}
	}
	if u := e.UsageMetadata; u != nil {
		m.input, m.output = true, m.output || ended
		m.usage.CacheReadTokens = u.Cached
		m.usage.InputTokens = max(0, u.Prompt-u.Cached) + u.Tools
		m.usage.OutputTokens = max(u.Candidates+u.Thoughts, u.Total-u.Prompt-u.Tools)
	}
}

// count takes figures; later ones replace earlier ones. OpenAI counts cached
// tokens among those of the input, Anthropic beside them.
func (m *Meter) count(u *usage, final bool) {
	if u == nil {
		return
	}
	if n := first(u.InputTokens, u.PromptTokens); n != nil {
		cached := u.CacheRead
		if u.InputDetails != nil {
			cached = u.InputDetails.Cached
		} else if u.PromptDetails != nil {
			cached = u.PromptDetails.Cached
		}
		m.input = true
		m.usage.InputTokens, m.usage.CacheReadTokens, m.usage.CacheWriteTokens = *n, cached, u.CacheWrite
		if u.InputDetails != nil || u.PromptTokens != nil {
			m.usage.InputTokens = max(0, *n-cached)
		}
	}
	if n := first(u.OutputTokens, u.CompletionTokens); n != nil {
		m.output = m.output || final
		m.usage.OutputTokens = *n
	}
}

func first(numbers ...*int64) *int64 {
	for _, n := range numbers {
		if n != nil {
			return n
		}
	}
	return nil
}
