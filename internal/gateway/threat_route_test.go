package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/gateway/modeltest"
)

func TestThreat23OnlyListedCallsGoOn(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{})
	for protocol, list := range map[Protocol][]string{
		Anthropic: {"GET /v1/messages", "POST /v1/files", "POST /v1/messages/batches", "POST /v1/messages/", "POST //v1/messages", "POST /v1//messages", "POST /v1/./messages",
			"POST /v1/x/../messages", "POST /v1/messages/../files", "POST /v1/%6dessages", "POST /v1/messages%2f..%2ffiles", "POST /V1/messages", "POST /v1/messages;x=1", "PUT /v1/messages",
			"HEAD /v1/messages", "OPTIONS /v1/messages", "TRACE /v1/messages", "POST /v1/messages?beta=false", "POST /v1/messages?url=http://evil.example", "POST /v1/messages?beta=true&beta=true",
			"POST /v1/responses", "GET /", "POST /v1/messages?beta=%zz", "GET /v1/organizations/usage_report/messages", "POST /v1/complete"},
		OpenAI: {"POST /v1/files", "GET /v1/responses/resp_1", "DELETE /v1/responses/resp_1", "POST /v1/responses/compact", "POST /v1/embeddings", "POST /v1/images/generations", "GET /v1/models/m",
			"POST /v1/chat/completions?key=x", "POST /v1/realtime", "GET /v1/vector_stores", "POST /responses"},
		Gemini: {"POST /v1beta/models/other:generateContent", "POST /v1beta/models/m:batchGenerateContent", "POST /v1beta/models/m:embedContent", "GET /v1beta/models/m", "GET /v1beta/files",
			"POST /v1beta/cachedContents", "POST /v1beta/models/..:generateContent", "POST /v1beta/models/m%2f..%2fx:generateContent", "POST /upload/v1beta/files", "POST /v1beta/models/m:generateContent?alt=media",
			"POST /v1beta/models/m/x:generateContent", "POST /v1beta/tunedModels/m:generateContent", "POST /v1/models/m:generateContent"},
	} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, protocol, m.URL(), nil)
			for _, line := range list {
				method, target, _ := strings.Cut(line, " ")
				body := `{"contents":[]}`
				raw := w.raw(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", method, target, len(body), body))
				if !strings.HasPrefix(raw, "HTTP/1.1 403 ") && !strings.HasPrefix(raw, "HTTP/1.1 400 ") {
					t.Errorf("%s: %.200s", line, raw)
				}
			}
			w.close()
			if len(w.journal.of(AuditRefused)) == 0 {
				t.Error("no refusal was audited")
			}
		})
	}
	t.Cleanup(func() {
		if n := len(m.Requests()); n > 0 {
			t.Errorf("the provider got %d requests", n)
		}
	})
}

// TestThreat23SmugglingEndsHere sends what two servers could read differently. The
// provider must see nothing, or exactly the one request.
func TestThreat23SmugglingEndsHere(t *testing.T) {
	t.Parallel()
	const body = `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"go"}]}`
	head := func(lines ...string) string {
		return "POST /v1/messages HTTP/1.1\r\nContent-Type: application/json\r\nAnthropic-Version: 2023-06-01\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	}
	length := fmt.Sprintf("Content-Length: %d", len(body))
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	smuggled := "POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
	for name, c := range map[string]struct {
		text string
		most int // requests that may reach the provider
	}{
		"both lengths":             {head("Host: x", "Transfer-Encoding: chunked", "Content-Length: 4") + chunked + smuggled, 1},
		"two lengths":              {head("Host: x", length, "Content-Length: 5") + body, 0},
		"length list":              {head("Host: x", fmt.Sprintf("Content-Length: %d, 5", len(body))) + body, 0},
		"length with sign":         {head("Host: x", fmt.Sprintf("Content-Length: +%d", len(body))) + body, 0},
		"negative length":          {head("Host: x", "Content-Length: -1") + body, 0},
		"unknown coding":           {head("Host: x", "Transfer-Encoding: xchunked", length) + body, 0},
		"two codings":              {head("Host: x", "Transfer-Encoding: chunked, identity", length) + chunked, 0},
		"space before colon":       {head("Host: x", length, "X-Api-Key : k") + body, 0},
		"folded line":              {head("Host: x", length, "X-A: b\r\n c: d") + body, 1},
		"bare CR":                  {head("Host: x", length, "X-A: b\rX-Evil: c") + body, 0},
		"NUL in a value":           {head("Host: x", length, "X-A: b\x00c") + body, 0},
		"two hosts":                {head("Host: x", "Host: evil.example", length) + body, 0},
		"other host":               {head("Host: evil.example", length) + body, 1},
		"pipelined":                {head("Host: x", length) + body + smuggled, 1},
		"absolute target":          {"POST http://evil.example/v1/messages HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\n" + length + "\r\n\r\n" + body, 0},
		"absolute target, same":    {"POST http://x/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + length + "\r\n\r\n" + body, 0},
		"HTTP/1.0 without a host":  {"POST /v1/files HTTP/1.0\r\n" + length + "\r\n\r\n" + body, 0},
		"HTTP/2 preface":           {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
		"HTTP/0.9":                 {"GET /v1/messages\r\n\r\n", 0},
		"huge head":                {head("Host: x", "X-A: "+strings.Repeat("a", 64<<10), length) + body, 0},
		"compressed":               {head("Host: x", "Content-Encoding: gzip", length) + body, 0},
		"form":                     {"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n" + length + "\r\n\r\n" + body, 0},
		"body shorter than length": {head("Host: x", "Content-Length: 5000") + body, 0},
		"more than the limit":      {head("Host: x", "Content-Length: 99999999999") + body, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := model(t, modeltest.Script{})
			w := newWorld(t, Anthropic, m.URL(), nil)
			answer := w.raw(c.text)
			w.close()
			got := m.Requests()
			if len(got) > c.most {
				t.Errorf("the provider got %d requests; answer %.200s", len(got), answer)
			}
			for _, r := range got {
				if r.Path != "/v1/messages" || r.Header.Get("X-Api-Key") != modeltest.Key || r.Header.Get("X-Evil") != "" || strings.Contains(fmt.Sprint(r.Header), "evil") || string(r.Body) != body {
					t.Errorf("the provider got %s %v %s", r.Path, r.Header, r.Body)
				}
			}
		})
	}
}

func TestThreat23HeadersOfTheAgentAreSifted(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{})
	w := newWorld(t, OpenAI, m.URL(), func(s *Session, _ *Options) { s.Provider.Header = http.Header{"X-Tenant": {"ours"}} })
	dropped := []string{"X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Proxy-Authorization", "Cookie", "OpenAI-Organization", "OpenAI-Project", "X-Forwarded-For", "X-Forwarded-Host",
		"Forwarded", "X-HTTP-Method-Override", "X-Original-URL", "Via", "TE", "Keep-Alive", "X_Api_Key", "X-Amz-Security-Token", "X-Private", "X-Auth-Token", "Helicone-Target-Url", "Range", "Expect"}
	header := map[string]string{"Authorization": "Bearer dummy", "Connection": "close, X-Private", "X-Tenant": "theirs", "Anthropic-Beta": "a,b", "X-Codex-Turn-Metadata": "{}", "User-Agent": "agent/1"}
	for _, name := range dropped {
		if name != "Expect" {
			header[name] = "evil"
		}
	}
	c := calls["chat"]
	if got := w.do(http.MethodPost, c.path, c.body, header); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	got := m.Requests()[0].Header
	for _, name := range dropped {
		if values := got.Values(name); len(values) > 0 {
			t.Errorf("%s went on: %q", name, values)
		}
	}
	for name, want := range map[string]string{"Authorization": "Bearer " + modeltest.Key, "X-Tenant": "ours", "Anthropic-Beta": "a,b", "X-Codex-Turn-Metadata": "{}", "User-Agent": "agent/1", "Content-Type": "application/json"} {
		if values := got.Values(name); len(values) != 1 || values[0] != want {
			t.Errorf("%s: %q", name, values)
		}
	}
}

// TestThreat23HostedToolsEndHere is the way of internal/gateway/inspect's table.
func TestThreat23HostedToolsEndHere(t *testing.T) {
	t.Parallel()
	m := model(t, modeltest.Script{})
	w := newWorld(t, OpenAI, m.URL(), nil)
	got := w.do(http.MethodPost, "/v1/responses", `{"model":"m","input":"go","tools":[{"type":"web_search"}]}`, nil)
	if got.status != http.StatusForbidden || !strings.Contains(got.body, "web_search") {
		t.Errorf("%d %s", got.status, got.body)
	}
	got = w.do(http.MethodPost, "/v1/responses", `{"model":"m","input":"go","tools":[{"type":"image_generation"}]}`, nil)
	if got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	w.close()
	if list := m.Requests(); len(list) != 1 || strings.Contains(string(list[0].Body), "image_generation") {
		t.Errorf("the provider got %d: %s", len(list), list[0].Body)
	}
	if len(w.journal.of(AuditRefused)) != 1 || len(w.journal.of(AuditToolRemoved)) != 1 {
		t.Errorf("audited: %v", w.journal.audit)
	}
}

func TestRefusalsHaveTheProtocolsShape(t *testing.T) {
	t.Parallel()
	for protocol, path := range map[Protocol]string{Anthropic: "/v1/x", OpenAI: "/v1/x", Gemini: "/v1beta/x"} {
		w := newWorld(t, protocol, "http://127.0.0.1:1", nil)
		got := w.do(http.MethodPost, path, `{}`, nil)
		var body struct {
			Type  string
			Error struct {
				Type, Message, Status string
				Code                  any
			}
		}
		if err := json.Unmarshal([]byte(got.body), &body); err != nil || got.status != http.StatusForbidden || !strings.Contains(body.Error.Message, "allowed are POST") {
			t.Errorf("%s: %d %s (%v)", protocol, got.status, got.body, err)
		}
		if got.header.Get("X-Should-Retry") != "false" || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", protocol, got.header)
		}
	}
}

func TestUpgradesAreAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, OpenAI, "http://127.0.0.1:1", nil)
	raw := w.raw("GET /v1/responses HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	if !strings.HasPrefix(raw, "HTTP/1.1 426 ") {
		t.Errorf("%.200s", raw)
	}
}

func TestModelsAreListedWithoutAskingTheProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, OpenAI, "http://127.0.0.1:1", nil)
	got := w.do(http.MethodGet, "/v1/models?client_version=1", "", nil)
	if got.status != http.StatusOK || !strings.Contains(got.body, `"id":"m"`) || strings.Contains(got.body, "n-") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestRedirectsAreNotFollowed, nor shown: the address may be an inner one.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	other := 0
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { other++ }))
	t.Cleanup(inner.Close)
	outer := httptest.NewServer(http.RedirectHandler(inner.URL, http.StatusTemporaryRedirect))
	t.Cleanup(outer.Close)
	w := newWorld(t, Anthropic, outer.URL, nil)
	got := w.do(http.MethodPost, "/v1/messages", calls["anthropic"].body, nil)
	if got.status != http.StatusBadGateway || other != 0 || got.header.Get("Location") != "" {
		t.Errorf("%d %v %s, %d requests elsewhere", got.status, got.header, got.body, other)
	}
}

func TestTheProvidersPathAndQueryAreKept(t *testing.T) {
	t.Parallel()
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paths = append(paths, r.RequestURI) }))
	t.Cleanup(server.Close)
	for _, base := range []string{"", "/", "/v1", "/v1/", "/proxy/openai", "/openai/v1?api-version=preview", "/api/paas/v4"} {
		w := newWorld(t, OpenAI, server.URL+base, nil)
		w.do(http.MethodPost, "/v1/responses", calls["responses"].body, nil)
	}
	want := "/v1/responses /v1/responses /v1/responses /v1/responses /proxy/openai/v1/responses /openai/v1/responses?api-version=preview /api/paas/v4/responses"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

// TestRepeatedRefusalsAreCounted: an agent that tries for ever fills no log.
func TestRepeatedRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Anthropic, "http://127.0.0.1:1", nil)
	for range 250 {
		w.do(http.MethodGet, "/v1/secret", "", nil)
	}
	for i := range 100 {
		w.do(http.MethodGet, fmt.Sprint("/v1/", i), "", nil)
	}
	w.close()
	list := w.journal.of(AuditRefused)
	counts, total := map[string]int64{}, int64(0)
	for _, a := range list {
		counts[fmt.Sprint(a.data["message"])] = a.data["count"].(int64)
	}
	for _, n := range counts {
		total += n
	}
	if len(list) > maxEntries+10 || total != 350 {
		t.Errorf("%d entries for %d refusals", len(list), total)
	}
	if n := len(w.ledger.exchanges); n != maxRefused {
		t.Errorf("%d refused exchanges were recorded", n)
	}
}
