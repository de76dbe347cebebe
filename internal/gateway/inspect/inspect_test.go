package inspect

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/gateway/wire"
	"github.com/coderflow/coderflow/internal/secret"
)

func route(t testing.TB, p wire.Protocol, target string) wire.Route {
	t.Helper()
	r, refusal := p.Match(http.MethodPost, target)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return r
}

var policy = Policy{Models: []string{"m", "n-*"}}

// targets are the routes of the tables below, by a short name.
var targets = map[string]struct {
	protocol wire.Protocol
	target   string
	frame    string // of a request around the tested part
}{
	"anthropic": {wire.Anthropic, "/v1/messages?beta=true", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"go"}],PART}`},
	"count":     {wire.Anthropic, "/v1/messages/count_tokens", `{"model":"m","messages":[{"role":"user","content":"go"}],PART}`},
	"block":     {wire.Anthropic, "/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[PART]}]}`},
	"responses": {wire.OpenAI, "/v1/responses", `{"model":"m","input":"go",PART}`},
	"item":      {wire.OpenAI, "/v1/responses", `{"model":"m","input":[PART]}`},
	"chat":      {wire.OpenAI, "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"go"}],PART}`},
	"message":   {wire.OpenAI, "/v1/chat/completions", `{"model":"m","messages":[PART]}`},
	"gemini":    {wire.Gemini, "/v1beta/models/m:generateContent", `{"contents":[{"parts":[{"text":"go"}]}],PART}`},
	"part":      {wire.Gemini, "/v1beta/models/m:streamGenerateContent?alt=sse", `{"contents":[{"role":"user","parts":[PART]}]}`},
	"gcount":    {wire.Gemini, "/v1beta/models/m:countTokens", `{PART}`},
}

func inspectPart(t *testing.T, target, part string) (Result, *wire.Refusal) {
	t.Helper()
	to, ok := targets[target]
	if !ok {
		t.Fatalf("no target %s", target)
	}
	return policy.Body(route(t, to.protocol, to.target), strings.ReplaceAll(to.frame, "PART", part))
}

// TestThreat23HostedToolsAreRefused lists what a provider would run or fetch.
func TestThreat23HostedToolsAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, part string }{
		{"anthropic", `"tools":[{"type":"web_search_20250305","name":"web_search"}]`},
		{"anthropic", `"tools":[{"name":"Bash","input_schema":{}},{"type":"web_fetch_20250910","name":"web_fetch"}]`},
		{"anthropic", `"tools":[{"type":"code_execution_20250825","name":"code_execution"}]`},
		{"anthropic", `"tools":[{"type":"mcp_toolset","mcp_server_name":"x"}]`},
		{"anthropic", `"mcp_servers":[{"type":"url","url":"https://evil.example","name":"x"}]`},
		{"anthropic", `"mcpServers":[{"url":"https://evil.example"}]`},
		{"anthropic", `"container":"container_1"`},
		{"anthropic", `"container":{"skills":[{"skill_id":"pptx"}]}`},
		{"anthropic", `"fallbacks":[{"model":"dear"}]`},
		{"count", `"tools":[{"type":"web_search_20250305","name":"web_search"}]`},
		{"block", `{"type":"image","source":{"type":"url","url":"https://evil.example/?q=secret"}}`},
		{"block", `{"type":"document","source":{"type":"file","file_id":"file_1"}}`},
		{"block", `{"type":"document","source":{"type":"hologram"}}`},
		{"block", `{"type":"container_upload","file_id":"file_1"}`},
		{"block", `{"type":"tool_result","tool_use_id":"x","content":[{"type":"image","source":{"type":"url","url":"http://169.254.169.254/"}}]}`},
		{"block", `{"type":"tool_addition","tool":{"type":"web_search_20250305"}}`},
		{"block", `{"type":"tool_addition","tools":[{"type":"web_search_20250305"}]}`},
		{"responses", `"tools":[{"type":"web_search"}]`},
		{"responses", `"tools":[{"type":"web_search_preview_2025_03_11"}]`},
		{"responses", `"tools":[{"type":"file_search","vector_store_ids":["x"]}]`},
		{"responses", `"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]`},
		{"responses", `"tools":[{"type":"computer_use_preview"}]`},
		{"responses", `"tools":[{"type":"mcp","server_url":"https://evil.example"}]`},
		{"responses", `"tools":[{"type":"namespace","name":"x","tools":[{"type":"mcp","server_url":"https://evil.example"}]}]`},
		{"responses", `"tools":[{"type":"shell"}]`},
		{"responses", `"tools":[{"type":"shell","environment":{"type":"container_auto"}}]`},
		{"responses", `"tools":[{"type":"tool_search","execution":"server"}]`},
		{"responses", `"background":true`},
		{"responses", `"prompt":{"id":"pmpt_1"}`},
		{"responses", `"previous_response_id":"resp_1"`},
		{"responses", `"conversation":"conv_1"`},
		{"responses", `"api_base":"https://evil.example"`},
		{"responses", `"models":["dear"]`},
		{"item", `{"role":"user","content":[{"type":"input_image","image_url":"https://evil.example/?q=secret"}]}`},
		{"item", `{"role":"user","content":[{"type":"input_image","file_id":"file_1"}]}`},
		{"item", `{"role":"user","content":[{"type":"input_file","file_url":"https://evil.example"}]}`},
		{"item", `{"type":"function_call_output","call_id":"x","output":[{"type":"input_image","image_url":"https://evil.example"}]}`},
		{"item", `{"type":"item_reference","id":"rs_1"}`},
		{"item", `{"type":"additional_tools","tools":[{"type":"mcp","server_url":"https://evil.example"}]}`},
		{"chat", `"web_search_options":{}, "tools":[{"type":"mcp"}]`},
		{"chat", `"web_search_options":{"search_context_size":"low"}`},
		{"chat", `"plugins":[{"id":"web"}]`},
		{"message", `{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://evil.example"}}]}`},
		{"message", `{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://evil.example","URL":"data:x"}}]}`},
		{"message", `{"role":"user","content":[{"type":"file","file":{"file_id":"file_1"}}]}`},
		{"message", `{"role":"user","content":[{"type":"file","file":{"file_data":"https://evil.example"}}]}`},
		{"gemini", `"tools":[{"googleSearch":{}}]`},
		{"gemini", `"tools":[{"google_search":{}}]`},
		{"gemini", `"tools":[{"google_search_retrieval":{}}]`},
		{"gemini", `"tools":[{"functionDeclarations":[],"codeExecution":{}}]`},
		{"gemini", `"tools":[{"code_execution":{}}]`},
		{"gemini", `"tools":[{"urlContext":{}}]`},
		{"gemini", `"tools":{"url_context":{}}`},
		{"gemini", `"tools":[{"googleMaps":{}}]`},
		{"gemini", `"tools":[{"file_search":{}}]`},
		{"gemini", `"cachedContent":"cachedContents/1"`},
		{"gemini", `"cached_content":"cachedContents/1"`},
		{"gemini", `"model":"models/other"`},
		{"part", `{"fileData":{"fileUri":"https://evil.example"}}`},
		{"part", `{"file_data":{"file_uri":"gs://other/x"}}`},
		{"part", `{"functionResponse":{"name":"x","parts":[{"fileData":{"fileUri":"https://evil.example"}}]}}`},
		{"gcount", `"generateContentRequest":{"model":"models/m","contents":[],"tools":[{"googleSearch":{}}]}`},
		{"gcount", `"generate_content_request":{"model":"models/other","contents":[]}`},
	} {
		result, refusal := inspectPart(t, c.target, c.part)
		if refusal == nil {
			t.Errorf("%s %s went on as %s", c.target, c.part, result.Body)
		} else if refusal.Status != http.StatusForbidden && refusal.Reason != "ambiguous" && refusal.Reason != "model" {
			t.Errorf("%s %s: %d %s", c.target, c.part, refusal.Status, refusal.Message)
		}
	}
}

// TestAmbiguousKeysAreRefused: a reader that ignores case, or takes snake_case for
// camelCase, must not see what the inspection did not.
func TestThreat23AmbiguousBodiesAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, part string }{
		{"anthropic", `"Tools":[{"type":"web_search_20250305"}]`},
		{"anthropic", `"tool\u017f":[{"type":"web_search_20250305"}]`},
		{"anthropic", `"MODEL":"dear"`},
		{"anthropic", `"model":"dear"`},
		{"anthropic", `"tools":[{"name":"x","Type":"web_search_20250305"}]`},
		{"anthropic", `"tools":{"type":"web_search_20250305"}`},
		{"anthropic", `"tools":["web_search"]`},
		{"anthropic", `"tools":[{"type":["web_search_20250305"]}]`},
		{"anthropic", `"stream":"true"`},
		{"block", `{"type":"image","Source":{"type":"url","url":"https://evil.example"}}`},
		{"responses", `"previousResponseId":"resp_1"`},
		{"responses", `"x":1,"x":2`},
		{"chat", `"messages":[]`},
		{"gemini", `"toolConfig":{},"tool_config":{}`},
		{"gemini", `"Tools":[{"googleSearch":{}}]`},
		{"gemini", `"generateContentRequest":{"tools":[]}`},
		{"gcount", `"generateContentRequest":{"model":"models/m","generateContentRequest":{}}`},
	} {
		result, refusal := inspectPart(t, c.target, c.part)
		if refusal == nil {
			t.Errorf("%s %s went on as %s", c.target, c.part, result.Body)
		}
	}
	for _, body := range []string{``, `[]`, `"x"`, `{"model":"m"}{"model":"dear"}`, `{"model":"dear"}`, `{"model":["m"]}`, `{"model":"n-` + strings.Repeat("x", 200) + `"}`, `{"model":"n-\u202e"}`, `{"messages":[]}`, strings.Repeat("[", 5000)} {
		if result, refusal := policy.Body(route(t, wire.Anthropic, "/v1/messages"), body); refusal == nil {
			t.Errorf("%.40s went on as %s", body, result.Body)
		}
	}
}

// TestWhatAgentsSendPasses holds the inspection to requests as they were seen.
func TestWhatAgentsSendPasses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, part string }{
		{"anthropic", `"tools":[{"name":"Bash","input_schema":{"type":"object","properties":{"file_id":{"type":"string"},"Type":{}}}},{"name":"D","defer_loading":true}],"tool_choice":{"type":"auto"},"context_management":{"edits":[]},"output_config":{"effort":"medium"}`},
		{"anthropic", `"tools":[{"type":"custom","name":"x"},{"type":"bash_20250124","name":"bash"},{"type":"text_editor_20250728","name":"e"},{"type":"memory_20250818","name":"memory"}]`},
		{"block", `{"type":"tool_use","id":"x","name":"WebFetch","input":{"url":"https://example.com","file_id":"mine","source":{"type":"url"}}}`},
		{"block", `{"type":"tool_result","tool_use_id":"x","content":[{"type":"text","text":"https://example.com"},{"type":"image","source":{"type":"base64","data":"eA=="}}]}`},
		{"block", `{"type":"search_result","source":"https://example.com","title":"x","content":[{"type":"text","text":"x"}]}`},
		{"block", `{"type":"web_search_tool_result","tool_use_id":"x","content":[]}`},
		{"responses", `"tools":[{"type":"function","name":"exec_command","parameters":{"file_id":1}},{"type":"custom","name":"apply_patch"},{"type":"local_shell"},{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"}]},{"type":"shell","environment":{"type":"local"}},{"type":"tool_search","execution":"client"}],"store":false,"include":["reasoning.encrypted_content"],"client_metadata":{"Type":"x"}`},
		{"responses", `"previous_response_id":null,"background":false,"prompt":null`},
		{"item", `{"type":"function_call","call_id":"x","name":"f","arguments":"{\"image_url\":\"https://example.com\"}"},{"type":"function_call_output","call_id":"x","output":"https://example.com"}`},
		{"item", `{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,eA=="},{"type":"input_file","filename":"a","file_data":"eA=="}]}`},
		{"item", `{"type":"local_shell_call","action":{"type":"exec","command":["ls"],"env":{"file_id":"x"}}}`},
		{"chat", `"tools":[{"type":"function","function":{"name":"bash"}}],"tool_choice":"auto","max_tokens":32000`},
		{"message", `{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,eA=="}}]}`},
		{"gemini", `"tools":[{"functionDeclarations":[{"name":"run_shell_command","parametersJsonSchema":{"type":"object"}}]}],"systemInstruction":{"parts":[{"text":"x"}]},"generationConfig":{"topP":1,"thinkingConfig":{}}`},
		{"part", `{"inlineData":{"mimeType":"image/png","data":"eA=="}},{"functionCall":{"name":"x","args":{"fileData":{"fileUri":"https://example.com"}}}},{"functionResponse":{"name":"x","response":{"fileUri":"https://example.com"}}}`},
		{"gcount", `"contents":[{"parts":[{"text":"x"}]}]`},
	} {
		result, refusal := inspectPart(t, c.target, c.part)
		if refusal != nil {
			t.Errorf("%s %s: %s", c.target, c.part, refusal.Message)
			continue
		}
		if len(result.Removed) > 0 {
			t.Errorf("%s %s: %q was removed", c.target, c.part, result.Removed)
		}
		if want := strings.ReplaceAll(targets[c.target].frame, "PART", c.part); c.target != "responses" && c.target != "item" && string(result.Body) != want {
			t.Errorf("%s became %s", want, result.Body)
		}
	}
}

func TestUnknownToolsAreTakenOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, part, gone, kept string }{
		{"responses", `"tools":[{"type":"image_generation"},{"type":"function","name":"f"}],"tool_choice":{"type":"image_generation"}`, "image_generation", `"tools":[{"type":"function","name":"f"}]`},
		{"responses", `"tools":[{"type":"hologram"}],"tool_choice":"required"`, "tool", `"input":"go"`},
		{"anthropic", `"tools":[{"type":"hologram_20300101","name":"x"},{"name":"Bash"}]`, "hologram", `"tools":[{"name":"Bash"}]`},
		{"anthropic", `"speed":"fast","service_tier":"priority"`, "speed", `"max_tokens":9`},
		{"chat", `"service_tier":"priority"`, "service_tier", `"messages"`},
		{"gemini", `"tools":[{"hologram":{}}],"toolConfig":{"x":1}`, "tool", `"contents"`},
		{"item", `{"type":"additional_tools","tools":[{"type":"image_generation"}]}`, "image_generation", `"tools":[]`},
	} {
		result, refusal := inspectPart(t, c.target, c.part)
		if refusal != nil {
			t.Errorf("%s %s: %s", c.target, c.part, refusal.Message)
			continue
		}
		if len(result.Removed) == 0 || strings.Contains(string(result.Body), c.gone) || !strings.Contains(string(result.Body), c.kept) {
			t.Errorf("%s %s became %s, removed %q", c.target, c.part, result.Body, result.Removed)
		}
	}
}

func TestTheGatewaySetsWhatItNeeds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target, part, want string
		output             int64
	}{
		{"chat", `"stream":true,"max_tokens":7,"n":3`, `"stream_options":{"include_usage":true}`, 21},
		{"chat", `"stream":true,"stream_options":{"include_usage":false,"x":1},"store":true,"max_completion_tokens":5`, `"stream_options":{"include_usage":true,"x":1},"store":false`, 5},
		{"responses", `"store":true,"max_output_tokens":6`, `"store":false`, 6},
		{"gemini", `"generation_config":{"max_output_tokens":5,"candidate_count":2}`, `"contents"`, 10},
		{"anthropic", `"x":1`, `"x":1`, 9},
	} {
		result, refusal := inspectPart(t, c.target, c.part)
		if refusal != nil || !strings.Contains(string(result.Body), c.want) || result.MaxOutput != c.output {
			t.Errorf("%s %s became %s, at most %d (%v)", c.target, c.part, result.Body, result.MaxOutput, refusal)
		}
	}
}

func TestThreat35SecretsAreRedactedInKeysAndValues(t *testing.T) {
	t.Parallel()
	v, err := secret.NewValue("db", []byte(`p@ss"word/42`))
	if err != nil {
		t.Fatal(err)
	}
	p := Policy{Models: []string{"*"}, Redactor: secret.NewRedactor(v)}
	quoted, _ := json.Marshal(`p@ss"word/42`)
	body := `{"model":"m","messages":[{"role":"user","content":"a \u0070@ss\"word\/42 b cEBzcyJ3b3JkLzQy c 70407373 704073732277 6f72642f3432"}],"x":{` + string(quoted) + `:[` + string(quoted) + `]}}`
	result, refusal := p.Body(route(t, wire.Anthropic, "/v1/messages"), strings.ReplaceAll(body, "704073732277 6f", "7040737322776f"))
	if refusal != nil {
		t.Fatal(refusal)
	}
	if result.Redactions != 5 || strings.Contains(string(result.Body), "word") || strings.Contains(string(result.Body), "cEBzcyJ3") || strings.Contains(string(result.Body), "776f7264") {
		t.Errorf("%d redactions: %s", result.Redactions, result.Body)
	}
}

// FuzzBody: what goes on is JSON that the standard library reads without finding
// anything that the inspection was to keep back, in whatever case.
func FuzzBody(f *testing.F) {
	for name, to := range targets {
		_ = name
		for _, part := range []string{`"tools":[{"type":"web_search_20250305"}]`, `"Tools":[{"googleSearch":{}}]`, `{"type":"image","source":{"type":"url"}}`, `"x":"y"`} {
			f.Add(string(to.protocol), to.target, strings.ReplaceAll(to.frame, "PART", part))
		}
	}
	f.Fuzz(func(t *testing.T, protocol, target, body string) {
		p := wire.Protocol(protocol)
		r, refusal := p.Match(http.MethodPost, target)
		if !p.Valid() || refusal != nil {
			return
		}
		result, refusal := policy.Body(r, body)
		if refusal != nil {
			return
		}
		var seen struct {
			Model      *string
			McpServers any `json:"mcp_servers"`
			Container  any
			Tools      []map[string]any
		}
		if !json.Valid(result.Body) {
			t.Fatalf("%q became %q", body, result.Body)
		}
		_ = json.Unmarshal(result.Body, &seen)
		if seen.Model != nil && p != wire.Gemini && !policy.Allows(*seen.Model) {
			t.Fatalf("the model %q went on: %q", *seen.Model, result.Body)
		}
		for _, tool := range seen.Tools {
			for key, v := range tool {
				if text, _ := v.(string); strings.EqualFold(key, "type") && strings.HasPrefix(text, "web_search") || strings.EqualFold(key, "googleSearch") && p == wire.Gemini {
					t.Fatalf("a tool went on: %q", result.Body)
				}
			}
		}
		again, refusal := policy.Body(r, string(result.Body))
		if refusal != nil || string(again.Body) != string(result.Body) {
			t.Fatalf("%q is not stable: %q (%v)", result.Body, again.Body, refusal)
		}
	})
}
