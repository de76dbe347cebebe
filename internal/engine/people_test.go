package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

// fixedPeople keep one token each.
type fixedPeople map[string]struct {
	value forge.Secret
	err   error
}

func (p fixedPeople) GitToken(_ context.Context, who forge.Subject, ref forge.RepositoryRef, _ bool) (forge.Token, error) {
	kept, known := p[who.String()]
	if !known {
		return forge.Token{}, ErrNoOwnToken
	}
	return forge.Token{Value: kept.value, Source: "github user x (" + who.ID + "), own sign-in"}, kept.err
}

func TestAPersonsOwnTokenComesAfterTheRepositorysAndBeforeTheTeams(t *testing.T) {
	t.Parallel()
	shop := forge.RepositoryRef{Host: forge.GitHub, ID: "1001", Owner: "acme", Name: "shop"}
	third := shop
	third.ID = "1003"
	robs := rob.Subject.String()
	stranger := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "4"}}
	works := map[forge.Secret]string{"b-secret": "push", "s-secret": "push", "own-secret": "push"}
	good := fixedPeople{robs: {value: "own-secret"}}
	revoked := fixedPeople{robs: {err: &OwnTokenError{Why: "revoked"}}}
	own := proposalOf(task.ID("abcdefghij12"))
	for name, row := range map[string]struct {
		people   fixedPeople
		accepts  map[forge.Secret]string
		fallback bool
		who      forge.User
		ref      forge.RepositoryRef
		own      ownBranch
		push     bool
		want     string
	}{
		"before the team's":         {good, works, false, rob, third, own, true, "own-secret github user x"},
		"before the App's":          {good, works, false, rob, third, "", false, "own-secret github user x"},
		"the repository's is first": {good, works, false, rob, shop, own, true, "s-secret git provider"},
		"not on another branch":     {good, works, false, rob, third, "", true, "b-secret git provider"},
		"of somebody else":          {good, works, false, stranger, third, own, true, "app-push the App"},
		"revoked":                   {revoked, works, false, rob, third, own, true, "the own token of " + robs + " cannot be used: revoked"},
		"revoked, next":             {revoked, works, true, rob, third, own, true, `b-secret git provider "of-builders", credential "builders-bot" (own token of ` + robs + " cannot be used: revoked)"},
		"may not push":              {good, map[forge.Secret]string{"own-secret": "fetch"}, false, rob, third, own, true, "cannot be used"},
		"an outage":                 {fixedPeople{robs: {err: errors.New("502")}}, works, true, rob, third, own, true, "get the own token of " + robs + ": 502"},
		"a service":                 {good, works, false, forge.User{Subject: forge.Subject{Host: forge.Service, ID: rob.Subject.ID}}, third, own, true, "app-push the App"},
	} {
		e := credentialEngine(t, &credentialForge{accepts: row.accepts}, "false")
		e.People, e.OwnFallback = row.people, row.fallback
		s := source{e: e, who: row.who, own: row.own}
		ask := s.ReadToken
		if row.push {
			ask = s.PushToken
		}
		token, err := ask(t.Context(), row.ref)
		got := token.Value.Reveal() + " " + token.Source
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, row.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
