package azuredevops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
)

// attempts is how often what only reads is sent.
const attempts = 3

// call sends requests of the library: it waits where asked, adds the credential, repeats
// what only reads when the service stumbles, and turns every answer that is not a success
// into an error, since the library takes some for answers.
type call struct {
	adapter    *Adapter
	base       string
	credential credential
	sleep      func(*http.Request, time.Duration) error
}

// RoundTrip implements http.RoundTripper.
func (c *call) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), CallTimeout)
	again := req.Method == http.MethodGet || req.Method == http.MethodOptions
	renewed := false
	for attempt := 1; ; attempt++ {
		res, token, err := c.send(req.Clone(ctx))
		if err == nil {
			res.Body = &endingBody{ReadCloser: res.Body, end: cancel}
			return res, nil
		}
		refused := (*answerError)(nil)
		switch {
		case errors.As(err, &refused) && refused.status == http.StatusUnauthorized && !renewed && replayable(req) && c.credential.drop(token):
			c.adapter.log.InfoContext(ctx, "the forge refused a token, asking for a fresh one", "path", req.URL.Path)
			renewed = true
		case !again || attempt >= attempts || !passing(ctx, err):
			cancel()
			return nil, errors.Join(err, closeBody(req))
		default:
			if err := c.sleep(req, backoff(attempt)); err != nil {
				cancel()
				return nil, err
			}
		}
		if req.GetBody != nil {
			body, err := req.GetBody()
			if err != nil {
				cancel()
				return nil, fmt.Errorf("repeat the request: %w", err)
			}
			req.Body = body
		}
		ctx = wire.Repeated(ctx)
	}
}

// send sends once. The credential is not in the request that the answer points to.
func (c *call) send(req *http.Request) (*http.Response, forge.Secret, error) {
	if err := c.adapter.limits.check(); err != nil {
		return nil, "", err
	}
	token, _, err := c.credential.token(req.Context())
	if err != nil {
		return nil, "", err
	}
	authorized := req.Clone(req.Context())
	authorized.Header.Set("Authorization", c.credential.header(token))
	authorized.Header.Set("User-Agent", wire.UserAgent)
	authorized.Header.Set("X-TFS-FedAuthRedirect", "Suppress")
	authorized.Header.Del("X-TFS-Session") // the library's, one for the whole process
	res, err := c.adapter.wire.RoundTrip(authorized)
	if err != nil {
		return nil, token, err
	}
	res.Request = req
	if err := c.adapter.limits.observe(res); err != nil {
		return nil, token, err
	}
	if err := answered(res); err != nil {
		return nil, token, err
	}
	if req.Method == http.MethodOptions {
		return res, token, described(res)
	}
	return res, token, nil
}

// described checks that the service described itself. The library keeps what it reads here
// for as long as the process lives.
func described(res *http.Response) error {
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	var said struct {
		Value []struct {
			ID, RouteTemplate, Area, ResourceName, MinVersion, MaxVersion, ReleasedVersion *string
			ResourceVersion                                                                *int
		} `json:"value"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &said); err != nil || len(said.Value) == 0 {
		return errors.New("the address of the organization does not answer as Azure DevOps does")
	}
	for _, v := range said.Value {
		if v.ID == nil || v.RouteTemplate == nil || v.Area == nil || v.ResourceName == nil || v.MinVersion == nil || v.MaxVersion == nil || v.ReleasedVersion == nil || v.ResourceVersion == nil {
			return errors.New("the address of the organization does not describe its interface as Azure DevOps does")
		}
	}
	return nil
}

func replayable(req *http.Request) bool { return req.Body == nil || req.GetBody != nil }

func closeBody(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	return req.Body.Close()
}

// passing reports whether an error may be gone a moment later.
func passing(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	var refused *answerError
	if errors.As(err, &refused) {
		switch refused.status {
		case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	var limited *forge.RateLimitError
	return !errors.As(err, &limited) && !errors.Is(err, forge.ErrForbidden) && !errors.Is(err, wire.ErrTooLarge)
}

// backoff doubles from a quarter of a second, give or take a half.
func backoff(attempt int) time.Duration {
	wait := 250 * time.Millisecond << (attempt - 1)
	return wait/2 + rand.N(wait)
}

func sleep(req *http.Request, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-req.Context().Done():
		return req.Context().Err()
	}
}

// endingBody ends the request's deadline with its body.
type endingBody struct {
	io.ReadCloser
	end context.CancelFunc
}

// Close implements io.Closer.
func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// Read ends the deadline, too: not all of the library closes what it read.
func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end()
	}
	return n, err
}

// maxAnswer bounds one answer: the threads of a pull request, or 200 comments of 150,000
// characters each.
const maxAnswer = 64 << 20
