package modeltest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// responses is https://platform.openai.com/docs/api-reference/responses.
type responses struct{}

func bearer(r *http.Request) string {
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return key
}

func openaiError(status int, message string) any {
	code := any(nil)
	if status == http.StatusUnauthorized {
		code = "invalid_api_key"
	}
	return object{"error": object{"message": message, "type": "invalid_request_error", "param": nil, "code": code}}
}

func (responses) key(r *http.Request) string          { return bearer(r) }
func (responses) fail(status int, message string) any { return openaiError(status, message) }

func (responses) read(_ *http.Request, body map[string]any) (question, error) {
	q := question{}
	q.model, _ = body["model"].(string)
	q.stream, _ = body["stream"].(bool)
	if q.model == "" {
		return q, errors.New("missing required parameter: 'model'")
	}
	q.tools = openaiTools(body["tools"], "")
	switch input := body["input"].(type) {
	case string:
	case []any:
		for _, i := range input {
			item, _ := i.(map[string]any)
			results, err := responseItem(item)
			if err != nil {
				return q, err
			}
			q.results += results
			q.tools = append(q.tools, openaiTools(item["tools"], "")...)
		}
	default:
		return q, errors.New("missing required parameter: 'input'")
	}
	if text, ok := body["text"].(map[string]any); ok {
		if format, ok := text["format"].(map[string]any); ok {
			q.format = format["schema"]
		}
	}
	return q, nil
}

// responseItem counts the tool results of one item of the input.
func responseItem(item map[string]any) (int, error) {
	switch kind, _ := item["type"].(string); kind {
	case "function_call_output", "custom_tool_call_output", "local_shell_call_output", "shell_call_output":
		return 1, nil
	case "", "message", "reasoning", "function_call", "custom_tool_call", "local_shell_call", "shell_call",
		"additional_tools", "tool_search_call", "tool_search_output":
		return 0, nil
	default:
		return 0, fmt.Errorf("input: unexpected item type %q", kind)
	}
}

// openaiTools reads tools of both OpenAI interfaces, and groups of them.
func openaiTools(list any, namespace string) []tool {
	entries, _ := list.([]any)
	var tools []tool
	for _, e := range entries {
		fields, _ := e.(map[string]any)
		kind, _ := fields["type"].(string)
		name, _ := fields["name"].(string)
		switch kind {
		case "namespace":
			tools = append(tools, openaiTools(fields["tools"], name)...)
			continue
		case kindLocalShell:
			name = kindLocalShell
		}
		if inner, ok := fields["function"].(map[string]any); ok {
			fields = inner
			name, _ = inner["name"].(string)
		}
		schema, _ := fields["parameters"].(map[string]any)
		tools = append(tools, tool{name: name, kind: kind, namespace: namespace, schema: schema})
	}
	return tools
}

func (d responses) write(w *stream, q question, a answer) {
	items := []object{}
	if a.text != "" {
		items = append(items, object{"type": "message", "id": "msg_" + q.mark, "role": "assistant", "status": "completed",
			"content": []any{object{"type": "output_text", "text": a.text, "annotations": []any{}}}})
	}
	if a.call != nil {
		items = append(items, callItem(a.call))
	}
	response := object{"id": "resp_" + q.mark, "object": "response", "created_at": 1750000000, "model": q.model, "status": "completed",
		"error": nil, "incomplete_details": nil, "output": items, "parallel_tool_calls": false, "store": false,
		"usage": object{"input_tokens": a.input, "input_tokens_details": object{"cached_tokens": 0}, "output_tokens": a.output,
			"output_tokens_details": object{"reasoning_tokens": 0}, "total_tokens": a.input + a.output}}
	if !q.stream {
		w.document(response)
		return
	}
	e := &numbered{w: w}
	started := object{"id": response["id"], "object": "response", "created_at": 1750000000, "model": q.model, "status": "in_progress",
		"output": []any{}, "usage": nil}
	e.send("response.created", object{"response": started})
	e.send("response.in_progress", object{"response": started})
	for i, item := range items {
		d.item(e, i, item)
	}
	e.send("response.completed", object{"response": response})
}

// callItem is a tool call as an item of the output.
func callItem(c *toolCall) object {
	item := object{"id": "fc_" + c.id, "call_id": "call_" + c.id, "status": "completed"}
	switch c.tool.kind {
	case kindCustom:
		item["type"], item["name"], item["input"] = "custom_tool_call", c.tool.name, c.input
	case kindLocalShell:
		item["type"], item["action"] = "local_shell_call", c.arguments
	default:
		item["type"], item["name"], item["arguments"] = "function_call", c.tool.name, compact(c.arguments)
	}
	if c.tool.namespace != "" {
		item["namespace"] = c.tool.namespace
	}
	return item
}

// numbered adds to each event its type and number.
type numbered struct {
	w *stream
	n int
}

func (e *numbered) send(kind string, fields object) {
	fields["type"], fields["sequence_number"] = kind, e.n
	e.n++
	e.w.event(kind, fields)
}

// item streams one item of the output.
func (responses) item(e *numbered, index int, item object) {
	at := func(more object) object {
		more["output_index"], more["item_id"] = index, item["id"]
		return more
	}
	empty := object{}
	for name, value := range item {
		empty[name] = value
	}
	empty["status"] = "in_progress"
	text, field := "", ""
	switch item["type"] {
	case "message":
		empty["content"] = []any{}
	case "function_call":
		text, _ = item["arguments"].(string)
		field = "arguments"
	case "custom_tool_call":
		text, _ = item["input"].(string)
		field = "input"
	}
	if field != "" {
		empty[field] = ""
	}
	e.send("response.output_item.added", object{"output_index": index, "item": empty})
	switch item["type"] {
	case "message":
		part := item["content"].([]any)[0].(object)
		blank := object{"type": "output_text", "text": "", "annotations": []any{}}
		e.send("response.content_part.added", at(object{"content_index": 0, "part": blank}))
		for _, piece := range pieces(part["text"].(string)) {
			e.send("response.output_text.delta", at(object{"content_index": 0, "delta": piece}))
		}
		e.send("response.output_text.done", at(object{"content_index": 0, "text": part["text"]}))
		e.send("response.content_part.done", at(object{"content_index": 0, "part": part}))
	case "function_call", "custom_tool_call":
		kind := map[string]string{"arguments": "response.function_call_arguments", "input": "response.custom_tool_call_input"}[field]
		for _, piece := range pieces(text) {
			e.send(kind+".delta", at(object{"delta": piece}))
		}
		e.send(kind+".done", at(object{field: text}))
	}
	e.send("response.output_item.done", object{"output_index": index, "item": item})
}
