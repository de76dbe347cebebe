package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/token"
)

// Bounds of one answer. A server that sends more, or takes longer, is not
// listened to.
const (
	maxAnswer  = 16 << 20 // bytes of JSON or of a piece of a log
	maxDiff    = 256 << 20
	maxHeaders = 64 << 10
	atMost     = 90 * time.Second // the server itself waits up to 25 for a log
)

// Client asks one server's API. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token token.Value // the zero value: none is sent
	http  *http.Client
}

// New makes a client of the server at the address. The zero token asks as
// nobody, which few routes answer.
func New(server string, value token.Value) (*Client, error) {
	base, err := ParseServer(server)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() // it verifies certificates
	transport.MaxResponseHeaderBytes = maxHeaders
	return &Client{base: base, token: value, http: &http.Client{
		Transport: transport, Timeout: atMost,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Server is the base address.
func (c *Client) Server() string { return c.base.String() }

// request is one question to the API.
type request struct {
	method string
	path   []string // below /api/v1, each element as it is
	root   bool     // below the server's address instead, without the token
	query  url.Values
	body   any // sent as JSON; nil: none
	accept string
	max    int64
}

// Do asks for JSON and reads it into the pointer; body, unless nil, is sent as
// JSON. Failures of the server's are an [Error].
func (c *Client) Do(ctx context.Context, method string, path []string, query url.Values, body, into any) error {
	answer, _, err := c.ask(ctx, request{method: method, path: path, query: query, body: body, accept: "application/json", max: maxAnswer})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return c.strange("it is not what the API says")
	}
	return nil
}

func (c *Client) get(ctx context.Context, into any, query url.Values, path ...string) error {
	return c.Do(ctx, http.MethodGet, path, query, nil, into)
}

// text asks for text, such as a log.
func (c *Client) text(ctx context.Context, bound int64, query url.Values, path ...string) ([]byte, http.Header, error) {
	return c.ask(ctx, request{method: http.MethodGet, path: path, query: query, accept: "text/plain", max: bound})
}

func (c *Client) ask(ctx context.Context, r request) ([]byte, http.Header, error) {
	sent, err := c.prepare(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	response, err := c.http.Do(sent)
	if err != nil {
		return nil, nil, &NetworkError{Server: c.Server(), cause: err}
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		return nil, nil, fmt.Errorf("%s sends to %q instead of answering, and the token is for it alone; if that is the server, name it",
			c.Server(), response.Header.Get("Location"))
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, r.max+1))
	if err != nil {
		return nil, nil, &NetworkError{Server: c.Server(), cause: err}
	}
	if int64(len(answer)) > r.max {
		return nil, nil, c.strange(fmt.Sprintf("it is longer than %d MiB", r.max>>20))
	}
	if response.StatusCode < 200 || response.StatusCode >= 300 {
		return nil, nil, c.refusal(response, answer)
	}
	if !hasType(response, r.accept) {
		return nil, nil, c.strange(fmt.Sprintf("it is %q and not %s", response.Header.Get("Content-Type"), r.accept))
	}
	return answer, response.Header, nil
}

func (c *Client) prepare(ctx context.Context, r request) (*http.Request, error) {
	path := "/api/v1"
	if r.root {
		path = ""
	}
	for _, element := range r.path {
		if element == "" || strings.Trim(element, ".") == "" { // would be another path
			return nil, fmt.Errorf("%q is no name that the server could know", element)
		}
		path += "/" + url.PathEscape(element)
	}
	address := *c.base
	address.RawQuery = r.query.Encode()
	address.RawPath = c.base.Path + path
	var err error
	if address.Path, err = url.PathUnescape(address.RawPath); err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.Server(), err)
	}
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("ask %s: %w", c.Server(), err)
		}
		body = bytes.NewReader(text)
	}
	sent, err := http.NewRequestWithContext(ctx, r.method, address.String(), body)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.Server(), err)
	}
	sent.Header.Set("Accept", r.accept)
	if r.body != nil {
		sent.Header.Set("Content-Type", "application/json")
	}
	if c.token != (token.Value{}) && !r.root {
		sent.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	return sent, nil
}

func hasType(response *http.Response, want string) bool {
	media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return err == nil && media == want
}
