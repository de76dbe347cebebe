package wire_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge/wire"
)

const maxAnswer = 1 << 20

type answering func(*http.Request) *http.Response

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) { return a(req), nil }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestAnswerWithoutEndIsCut(t *testing.T) {
	t.Parallel()
	origin := &url.URL{Scheme: "https", Host: "forge.example"}
	for name, c := range map[string]struct {
		body io.Reader
		want error
		size int64
	}{
		"endless":      {endless{}, wire.ErrTooLarge, maxAnswer},
		"just too big": {io.LimitReader(endless{}, maxAnswer+1), wire.ErrTooLarge, maxAnswer},
		"just fits":    {io.LimitReader(endless{}, maxAnswer), nil, maxAnswer},
		"small":        {strings.NewReader("{}"), nil, 2},
	} {
		w := &wire.Wire{Next: answering(func(*http.Request) *http.Response {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(c.body)}
		}), Log: slog.New(slog.DiscardHandler), Origins: []*url.URL{origin}, MaxAnswer: maxAnswer}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://forge.example/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := w.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); !errors.Is(err, c.want) || n > c.size {
			t.Errorf("%s: read %d bytes, %v, want %v", name, n, err, c.want)
		}
	}
}

func TestOnlyTheConfiguredForgeIsTalkedTo(t *testing.T) {
	t.Parallel()
	w := &wire.Wire{Next: answering(func(*http.Request) *http.Response { t.Error("sent"); return nil }), Log: slog.New(slog.DiscardHandler), Origins: []*url.URL{&url.URL{Scheme: "https", Host: "forge.example"}}, MaxAnswer: maxAnswer}
	for _, address := range []string{"http://forge.example/x", "https://forge.example:444/x", "https://forge.example.evil/x", "https://evil/forge.example"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.RoundTrip(req); err == nil {
			t.Errorf("%s was talked to", address)
		}
	}
}
