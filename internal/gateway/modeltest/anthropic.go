package modeltest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// anthropic is https://docs.anthropic.com/en/api/messages, version 2023-06-01.
type anthropic struct{ count bool }

func (anthropic) key(r *http.Request) string {
	if key := r.Header.Get("X-Api-Key"); key != "" {
		return key
	}
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func (anthropic) fail(status int, message string) any {
	kinds := map[int]string{400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
		404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}
	kind := kinds[status]
	if kind == "" {
		kind = "api_error"
	}
	return object{"type": "error", "error": object{"type": kind, "message": message}}
}

func (d anthropic) read(r *http.Request, body map[string]any) (question, error) {
	q := question{}
	q.model, _ = body["model"].(string)
	q.stream, _ = body["stream"].(bool)
	messages, ok := body["messages"].([]any)
	limit, _ := body["max_tokens"].(float64)
	switch {
	case q.model == "":
		return q, errors.New("model: field required")
	case !ok || len(messages) == 0:
		return q, errors.New("messages: at least one message is required")
	case !d.count && limit < 1:
		return q, errors.New("max_tokens: field required")
	case r.Header.Get("Anthropic-Version") == "":
		return q, errors.New("anthropic-version: header is required")
	}
	for _, m := range messages {
		results, err := anthropicMessage(m)
		if err != nil {
			return q, err
		}
		q.results += results
	}
	if config, ok := body["output_config"].(map[string]any); ok {
		if format, ok := config["format"].(map[string]any); ok {
			q.format = format["schema"]
		}
	}
	tools, _ := body["tools"].([]any)
	for _, t := range tools {
		fields, _ := t.(map[string]any)
		name, _ := fields["name"].(string)
		schema, _ := fields["input_schema"].(map[string]any)
		q.tools = append(q.tools, tool{name: name, kind: kindFunction, schema: schema})
	}
	return q, nil
}

// anthropicMessage counts the tool results of one message.
func anthropicMessage(m any) (int, error) {
	fields, _ := m.(map[string]any)
	switch fields["role"] {
	case "user", "assistant", "system":
	default:
		return 0, fmt.Errorf("messages: unexpected role %q", fields["role"])
	}
	blocks, ok := fields["content"].([]any)
	if _, text := fields["content"].(string); !ok && !text {
		return 0, errors.New("messages: content is required")
	}
	results := 0
	for _, b := range blocks {
		block, _ := b.(map[string]any)
		switch block["type"] {
		case "tool_result":
			results++
		case "text", "image", "document", "thinking", "redacted_thinking", "tool_use", "search_result", "tool_reference", "mid_conversation_system":
		default:
			return 0, fmt.Errorf("messages: unexpected content type %q", block["type"])
		}
	}
	return results, nil
}

func (d anthropic) write(w *stream, q question, a answer) {
	if d.count {
		w.document(object{"input_tokens": a.input})
		return
	}
	content, stop := []any{}, "end_turn"
	if a.text != "" {
		content = append(content, object{"type": "text", "text": a.text})
	}
	if a.call != nil {
		stop = "tool_use"
		content = append(content, object{"type": "tool_use", "id": "toolu_" + a.call.id, "name": a.call.tool.name, "input": a.call.arguments})
	}
	usage := object{"input_tokens": a.input, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": a.output}
	message := object{"id": "msg_" + q.mark, "type": "message", "role": "assistant", "model": q.model, "content": content,
		"stop_reason": stop, "stop_sequence": nil, "usage": usage}
	if !q.stream {
		w.document(message)
		return
	}
	message["content"], message["stop_reason"] = []any{}, nil
	message["usage"] = object{"input_tokens": a.input, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
	w.event("message_start", object{"type": "message_start", "message": message})
	w.event("ping", object{"type": "ping"})
	for i, block := range content {
		d.block(w, i, block.(object))
	}
	w.event("message_delta", object{"type": "message_delta", "delta": object{"stop_reason": stop, "stop_sequence": nil},
		"usage": object{"output_tokens": a.output}})
	w.event("message_stop", object{"type": "message_stop"})
}

// block streams one content block.
func (anthropic) block(w *stream, index int, block object) {
	text, _ := block["text"].(string)
	start, kind, field := object{"type": "text", "text": ""}, "text_delta", "text"
	if block["type"] == "tool_use" {
		start = object{"type": "tool_use", "id": block["id"], "name": block["name"], "input": object{}}
		text, kind, field = compact(block["input"]), "input_json_delta", "partial_json"
	}
	w.event("content_block_start", object{"type": "content_block_start", "index": index, "content_block": start})
	for _, piece := range pieces(text) {
		w.event("content_block_delta", object{"type": "content_block_delta", "index": index, "delta": object{"type": kind, field: piece}})
	}
	w.event("content_block_stop", object{"type": "content_block_stop", "index": index})
}
