package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/gateway/modeltest"
)

// calls is a plain request for each interface, streamed and not, with what the
// answer must contain.
var calls = map[string]struct {
	protocol   Protocol
	path, body string
}{
	"anthropic":          {Anthropic, "/v1/messages?beta=true", `{"model":"m","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"go"}],"context_management":{"edits":[]}}`},
	"anthropic document": {Anthropic, "/v1/messages", `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"go"}]}`},
	"responses":          {OpenAI, "/v1/responses", `{"model":"n-1","stream":true,"input":"go"}`},
	"responses document": {OpenAI, "/v1/responses", `{"model":"m","input":"go"}`},
	"chat":               {OpenAI, "/v1/chat/completions", `{"model":"m","stream":true,"messages":[{"role":"user","content":"go"}]}`},
	"chat document":      {OpenAI, "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"go"}]}`},
	"gemini":             {Gemini, "/v1beta/models/m:streamGenerateContent?alt=sse", `{"contents":[{"role":"user","parts":[{"text":"go"}]}]}`},
	"gemini document":    {Gemini, "/v1beta/models/m:generateContent?key=dummy", `{"contents":[{"role":"user","parts":[{"text":"go"}]}]}`},
}

func TestEveryInterfacePassesAndIsReckoned(t *testing.T) {
	t.Parallel()
	for name, c := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := model(t, modeltest.Script{InputTokens: 1000, OutputTokens: 20})
			w := newWorld(t, c.protocol, m.URL(), func(s *Session, _ *Options) {
				s.Provider.Prices = map[string]Price{"*": {Input: 3, Output: 15}}
			})
			got := w.do(http.MethodPost, c.path, c.body, map[string]string{"X-Api-Key": "dummy", "Authorization": "Bearer dummy", "X-Goog-Api-Key": "dummy", "X-Unknown": "kept"})
			if got.status != http.StatusOK || !strings.Contains(got.body, "Scripted.") {
				t.Fatalf("%d %s", got.status, got.body)
			}
			e := w.ledger.all(t, 1)[0]
			want := Usage{Requests: 1, InputTokens: 1000, OutputTokens: 20, Cost: 3300, CostKnown: true}
			if e.Usage != want || e.Status != 200 || e.Task != "task-1" || e.RequestBytes != int64(len(c.body)) || e.ResponseBytes != int64(len(got.body)) {
				t.Errorf("recorded %+v", e)
			}
			r := m.Requests()[0]
			if r.Header.Get("X-Unknown") != "kept" || r.Header.Get("Accept-Encoding") != "identity" || strings.Contains(r.Path, "dummy") {
				t.Errorf("the provider got %s %v", r.Path, r.Header)
			}
			w.close()
			if script := w.journal.lines(); !strings.Contains(script, `"response":"Scripted."`) || !strings.Contains(script, `"request":{`) {
				t.Errorf("transcript: %s", script)
			}
			if problems := m.Problems(); len(problems) > 0 {
				t.Errorf("the provider did not understand: %q", problems)
			}
		})
	}
}
