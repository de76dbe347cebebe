package gateway

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/gateway/modeltest"
	"github.com/coderflow/coderflow/internal/secret"
)

// spellings are ways to write the key.
func spellings(key string) []string {
	list := []string{key, strings.ToUpper(key), hex.EncodeToString([]byte(key)), strings.ReplaceAll(key, "-", `\u002d`)}
	for before := range 3 {
		list = append(list, base64.StdEncoding.EncodeToString([]byte("xyz"[:before]+key+" and more")))
	}
	return list
}

// leaks says which part of the key's spellings a text holds.
func leaks(text, key string) string {
	folded := strings.ToLower(text)
	for _, s := range []string{key, hex.EncodeToString([]byte(key))} {
		if strings.Contains(folded, strings.ToLower(s)) {
			return s
		}
	}
	for before := range 3 {
		s := base64.RawStdEncoding.EncodeToString([]byte("xyz"[:before] + key))
		if s = s[(before*8+5)/6 : len(s)-1]; strings.Contains(text, s) {
			return s
		}
	}
	return ""
}

// TestThreat22TheKeyNeverComesBack has a provider that echoes its key in every
// header, error and answer, cut anywhere.
func TestThreat22TheKeyNeverComesBack(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 400, 401, 500} {
		for _, stream := range []bool{true, false} {
			t.Run(fmt.Sprint(status, stream), func(t *testing.T) {
				t.Parallel()
				echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					key := r.Header.Get("X-Api-Key")
					if key != modeltest.Key {
						t.Errorf("the provider got the key %q", key)
					}
					w.Header().Set("Content-Type", map[bool]string{true: "text/event-stream", false: "application/json"}[stream])
					w.Header().Set("X-Echo", "you sent "+key)
					w.Header().Set("Set-Cookie", "session="+key)
					w.WriteHeader(status)
					for i, s := range spellings(key) {
						text := fmt.Sprintf("event: e\ndata: {\"n\":%d,\"echo\":%q}\n\n", i, s)
						if !stream {
							text = fmt.Sprintf(`{"error":{"message":"%s"}}`, s)
						}
						for _, b := range []byte(text) {
							_, _ = w.Write([]byte{b})
							if i < 3 {
								_ = http.NewResponseController(w).Flush()
							}
						}
					}
				}))
				t.Cleanup(echo.Close)
				w := newWorld(t, Anthropic, echo.URL, nil)
				c := calls["anthropic"]
				got := w.do(http.MethodPost, c.path, c.body, map[string]string{"X-Api-Key": "dummy"})
				all := got.body + fmt.Sprint(got.header)
				if found := leaks(all, modeltest.Key); found != "" {
					t.Errorf("%q came back: %s", found, all)
				}
				if got.status != status || !strings.Contains(all, "[redacted:model-key]") || got.header.Get("Set-Cookie") != "" {
					t.Errorf("%d %s", got.status, all)
				}
				w.close()
				kept := w.journal.lines() + fmt.Sprint(w.journal.audit) + w.log.String() + fmt.Sprintf("%+v", w.ledger.exchanges)
				if found := leaks(kept, modeltest.Key); found != "" {
					t.Errorf("%q was kept: %s", found, kept)
				}
			})
		}
	}
}

// TestThreat22AnErrorDocumentHidesNothing: an error's JSON may spell the key with
// escapes that no list of patterns foresees.
func TestThreat22AnErrorDocumentHidesNothing(t *testing.T) {
	t.Parallel()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("X-Api-Key")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"error":{"message":"s\u006b%s"}}`, key[2:])
	}))
	t.Cleanup(echo.Close)
	w := newWorld(t, Anthropic, echo.URL, nil)
	c := calls["anthropic"]
	if got := w.do(http.MethodPost, c.path, c.body, nil); !strings.Contains(got.body, `"[redacted:model-key]"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestThreat22TheKeyCannotBePrinted: whatever is logged of a session has no key.
func TestThreat22TheKeyCannotBePrinted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Anthropic, "http://127.0.0.1:1", nil)
	text := fmt.Sprintf("%v %+v %#v %+v", w.session, w.session, w.session, w.gateway)
	if found := leaks(text, modeltest.Key); found != "" {
		t.Errorf("%q is printed in %s", found, text)
	}
	_ = w.do(http.MethodPost, "/v1/messages", calls["anthropic"].body, nil)
	if found := leaks(w.log.String(), modeltest.Key); found != "" || !strings.Contains(w.log.String(), "did not answer") {
		t.Errorf("the log has %q: %s", found, w.log.String())
	}
}

// TestThreat25SecretsDoNotReachTheProvider sends secrets in a body of many small
// chunks, in a header, and to the transcript.
func TestThreat25SecretsDoNotReachTheProvider(t *testing.T) {
	t.Parallel()
	const content = "deploy-secret-0123456789"
	m := model(t, modeltest.Script{})
	w := newWorld(t, Anthropic, m.URL(), func(s *Session, _ *Options) { s.Secrets = []secret.Value{value(t, "deploy", content)} })
	encoded := base64.StdEncoding.EncodeToString([]byte("x" + content))
	body := `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"` + content + ` ` + encoded + ` ` + hex.EncodeToString([]byte(content)) + `"}],"` + content + `":1,"k":"` + modeltest.Key + `"}`
	piped, pipe := io.Pipe()
	go func() {
		for _, b := range []byte(body) {
			_, _ = pipe.Write([]byte{b})
		}
		_ = pipe.Close()
	}()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://gateway/v1/messages", piped)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Anthropic-Version", "2023-06-01")
	r.Header.Set("X-Note", content)
	response, err := client(w.dir).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	w.close()
	got := m.Requests()[0]
	got.Header.Del("X-Api-Key") // where the key belongs
	for where, text := range map[string]string{"provider": string(got.Body) + fmt.Sprint(got.Header), "transcript": w.journal.lines(), "audit": fmt.Sprint(w.journal.audit)} {
		if found := leaks(text, content) + leaks(text, modeltest.Key); found != "" {
			t.Errorf("the %s has %q: %s", where, found, text)
		}
	}
	if e := w.ledger.all(t, 1)[0]; e.Redactions != 6 || response.StatusCode != http.StatusOK {
		t.Errorf("%d, %d redactions", response.StatusCode, e.Redactions)
	}
	if list := w.journal.of(AuditRedacted); len(list) != 1 {
		t.Errorf("audited: %v", list)
	}
}
