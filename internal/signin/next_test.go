package signin_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/coderflow/coderflow/internal/signin"
)

// A person is led on to this server alone.
func TestNextIsAPathOfThisServer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "/", "/": "/", "/tasks?state=running": "/tasks?state=running", "/a/b": "/a/b", "/%20": "/%20",
		"https://evil.example/": "/", "//evil.example": "/", "/\\evil.example": "/", "\\\\evil.example": "/", "/\t/evil.example": "/",
		"/\n//evil.example": "/", "javascript:alert(1)": "/", "evil": "/", "/%2f/evil": "/", "/%5cevil": "/", "///evil.example": "/", "/ö": "/", "/a#b": "/a",
		"http:/evil": "/", "/%09/evil.example": "/",
	} {
		got := signin.LocalPath(text)
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		base, err := url.Parse("https://flow.example.com/auth/x/callback")
		if err != nil {
			t.Fatal(err)
		}
		if to, err := base.Parse(got); err != nil || to.Host != "flow.example.com" {
			t.Errorf("%q leads to %v", text, to)
		}
	}
}

// routed answers GET /user itself and sends everything else on.
type routed struct {
	api  http.Handler
	next http.RoundTripper
}

func (r routed) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Path != "/api/v3/user" {
		return r.next.RoundTrip(request)
	}
	answer := httptest.NewRecorder()
	asked := request.Clone(request.Context())
	asked.URL.Path = "/user"
	r.api.ServeHTTP(answer, asked)
	return answer.Result(), nil
}

type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
