package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/token"
)

// SignIns are the flows by which people prove who they are.
type SignIns interface {
	Providers() []signin.Provider
	StartDevice(ctx context.Context, provider, address string) (signin.DeviceStart, error)
	AskDevice(ctx context.Context, handle string) (signin.Result, time.Duration, error)
	StartBrowser(ctx context.Context, provider, next, address string) (signin.BrowserStart, error)
	FinishBrowser(ctx context.Context, r signin.Return) (signin.Result, error)
}

// SignIn are the parts of signing in. It needs the API's parts too.
type SignIn struct {
	Flows SignIns
	// End ends the session whose token it is, audited.
	End func(ctx context.Context, k token.Token, when time.Time) error
	// Secure: people reach the server by https, and cookies go nowhere else.
	Secure bool
}

// Who may call the rows of signing in.
const (
	anyone  access = "anyone, to prove who they are"
	session access = "a browser, with the session that it has"
)

// Bounds of one address: behind a proxy that is everybody.
var (
	signInStarts = Rate{Burst: 20, Every: 3 * time.Second}
	signInAsks   = Rate{Burst: 60, Every: 500 * time.Millisecond}
)

// signInRoutes are the rows of signing in. What they make is a token, which is
// then asked for in the header like any other; the cookie is for pages alone.
func (s *server) signInRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	starts, asks := newLimiter(signInStarts, s.Now), newLimiter(signInAsks, s.Now)
	return append([]route{
		{get, apiPrefix + "/auth", open, s.listProviders},
		{post, apiPrefix + "/auth/device", anyone, limit(starts, s.startDevice)},
		{post, apiPrefix + "/auth/device/token", anyone, limit(asks, s.askDevice)},
		{get, "/auth/login", anyone, asPage(limit(starts, s.startBrowser), s)},
		{get, "/auth/:provider/callback", anyone, asPage(limit(starts, s.finishBrowser), s)},
		{post, "/auth/logout", session, asPage(s.logOut, s)},
	}, slices.Concat(s.taskPageRoutes(), s.deploymentRoutes(), s.environmentRoutes(), s.systemRoutes())...)
}

func limit(l *limiter, next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if wait := l.take(address(c.Request())); wait > 0 {
			return tooMany(wait, "too many sign-ins from this address")
		}
		return next(c)
	}
}

type providerView struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Device  bool   `json:"device"`
	Browser bool   `json:"browser"`
}

func (s *server) listProviders(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]any{
		"providers": collect(s.SignIn.Flows.Providers(), func(p signin.Provider) providerView {
			return providerView{p.Name(), p.Title(), true, true}
		}),
	})
}

type deviceView struct {
	Handle    string    `json:"handle"`
	UserCode  string    `json:"userCode"`
	Address   string    `json:"verificationURI"`
	Complete  string    `json:"verificationURIComplete,omitempty"`
	ExpiresAt time.Time `json:"expiresAt"`
	Interval  int       `json:"interval"` // seconds
}

func (s *server) startDevice(c echo.Context) error {
	var in struct {
		Provider string `json:"provider"`
	}
	if err := readObject(c, &in); err != nil {
		return err
	}
	start, err := s.SignIn.Flows.StartDevice(c.Request().Context(), in.Provider, address(c.Request()))
	if err != nil {
		return signInError(err)
	}
	code := start.Code
	return c.JSON(http.StatusOK, deviceView{start.Handle, code.UserCode, code.Address, code.Complete, start.ExpiresAt.UTC(), seconds(code.Interval)})
}

type pendingView struct {
	Status   string `json:"status"`
	Interval int    `json:"interval"` // seconds
}

type signedInView struct {
	Token     string    `json:"token"`
	ID        string    `json:"id"`
	Subject   string    `json:"subject"`
	Login     string    `json:"login,omitempty"`
	ExpiresAt time.Time `json:"expiresAt"`
}

func (s *server) askDevice(c echo.Context) error {
	var in struct {
		Handle string `json:"handle"`
	}
	if err := readObject(c, &in); err != nil {
		return err
	}
	result, wait, err := s.SignIn.Flows.AskDevice(c.Request().Context(), in.Handle)
	switch {
	case errors.Is(err, signin.ErrPending):
		return c.JSON(http.StatusAccepted, pendingView{"pending", seconds(wait)})
	case err != nil:
		return signInError(err)
	}
	k := result.Token
	c.Set(subjectKey, k.Owner.String())
	c.Set(tokenKey, k.ID)
	return c.JSON(http.StatusOK, signedInView{result.Value.Reveal(), k.ID, k.Owner.String(), result.Login, k.ExpiresAt.UTC()})
}

// seconds rounds up: whoever waits less is told to wait again.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// readObject reads a JSON object that has nothing but what is understood.
func readObject(c echo.Context, into any) error {
	r := c.Request()
	if r.URL.RawQuery != "" {
		return bad("this takes no query parameters")
	}
	media, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || media != echo.MIMEApplicationJSON || r.Header.Get(echo.HeaderContentEncoding) != "" {
		return &apiError{status: http.StatusUnsupportedMediaType, text: "want a body of type application/json, not compressed"}
	}
	const most = 4 << 10
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, most))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return &apiError{status: http.StatusRequestEntityTooLarge, text: "the body is larger than 4 KiB"}
	}
	if err != nil {
		return bad("the body could not be read")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if decoder.Decode(into) != nil || decoder.More() {
		return bad("want a JSON object with only what the API's description names")
	}
	return nil
}

// signInError puts what went wrong into words and a status. Of what a provider
// answered, the log has more.
func signInError(err error) error {
	var noRole *signin.NoRoleError
	var no *signin.RefusedError
	var away *signin.UnreachableError
	switch {
	case errors.Is(err, signin.ErrUnknownProvider):
		return &apiError{status: http.StatusNotFound, text: signin.ErrUnknownProvider.Error() + "; GET /api/v1/auth lists them"}
	case errors.Is(err, signin.ErrTooMany):
		return tooMany(time.Minute, signin.ErrTooMany.Error())
	case errors.Is(err, signin.ErrNoDeviceFlow):
		return &apiError{status: http.StatusConflict, text: signin.ErrNoDeviceFlow.Error()}
	case errors.Is(err, signin.ErrGone):
		return &apiError{status: http.StatusGone, text: signin.ErrGone.Error()}
	case errors.Is(err, signin.ErrDenied):
		return &apiError{status: http.StatusForbidden, text: signin.ErrDenied.Error()}
	case errors.As(err, &noRole):
		return &apiError{status: http.StatusForbidden, text: noRole.Error()}
	case errors.As(err, &no):
		return &apiError{status: http.StatusForbidden, text: no.Text}
	case errors.As(err, &away):
		return &unavailable{apiError{status: http.StatusBadGateway, text: "the provider " + away.Provider + " cannot be asked at the moment; try again"}, err}
	}
	return err
}

// unavailable carries the cause to the log.
type unavailable struct {
	apiError
	cause error
}

// Error implements error.
func (e *unavailable) Error() string { return e.cause.Error() }

// As implements the interface of errors.As.
func (e *unavailable) As(target any) bool {
	if to, ok := target.(**apiError); ok {
		*to = &e.apiError
		return true
	}
	return false
}
