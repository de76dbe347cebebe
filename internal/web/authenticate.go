package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// A token is taken from the header Authorization alone. It is not in an address,
// which logs keep, nor in a cookie, which a browser sends for other sites.
const (
	challenge        = `Bearer realm="coderflow"`
	challengeInvalid = challenge + `, error="invalid_token"`
)

// authenticate finds out whose request it is. Every token that is not good gets
// the same answer after the same work: which of them exist is nobody's business.
func (s *server) authenticate(c *call) error {
	value, err := bearer(c.Request().Header)
	if err != nil {
		return s.unauthenticated(c, challenge, err.Error())
	}
	ctx := c.Request().Context()
	c.hash = value.Hash()
	k, err := s.API.Tokens.TokenByHash(ctx, c.hash)
	unknown := errors.Is(err, task.ErrNotFound)
	if err != nil && !unknown {
		return fmt.Errorf("look up the token: %w", err)
	}
	now := s.Now()
	if unknown || k.Ended(now) != "" {
		refusal := s.unauthenticated(c, challengeInvalid, "the API token is unknown, expired or revoked")
		if !unknown && k.RefusedAt.IsZero() {
			s.noteAfterAnswer(ctx, c, refusal, k)
		}
		return refusal
	}
	c.token, c.user = k, forge.User{Subject: k.Owner, Kind: k.Owner.Kind()}
	c.Set(subjectKey, k.Owner.String())
	c.Set(tokenKey, k.ID)
	if now.Sub(k.LastUsedAt) >= token.TouchInterval {
		if err := s.API.Tokens.TouchToken(ctx, k.ID, now); err != nil {
			s.Logger.WarnContext(ctx, "the use of a token was not noted", "token", k.ID, "error", err)
		}
	}
	return nil
}

// noteAfterAnswer audits the first use of an ended token once the answer is
// sent, so that the time until then does not tell that the token was one.
func (s *server) noteAfterAnswer(ctx context.Context, c *call, refusal error, k token.Token) {
	s.fail(refusal, c.Context)
	c.Response().Flush()
	if err := s.API.Tokens.TokenRefused(context.WithoutCancel(ctx), k, s.Now()); err != nil {
		s.Logger.ErrorContext(ctx, "the use of an ended token was not audited", "token", k.ID, "error", err)
	}
}

// unauthenticated refuses, and after many failures from one address asks it to
// wait. Only failures are counted and only failures are refused: a good token
// works whoever else shares its address, which behind a proxy is everybody.
func (s *server) unauthenticated(c *call, challenge, text string) error {
	if wait := s.failures.take(address(c.Request())); wait > 0 {
		return tooMany(wait, "too many requests without a good API token from this address")
	}
	return &apiError{status: http.StatusUnauthorized, text: text, challenge: challenge}
}

var errNoBearer = errors.New("an API token is needed: send the header Authorization: Bearer cfp_…; `coderflow tokens create` makes one")

func bearer(h http.Header) (token.Value, error) {
	lines := h.Values(echo.HeaderAuthorization)
	if len(lines) != 1 {
		return token.Value{}, errNoBearer
	}
	scheme, text, _ := strings.Cut(lines[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return token.Value{}, errNoBearer
	}
	value, err := token.Parse(text)
	if err != nil {
		return token.Value{}, fmt.Errorf("the token cannot be read: %w", err)
	}
	return value, nil
}

// address is what counts as one place: an IPv4 address, or the /64 that one
// subscriber of IPv6 has. Headers that name another are not believed.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "unknown"
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}
