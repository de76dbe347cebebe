package signin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/coderflow/coderflow/internal/forge"
)

// UserToken acts as a person for the App: it may what both may. GitHub's live eight
// hours, and their refresh tokens six months.
type UserToken struct {
	Access, Refresh         forge.Secret
	ExpiresAt, RefreshUntil time.Time // zero: never
}

// Keeper keeps people's tokens.
type Keeper interface {
	// Keep stores the token in the place of what the person had.
	Keep(ctx context.Context, who Identity) error
}

// Errors about a token of a person.
var (
	// ErrTokenEnded: the token, or what would renew it, is good no more.
	ErrTokenEnded = errors.New("GitHub does not take the token any more: it was revoked, used up, or has expired")
	// ErrTokenShort: the person or the App has not what was asked for.
	ErrTokenShort = errors.New("GitHub gives the token no such access to the repository")
)

func tokenOf(t *oauth2.Token) UserToken {
	refreshIn := int64(0)
	switch n := t.Extra("refresh_token_expires_in").(type) {
	case float64:
		refreshIn = int64(n)
	case int64:
		refreshIn = n
	case string: // of an answer that was a form
		refreshIn, _ = strconv.ParseInt(n, 10, 64)
	}
	return UserToken{
		Access: forge.Secret(t.AccessToken), Refresh: forge.Secret(t.RefreshToken),
		ExpiresAt: t.Expiry.UTC(), RefreshUntil: after(refreshIn),
	}
}

func (a deviceAnswer) token() UserToken {
	return UserToken{Access: a.AccessToken, Refresh: a.Refresh, ExpiresAt: after(a.ExpiresIn), RefreshUntil: after(a.RefreshIn)}
}

func after(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Now().UTC().Add(time.Duration(seconds) * time.Second)
}

// RefreshToken gives a new pair for a refresh token, which is used up by that,
// whether the answer arrives or not. It fails with ErrTokenEnded.
// https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens
func (g *GitHub) RefreshToken(ctx context.Context, refresh forge.Secret) (UserToken, error) {
	form := url.Values{
		"client_id": {g.config.ClientID}, "client_secret": {g.config.ClientSecret},
		"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.config.Endpoint.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return UserToken{}, fmt.Errorf("refresh a user's token: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	response, err := g.http.Do(r)
	if err != nil {
		return UserToken{}, fmt.Errorf("refresh a user's token: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	var a deviceAnswer
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		return UserToken{}, fmt.Errorf("refresh a user's token: the answer %d cannot be read", response.StatusCode)
	}
	switch {
	case a.Error == "bad_refresh_token":
		return UserToken{}, fmt.Errorf("refresh a user's token: %w", ErrTokenEnded)
	case a.Error != "" || response.StatusCode != http.StatusOK || a.AccessToken == "":
		return UserToken{}, fmt.Errorf("refresh a user's token: GitHub answers %d, %.40q", response.StatusCode, a.Error)
	}
	return a.token(), nil
}

// ScopeToken makes a token for one repository, with read or write access to its
// content and nothing else. It fails with ErrTokenEnded or ErrTokenShort.
// https://docs.github.com/rest/apps/apps#create-a-scoped-access-token
func (g *GitHub) ScopeToken(ctx context.Context, access forge.Secret, ref forge.RepositoryRef, write bool) (forge.Secret, error) {
	id, err := strconv.ParseInt(ref.ID, 10, 64)
	if err != nil {
		return "", fmt.Errorf("narrow a user's token: %w", err)
	}
	level := map[bool]string{true: "write", false: "read"}[write]
	body, err := json.Marshal(map[string]any{
		"access_token": access.Reveal(), "target": ref.Owner, "repository_ids": []int64{id}, "permissions": map[string]string{"contents": level},
	})
	if err != nil {
		return "", fmt.Errorf("narrow a user's token: %w", err)
	}
	address := g.api + "applications/" + url.PathEscape(g.config.ClientID) + "/token/scoped"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("narrow a user's token: %w", err)
	}
	r.SetBasicAuth(g.config.ClientID, g.config.ClientSecret)
	r.Header.Set("Accept", "application/vnd.github+json")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "coderflow")
	response, err := g.http.Do(r)
	if err != nil {
		return "", fmt.Errorf("narrow a user's token: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	var narrowed struct {
		Token forge.Secret `json:"token"`
	}
	switch response.StatusCode {
	case http.StatusOK:
		if err := json.NewDecoder(response.Body).Decode(&narrowed); err != nil || narrowed.Token == "" {
			return "", errors.New("narrow a user's token: GitHub's answer cannot be read")
		}
		return narrowed.Token, nil
	case http.StatusNotFound:
		return "", fmt.Errorf("narrow a user's token: %w", ErrTokenEnded)
	case http.StatusForbidden, http.StatusUnprocessableEntity:
		if response.Header.Get("Retry-After") == "" && response.Header.Get("X-RateLimit-Remaining") != "0" {
			return "", fmt.Errorf("narrow a user's token: %w", ErrTokenShort)
		}
	}
	return "", fmt.Errorf("narrow a user's token: GitHub answers %d", response.StatusCode)
}
