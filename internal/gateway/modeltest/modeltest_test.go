package modeltest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// start is a model for one test, which must have understood every request.
func start(t *testing.T, script Script) *Server {
	t.Helper()
	s, err := New(script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func post(t *testing.T, url, key, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("X-Goog-Api-Key", key)
	r.Header.Set("Anthropic-Version", "2023-06-01")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// conversations are, for each interface, a first request and the same one after
// the tool ran.
var conversations = map[string]struct{ path, first, second string }{
	"anthropic": {"/v1/messages",
		`{"model":"m","max_tokens":10,"stream":STREAM,"tools":[{"name":"Bash","input_schema":{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}}],"messages":[{"role":"user","content":"go"}]}`,
		`{"model":"m","max_tokens":10,"stream":STREAM,"tools":[{"name":"Bash","input_schema":{}}],"messages":[{"role":"user","content":[{"type":"tool_result"}]}]}`},
	"responses": {"/v1/responses",
		`{"model":"m","stream":STREAM,"tools":[{"type":"function","name":"exec_command","parameters":{"properties":{"cmd":{"type":"string"}},"required":["cmd"]}}],"input":"go"}`,
		`{"model":"m","stream":STREAM,"tools":[{"type":"function","name":"exec_command"}],"input":[{"type":"function_call_output"}]}`},
	"responses, custom tool in the input": {"/v1/responses",
		`{"model":"m","stream":STREAM,"input":[{"type":"additional_tools","tools":[{"type":"custom","name":"exec"}]}]}`,
		`{"model":"m","stream":STREAM,"input":[{"type":"additional_tools","tools":[{"type":"custom","name":"exec"}]},{"type":"custom_tool_call_output"}]}`},
	"chat": {"/v1/chat/completions",
		`{"model":"m","stream":STREAM,"stream_options":{"include_usage":true},"tools":[{"type":"function","function":{"name":"bash","parameters":{"properties":{"command":{"type":"string"},"description":{"type":"string"}},"required":["command","description"]}}}],"messages":[{"role":"user","content":"go"}]}`,
		`{"model":"m","stream":STREAM,"stream_options":{"include_usage":true},"tools":[{"type":"function","function":{"name":"bash"}}],"messages":[{"role":"tool","content":"x"}]}`},
	"gemini": {"/v1beta/models/m:METHOD",
		`{"contents":[{"role":"user","parts":[{"text":"go"}]}],"tools":[{"functionDeclarations":[{"name":"run_shell_command","parametersJsonSchema":{"properties":{"command":{"type":"string"}},"required":["command"]}}]}]}`,
		`{"contents":[{"role":"user","parts":[{"functionResponse":{}}]}],"tools":[{"functionDeclarations":[{"name":"run_shell_command"}]}]}`},
}

func TestEveryInterfaceRunsTheCommandThenEnds(t *testing.T) {
	t.Parallel()
	for name, c := range conversations {
		for _, stream := range []string{"true", "false"} {
			t.Run(name+", stream "+stream, func(t *testing.T) {
				t.Parallel()
				s := start(t, Script{Turns: Shell("echo one > two"), Final: "All is done."})
				method := map[string]string{"true": "streamGenerateContent?alt=sse", "false": "generateContent"}[stream]
				url := s.URL() + strings.ReplaceAll(c.path, "METHOD", method)
				status, text := post(t, url, Key, strings.ReplaceAll(c.first, "STREAM", stream))
				if status != http.StatusOK || !strings.Contains(assembled(text), "echo one > two") {
					t.Errorf("the first answer (%d) does not run the command:\n%s", status, text)
				}
				status, text = post(t, url, Key, strings.ReplaceAll(c.second, "STREAM", stream))
				if status != http.StatusOK || !strings.Contains(assembled(text), "All is done.") {
					t.Errorf("the last answer (%d) is not the final one:\n%s", status, text)
				}
				if problems := s.Problems(); len(problems) > 0 {
					t.Errorf("not understood: %q", problems)
				}
				if n := len(s.Requests()); n != 2 {
					t.Errorf("%d requests were kept", n)
				}
			})
		}
	}
}

// assembled joins all texts of a document or a stream, each as it was sent.
func assembled(text string) string {
	var out strings.Builder
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimPrefix(lines.Text(), "data: ")
		var value any
		if json.Unmarshal([]byte(line), &value) == nil {
			join(&out, value)
		}
	}
	return strings.ReplaceAll(out.String(), `\u003e`, ">")
}

func join(out *strings.Builder, value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range []string{"delta", "partial_json", "text", "arguments", "input", "content", "choices", "message", "tool_calls", "function",
			"candidates", "parts", "functionCall", "args", "command", "output", "item", "response"} {
			join(out, v[key])
		}
	case []any:
		for _, inner := range v {
			join(out, inner)
		}
	case string:
		out.WriteString(v)
	}
}

func TestOnlyTheRealKeyIsAccepted(t *testing.T) {
	t.Parallel()
	s := start(t, Script{})
	for name, c := range conversations {
		url := s.URL() + strings.ReplaceAll(c.path, "METHOD", "generateContent")
		if status, text := post(t, url, "dummy", strings.ReplaceAll(c.first, "STREAM", "false")); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}

func TestTheUnknownIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	s := start(t, Script{})
	for path, body := range map[string]string{
		"/v1/files":         `{}`,
		"/v1/messages":      `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"hologram"}]}]}`,
		"/v1/responses":     `{"model":"m","input":[{"type":"hologram"}]}`,
		"/v1beta/models/m:": `{}`,
	} {
		if status, _ := post(t, s.URL()+path, Key, body); status < 400 {
			t.Errorf("%s was answered %d", path, status)
		}
	}
	if n := len(s.Problems()); n != 4 {
		t.Errorf("%d problems were kept: %q", n, s.Problems())
	}
}

func TestSideRequestsGetWhatTheyAskFor(t *testing.T) {
	t.Parallel()
	s := start(t, Script{Turns: Shell("rm -rf /")})
	_, text := post(t, s.URL()+"/v1beta/models/m:generateContent", Key, `{"contents":[{"role":"user","parts":[{"text":"who is next?"}]}],
		"generationConfig":{"responseJsonSchema":{"type":"OBJECT","properties":{"why":{"type":"STRING"},"next_speaker":{"type":"STRING","enum":["model","user"]},"score":{"type":"integer","minimum":1}},"required":["why","next_speaker","score"]}}}`)
	var got struct {
		Candidates []struct {
			Content struct{ Parts []struct{ Text string } }
		}
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Candidates) != 1 {
		t.Fatal(err, text)
	}
	if answer, want := got.Candidates[0].Content.Parts[0].Text, `{"next_speaker":"user","score":1,"why":"scripted"}`; answer != want {
		t.Errorf("the routing call got %s, not %s", answer, want)
	}
	_, text = post(t, s.URL()+"/v1/chat/completions", Key, `{"model":"m","messages":[{"role":"user","content":"make a title"}]}`)
	if !strings.Contains(text, "Scripted.") {
		t.Errorf("a title request got %s", text)
	}
}

func TestFailuresAndCutStreamsAreTheScripts(t *testing.T) {
	t.Parallel()
	c := conversations["anthropic"]
	s := start(t, Script{Turns: []Turn{{Status: 429, Header: http.Header{"Retry-After": {"7"}}, Error: "slow down"}}})
	if status, text := post(t, s.URL()+c.path, Key, strings.ReplaceAll(c.first, "STREAM", "true")); status != 429 || !strings.Contains(text, "slow down") {
		t.Errorf("%d %s", status, text)
	}
	s.Follow(Script{CutStreams: true})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+c.path, strings.NewReader(strings.ReplaceAll(c.first, "STREAM", "true")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", Key)
	r.Header.Set("Anthropic-Version", "2023-06-01")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if text, err := io.ReadAll(response.Body); err == nil || bytes.Contains(text, []byte("message_stop")) {
		t.Errorf("the stream was not cut: %v %s", err, text)
	}
}

func TestStreamsArePaced(t *testing.T) {
	t.Parallel()
	c := conversations["chat"]
	s := start(t, Script{Final: strings.Repeat("word ", 40), Pace: 5 * time.Millisecond})
	began := time.Now()
	_, text := post(t, s.URL()+c.path, Key, strings.ReplaceAll(c.second, "STREAM", "true"))
	if n := strings.Count(text, "data: "); n < 8 || time.Since(began) < 30*time.Millisecond {
		t.Errorf("%d events in %v", n, time.Since(began))
	}
}
