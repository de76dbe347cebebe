package github_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/github"
)

// testKey is one RSA key for all tests; making one takes long.
var testKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

var stubRepo = forge.RepositoryRef{Host: forge.GitHub, ID: "42", Owner: "acme", Name: "shop"}

// seen is one request that reached the stub.
type seen struct {
	method, path, query, auth, ifNoneMatch, body string
}

// stub is a forge that answers by a table, for what the emulator does not do:
// odd answers. It knows App 7, its installation 9 and repository 42.
type stub struct {
	*httptest.Server
	mu      sync.Mutex
	calls   []seen
	minted  int
	answers map[string]http.HandlerFunc // by "METHOD path" below the API
	now     time.Time
}

// newStub answers for the App and the repository; answers adds or overrides.
func newStub(t *testing.T, answers map[string]http.HandlerFunc) *stub {
	t.Helper()
	s := &stub{answers: map[string]http.HandlerFunc{
		"GET /app": reply(200, `{"id":7,"slug":"coderflow"}`),
		"GET /repos/acme/shop": reply(200,
			`{"id":42,"name":"shop","owner":{"login":"acme","id":3},"default_branch":"main","private":true}`),
		"GET /repos/acme/shop/installation": reply(200, `{"id":9}`),
		"GET /users/coderflow%5Bbot%5D":     reply(200, `{"id":70,"login":"coderflow[bot]","type":"Bot"}`),
	}, now: time.Now()}
	s.answers["POST /app/installations/9/access_tokens"] = s.mint
	for route, answer := range answers {
		s.answers[route] = answer
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/some/base")
	s.mu.Lock()
	s.calls = append(s.calls, seen{r.Method, path, r.URL.RawQuery, r.Header.Get("Authorization"), r.Header.Get("If-None-Match"), string(body)})
	answer := s.answers[r.Method+" "+path]
	s.mu.Unlock()
	if answer == nil {
		http.Error(w, `{"message":"the stub knows no `+r.Method+" "+path+`"}`, http.StatusNotImplemented)
		return
	}
	answer(w, r)
}

// mint gives numbered tokens of an hour, for the repository asked for.
func (s *stub) mint(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Repositories []int64           `json:"repository_ids"`
		Permissions  map[string]string `json:"permissions"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || len(asked.Repositories) != 1 {
		http.Error(w, `{"message":"not narrowed"}`, http.StatusUnprocessableEntity)
		return
	}
	s.mu.Lock()
	s.minted++
	number := s.minted
	s.mu.Unlock()
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"token": fmt.Sprintf("ghs_topsecret%d", number), "expires_at": s.clock().Add(time.Hour),
		"permissions": asked.Permissions, "repositories": []map[string]any{{"id": asked.Repositories[0]}},
	})
}

func (s *stub) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *stub) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *stub) set(route string, answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[route] = answer
}

// to returns the calls of one route so far.
func (s *stub) to(route string) []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []seen
	for _, call := range s.calls {
		if call.method+" "+call.path == route {
			found = append(found, call)
		}
	}
	return found
}

func (s *stub) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// adapter returns an adapter for the stub.
func (s *stub) adapter(t *testing.T) *github.Adapter {
	t.Helper()
	return newAdapter(t, github.Config{
		APIURL: s.URL + "/some/base", GraphQLURL: s.URL + "/graphql", GitURL: s.URL + "/git/",
		AppID: 7, PrivateKey: testKey(), Clock: s.clock,
	})
}

// newAdapter fails the test if a token, a JWT or the key appears in its log.
func newAdapter(t *testing.T, config github.Config) *github.Adapter {
	t.Helper()
	log := &lockedBuffer{}
	config.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
	t.Cleanup(func() {
		for _, secret := range []string{"ghs_", "eyJ", "PRIVATE KEY", "Bearer", "Authorization"} {
			if text := log.String(); strings.Contains(text, secret) {
				t.Errorf("the log holds %q:\n%s", secret, text)
			}
		}
	})
	adapter, err := github.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return adapter
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
