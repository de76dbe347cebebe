package web

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// ErrTooManyTokens is an owner who has as many good tokens as one may have.
var ErrTooManyTokens = errors.New("the owner has too many tokens")

// maxTokens is how many good tokens an owner may have.
const maxTokens = 50

// TokenChange is a token that somebody makes or ends, for the audit log.
type TokenChange struct {
	Token token.Token
	By    forge.Subject
	When  time.Time
	// Using and Request are the ids of the token that was used and of the request.
	Using, Request string
}

// TokenDesk makes, lists and ends tokens.
type TokenDesk interface {
	// Token returns a token, ended or not, or task.ErrNotFound.
	Token(ctx context.Context, id string) (token.Token, error)
	// OwnedTokens lists tokens of an owner, of everybody if it is zero, newest
	// first, those that ended included, at most 1000.
	OwnedTokens(ctx context.Context, owner forge.Subject) ([]token.Token, error)
	// MakeToken stores a token, audited, or fails with ErrTooManyTokens if its
	// owner has that many good ones.
	MakeToken(ctx context.Context, c TokenChange, hash token.Hash, most int) error
	// EndToken revokes a token, audited, and returns it as it is then.
	EndToken(ctx context.Context, c TokenChange) (token.Token, error)
}

// issuedView is a token as its owner sees it.
type issuedView struct {
	ID           string              `json:"id"`
	Token        string              `json:"token,omitempty"` // only when it is made
	Name         string              `json:"name"`
	Owner        string              `json:"owner"`
	SignIn       bool                `json:"signIn"`
	Permissions  []policy.Permission `json:"permissions,omitempty"`
	Environments []string            `json:"environments,omitempty"`
	CreatedAt    time.Time           `json:"createdAt"`
	CreatedBy    string              `json:"createdBy"`
	ExpiresAt    time.Time           `json:"expiresAt"`
	LastUsedAt   *time.Time          `json:"lastUsedAt,omitempty"`
	RevokedAt    *time.Time          `json:"revokedAt,omitempty"`
	State        string              `json:"state"` // active, expired or revoked
}

func (c *call) viewToken(k token.Token) issuedView {
	v := issuedView{
		ID: k.ID, Name: k.Name, Owner: k.Owner.String(), SignIn: k.SignIn, Permissions: k.Scope.Permissions, Environments: k.Scope.Environments,
		CreatedAt: k.CreatedAt.UTC(), CreatedBy: k.CreatedBy, ExpiresAt: k.ExpiresAt.UTC(),
		LastUsedAt: moment(k.LastUsedAt), RevokedAt: moment(k.RevokedAt), State: k.Ended(c.s.Now()),
	}
	if v.State == "" {
		v.State = "active"
	}
	return v
}

// listTokens lists the caller's own tokens, a service's, or, for whoever manages
// tokens, anybody's.
func listTokens(c *call) error {
	all, err := c.flag("all")
	if err != nil {
		return err
	}
	owner := c.user.Subject
	if text := c.query.Get("owner"); text != "" {
		if owner, err = forge.ParseSubject(text); err != nil || all {
			return bad("owner: want HOST:ID, or all=true, and not both")
		}
	}
	managed := c.holds(policy.TokensManage, policy.Server)
	switch {
	case all && !managed.OK, owner != c.user.Subject && owner.Host != forge.Service && !managed.OK:
		return c.refused(policy.TokensManage, policy.Server, managed)
	case all:
		owner = forge.Subject{}
	}
	list, err := c.s.API.TokenDesk.OwnedTokens(c.Request().Context(), owner)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(k token.Token) bool { return !c.handles(k) })
	return c.JSON(http.StatusOK, page[issuedView]{Items: collect(list, c.viewToken)})
}

// handles reports whether the caller may see and end the token: an own one that
// reaches no more than the one that is used, a service's that the caller could
// make, or any for whoever manages tokens.
func (c *call) handles(k token.Token) bool {
	switch {
	case k.Owner == c.user.Subject && c.token.Scope.Covers(k.Scope), c.holds(policy.TokensManage, policy.Server).OK:
		return true
	case k.Owner.Host == forge.Service && k.Owner != c.user.Subject:
		return c.handsOut(k.Owner, k.Scope).OK
	}
	return false
}

var (
	tokenID    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	errNoToken = &apiError{status: http.StatusNotFound, text: "there is no such token, or you may not see it"}
)

// revokeToken ends a token. Doing it again changes nothing.
func revokeToken(c *call) error {
	id := c.Param("id")
	if !tokenID.MatchString(id) {
		return errNoToken
	}
	ctx := c.Request().Context()
	k, err := c.s.API.TokenDesk.Token(ctx, id)
	if errors.Is(err, task.ErrNotFound) || err == nil && !c.handles(k) {
		return errNoToken
	}
	if err != nil {
		return err
	}
	if k, err = c.s.API.TokenDesk.EndToken(ctx, c.tokenChange(k)); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, c.viewToken(k))
}

func (c *call) tokenChange(k token.Token) TokenChange {
	return TokenChange{Token: k, By: c.user.Subject, When: c.s.Now().UTC(), Using: c.token.ID, Request: requestID(c)}
}
