package wire

import (
	"strings"
	"testing"
)

// answers are what providers send, with what they say was used.
var answers = map[string]struct {
	stream bool
	body   string
	want   Usage
	text   string
}{
	"anthropic stream": {true, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":7,\"cache_read_input_tokens\":11,\"output_tokens\":1}}}\n\n" +
		"event: content_block_start\r\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"x\",\"name\":\"Bash\",\"input\":{}}}\r\n\r\n" +
		"data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\"\"}}\n\n" +
		"data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":15}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
		Usage{InputTokens: 25, CacheWriteTokens: 7, CacheReadTokens: 11, OutputTokens: 15}, "\n[tool Bash] {\"a\""},
	"anthropic": {false, `{"type":"message","content":[{"type":"thinking","thinking":"hm "},{"type":"text","text":"hi"}],"usage":{"input_tokens":3,"output_tokens":4}}`,
		Usage{InputTokens: 3, OutputTokens: 4}, "hm hi"},
	"anthropic count": {false, `{"input_tokens":30}`, Usage{InputTokens: 401, OutputTokens: 1, Estimated: true}, ""},
	"responses stream": {true, "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n" +
		"data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":100,\"input_tokens_details\":{\"cached_tokens\":60},\"output_tokens\":9,\"output_tokens_details\":{\"reasoning_tokens\":5}}}}\n\n",
		Usage{InputTokens: 40, CacheReadTokens: 60, OutputTokens: 9}, "hi"},
	"responses": {false, `{"object":"response","output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]},{"type":"function_call","name":"f","arguments":"{}"}],"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":0},"output_tokens":6}}`,
		Usage{InputTokens: 5, OutputTokens: 6}, "hi\n[tool f] {}"},
	"responses failed": {true, "data: {\"type\":\"response.failed\",\"response\":{\"usage\":null}}\n\n", Usage{InputTokens: 401, OutputTokens: 1, Estimated: true}, ""},
	"chat stream": {true, "data: {\"choices\":[{\"delta\":{\"content\":\"h\"}}],\"usage\":null}\n\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n" +
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":15}}}\n\ndata: [DONE]\n\n",
		Usage{InputTokens: 5, CacheReadTokens: 15, OutputTokens: 3}, "h\n[tool f] {}"},
	"chat":               {false, `{"choices":[{"message":{"role":"assistant","content":null,"tool_calls":null}}],"usage":{"prompt_tokens":2,"completion_tokens":3}}`, Usage{InputTokens: 2, OutputTokens: 3}, ""},
	"chat without usage": {true, "data: {\"choices\":[{\"delta\":{\"content\":\"12345678\"}}]}\n\n", Usage{InputTokens: 401, OutputTokens: 3, Estimated: true}, "12345678"},
	"gemini stream": {true, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"h\"}]}}],\"usageMetadata\":{\"promptTokenCount\":10,\"totalTokenCount\":10}}\n\n" +
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{}}}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":10,\"cachedContentTokenCount\":4,\"candidatesTokenCount\":5,\"thoughtsTokenCount\":6,\"totalTokenCount\":21}}\n\n",
		Usage{InputTokens: 6, CacheReadTokens: 4, OutputTokens: 11}, "h\n[tool f] {}"},
	"gemini array": {false, `[{"candidates":[{"content":{"parts":[{"text":"h"}]}}]},{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2,"totalTokenCount":3}}]`,
		Usage{InputTokens: 1, OutputTokens: 2}, "h"},
	"not JSON":                 {false, "<html>", Usage{InputTokens: 401, OutputTokens: 1, Estimated: true}, ""},
	"a field of another shape": {false, `{"choices":[{"message":{"content":["x"]}}],"usage":{"prompt_tokens":2,"completion_tokens":3}}`, Usage{InputTokens: 2, OutputTokens: 3}, ""},
}

func TestUsageIsReadFromEveryAnswer(t *testing.T) {
	t.Parallel()
	for name, a := range answers {
		for _, step := range []int{1, 7, len(a.body)} {
			m := NewMeter(a.stream)
			for rest := a.body; rest != ""; rest = rest[min(step, len(rest)):] {
				_, _ = m.Write([]byte(rest[:min(step, len(rest))]))
			}
			usage, text := m.Finish(1600)
			if usage != a.want || text != a.text {
				t.Errorf("%s in steps of %d: %+v %q", name, step, usage, text)
			}
		}
	}
}

func TestAHostileAnswerTakesLittleMemory(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{true, false} {
		m := NewMeter(stream)
		piece := []byte("data: " + strings.Repeat("x", 1<<20))
		for range 64 {
			_, _ = m.Write(piece)
			if n := cap(m.line); n > 2*maxDocument {
				t.Fatalf("%d bytes are held", n)
			}
		}
		if usage, _ := m.Finish(0); !usage.Estimated || usage.OutputTokens < 1<<20 {
			t.Errorf("%+v", usage)
		}
	}
	m := NewMeter(true)
	for range 100_000 {
		_, _ = m.Write([]byte("data: {\"choices\":[{\"delta\":{\"content\":\"0123456789\"}}]}\n\n"))
	}
	if usage, text := m.Finish(0); len(text) > maxText+10 || !strings.HasSuffix(text, "[cut]") || usage.OutputTokens != 250_001 {
		t.Errorf("%d bytes of text, %+v", len(text), usage)
	}
}

func FuzzMeter(f *testing.F) {
	for _, a := range answers {
		f.Add(a.stream, []byte(a.body))
	}
	f.Fuzz(func(t *testing.T, stream bool, body []byte) {
		m := NewMeter(stream)
		_, _ = m.Write(body)
		if u, text := m.Finish(int64(len(body))); u.OutputTokens < 0 || u.InputTokens < 0 || len(text) > maxText+10 || u.Tokens() < 0 {
			t.Fatalf("%+v", u)
		}
	})
}
