package modeltest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// gemini is https://ai.google.dev/api/generate-content, v1beta.
type gemini struct{}

func (gemini) key(r *http.Request) string {
	if key := r.Header.Get("X-Goog-Api-Key"); key != "" {
		return key
	}
	return r.URL.Query().Get("key")
}

func (gemini) fail(status int, message string) any {
	names := map[int]string{400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED"}
	name := names[status]
	if name == "" {
		name = "INTERNAL"
	}
	return object{"error": object{"code": status, "message": message, "status": name}}
}

func (gemini) read(r *http.Request, body map[string]any) (question, error) {
	model, method, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1beta/models/"), ":")
	q := question{model: model, method: method}
	switch method {
	case "generateContent", "countTokens":
	case "streamGenerateContent":
		q.stream = true
		if r.URL.Query().Get("alt") != "sse" {
			return q, errors.New("streamGenerateContent is known with alt=sse only")
		}
	default:
		return q, fmt.Errorf("unknown method %q", method)
	}
	contents, _ := body["contents"].([]any)
	if len(contents) == 0 && method != "countTokens" {
		return q, errors.New("contents is not specified")
	}
	for _, c := range contents {
		results, err := geminiContent(c)
		if err != nil {
			return q, err
		}
		q.results += results
	}
	if config, ok := body["generationConfig"].(map[string]any); ok {
		for _, key := range []string{"responseJsonSchema", "responseSchema"} {
			if schema, ok := config[key]; ok && q.format == nil {
				q.format = schema
			}
		}
	}
	q.tools = geminiTools(body["tools"])
	return q, nil
}

// geminiContent counts the function responses of one content.
func geminiContent(c any) (int, error) {
	content, _ := c.(map[string]any)
	switch content["role"] {
	case "user", "model", "function", nil:
	default:
		return 0, fmt.Errorf("contents: unexpected role %q", content["role"])
	}
	parts, _ := content["parts"].([]any)
	results := 0
	for _, p := range parts {
		part, _ := p.(map[string]any)
		if _, ok := part["functionResponse"]; ok {
			results++
		}
	}
	return results, nil
}

func geminiTools(list any) []tool {
	groups, _ := list.([]any)
	var tools []tool
	for _, g := range groups {
		group, _ := g.(map[string]any)
		declarations, _ := group["functionDeclarations"].([]any)
		for _, f := range declarations {
			fields, _ := f.(map[string]any)
			name, _ := fields["name"].(string)
			schema, ok := fields["parametersJsonSchema"].(map[string]any)
			if !ok {
				schema, _ = fields["parameters"].(map[string]any)
			}
			tools = append(tools, tool{name: name, kind: kindFunction, schema: schema})
		}
	}
	return tools
}

func (gemini) write(w *stream, q question, a answer) {
	if q.method == "countTokens" {
		w.document(object{"totalTokens": a.input})
		return
	}
	usage := object{"promptTokenCount": a.input, "candidatesTokenCount": a.output, "totalTokenCount": a.input + a.output}
	chunk := func(parts []any, finish bool) object {
		candidate := object{"content": object{"role": "model", "parts": parts}, "index": 0}
		value := object{"candidates": []any{candidate}, "modelVersion": q.model, "responseId": q.mark}
		if finish {
			candidate["finishReason"] = "STOP"
			value["usageMetadata"] = usage
		}
		return value
	}
	var last []any
	if a.call != nil {
		last = append(last, object{"functionCall": object{"name": a.call.tool.name, "args": a.call.arguments}, "thoughtSignature": "c2NyaXB0ZWQ="})
	}
	if !q.stream {
		if a.text != "" {
			last = append([]any{object{"text": a.text}}, last...)
		}
		w.document(chunk(last, true))
		return
	}
	for _, piece := range pieces(a.text) {
		w.event("", chunk([]any{object{"text": piece}}, false))
	}
	if last == nil {
		last = []any{object{"text": ""}}
	}
	w.event("", chunk(last, true))
}
