package modeltest

import (
	"errors"
	"fmt"
	"net/http"
)

// chat is https://platform.openai.com/docs/api-reference/chat.
type chat struct{}

func (chat) key(r *http.Request) string          { return bearer(r) }
func (chat) fail(status int, message string) any { return openaiError(status, message) }

func (chat) read(_ *http.Request, body map[string]any) (question, error) {
	q := question{}
	q.model, _ = body["model"].(string)
	q.stream, _ = body["stream"].(bool)
	messages, _ := body["messages"].([]any)
	if q.model == "" || len(messages) == 0 {
		return q, errors.New("'model' and 'messages' are required")
	}
	for _, m := range messages {
		fields, _ := m.(map[string]any)
		switch fields["role"] {
		case "tool":
			q.results++
		case "system", "developer", "user", "assistant":
		default:
			return q, fmt.Errorf("messages: unexpected role %q", fields["role"])
		}
	}
	q.tools = openaiTools(body["tools"], "")
	if format, ok := body["response_format"].(map[string]any); ok {
		switch format["type"] {
		case "json_schema":
			inner, _ := format["json_schema"].(map[string]any)
			q.format = inner["schema"]
		case "json_object":
			q.format = object{"type": "object"}
		}
	}
	if options, ok := body["stream_options"].(map[string]any); ok && q.stream {
		q.usage, _ = options["include_usage"].(bool)
	}
	return q, nil
}

func (d chat) write(w *stream, q question, a answer) {
	message, finish := object{"role": "assistant", "content": a.text}, "stop"
	if a.call != nil {
		finish = "tool_calls"
		message["tool_calls"] = []any{object{"id": "call_" + a.call.id, "type": "function",
			"function": object{"name": a.call.tool.name, "arguments": compact(a.call.arguments)}}}
	}
	usage := object{"prompt_tokens": a.input, "completion_tokens": a.output, "total_tokens": a.input + a.output,
		"prompt_tokens_details": object{"cached_tokens": 0}}
	if !q.stream {
		w.document(object{"id": "chatcmpl-" + q.mark, "object": "chat.completion", "created": 1750000000, "model": q.model,
			"choices": []any{object{"index": 0, "message": message, "finish_reason": finish, "logprobs": nil}}, "usage": usage})
		return
	}
	chunk := func(delta object, finish any) {
		w.event("", object{"id": "chatcmpl-" + q.mark, "object": "chat.completion.chunk", "created": 1750000000, "model": q.model,
			"choices": []any{object{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": nil}}})
	}
	chunk(object{"role": "assistant", "content": ""}, nil)
	for _, piece := range pieces(a.text) {
		chunk(object{"content": piece}, nil)
	}
	if a.call != nil {
		d.call(chunk, a.call)
	}
	chunk(object{}, finish)
	if q.usage {
		w.event("", object{"id": "chatcmpl-" + q.mark, "object": "chat.completion.chunk", "created": 1750000000, "model": q.model,
			"choices": []any{}, "usage": usage})
	}
	w.raw("", "[DONE]")
}

// call streams one tool call.
func (chat) call(chunk func(object, any), c *toolCall) {
	entry := func(fields object) object { return object{"tool_calls": []any{fields}} }
	chunk(entry(object{"index": 0, "id": "call_" + c.id, "type": "function",
		"function": object{"name": c.tool.name, "arguments": ""}}), nil)
	for _, piece := range pieces(compact(c.arguments)) {
		chunk(entry(object{"index": 0, "function": object{"arguments": piece}}), nil)
	}
}
