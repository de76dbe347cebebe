package web

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// Cookies. With https their names bind them to this host and to https.
const (
	flowCookie    = "coderflow-sign-in"
	sessionCookie = "coderflow-session"
)

func (s *server) cookieName(name string) string {
	if s.SignIn.Secure {
		return "__Host-" + name
	}
	return name
}

// setCookie puts a cookie in the place of whatever the browser had; an empty
// value takes it away. Scripts cannot read it, and other sites' requests do not
// carry it, but for following a link here.
func (s *server) setCookie(c echo.Context, name, value string, life time.Duration) {
	cookie := &http.Cookie{
		Name: s.cookieName(name), Value: value, Path: "/", HttpOnly: true, Secure: s.SignIn.Secure,
		SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds()),
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	c.SetCookie(cookie)
}

// cookie is the value of a cookie; two of one name are none: which of them is
// ours cannot be told.
func (s *server) cookie(c echo.Context, name string) string {
	found := c.Request().CookiesNamed(s.cookieName(name))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

func (s *server) startBrowser(c echo.Context) error {
	query := c.QueryParams()
	start, err := s.SignIn.Flows.StartBrowser(c.Request().Context(), query.Get("provider"), query.Get("next"), address(c.Request()))
	if err != nil {
		return signInError(err)
	}
	s.setCookie(c, flowCookie, start.Cookie, start.ExpiresAt.Sub(s.Now()))
	return c.Redirect(http.StatusSeeOther, start.Address)
}

func (s *server) finishBrowser(c echo.Context) error {
	back := signin.Return{Provider: c.Param("provider"), Cookie: s.cookie(c, flowCookie)}
	s.setCookie(c, flowCookie, "", 0)
	query := c.QueryParams()
	var code string
	for name, to := range map[string]*string{"state": &back.State, "error": &back.Error, "iss": &back.Issuer, "code": &code} {
		if values := query[name]; len(values) == 1 {
			*to = values[0]
		} else if len(values) > 1 {
			return bad("the provider's answer says " + name + " twice")
		}
	}
	back.Code = forge.Secret(code)
	result, err := s.SignIn.Flows.FinishBrowser(c.Request().Context(), back)
	if err != nil {
		return signInError(err)
	}
	s.setCookie(c, sessionCookie, result.Value.Reveal(), result.Token.ExpiresAt.Sub(s.Now()))
	return c.Redirect(http.StatusSeeOther, result.Next)
}

// session finds out whose browser it is; ok is false if nobody is signed in.
func (s *server) session(c echo.Context) (k token.Token, ok bool, err error) {
	value, err := token.Parse(s.cookie(c, sessionCookie))
	if err != nil {
		return token.Token{}, false, nil
	}
	k, err = s.API.Tokens.TokenByHash(c.Request().Context(), value.Hash())
	if errors.Is(err, task.ErrNotFound) {
		return token.Token{}, false, nil
	}
	if err != nil {
		return token.Token{}, false, fmt.Errorf("look up the session: %w", err)
	}
	return k, k.SignIn && k.Ended(s.Now()) == "", nil
}

func (s *server) logOut(c echo.Context) error {
	if err := http.NewCrossOriginProtection().Check(c.Request()); err != nil {
		return &apiError{status: http.StatusForbidden, text: "logging out takes a request from this site"}
	}
	k, ok, err := s.session(c)
	if err != nil {
		return err
	}
	if ok {
		if err := s.SignIn.End(c.Request().Context(), k, s.Now()); err != nil {
			return err
		}
	}
	s.setCookie(c, sessionCookie, "", 0)
	return c.Redirect(http.StatusSeeOther, "/")
}
