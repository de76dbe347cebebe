package token

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

func TestATokenIsReadBackAndATypoIsSeen(t *testing.T) {
	t.Parallel()
	text := New().Reveal()
	parsed, err := Parse(text)
	if err != nil || parsed.Hash() != (Value{text}).Hash() || len(parsed.Hash()) != 64 {
		t.Fatalf("%v", err)
	}
	if New().Reveal() == text {
		t.Error("two tokens are alike")
	}
	typo := []byte(text)
	if typo[10] == 'a' {
		typo[10] = 'b'
	} else {
		typo[10] = 'a'
	}
	for name, wrong := range map[string]string{
		"typo": string(typo), "cut": text[:len(text)-1], "longer": text + "0", "empty": "", "upper case": strings.ToUpper(text),
		"line break": text + "\n", "other prefix": "ghp_" + text[4:],
	} {
		if _, err := Parse(wrong); err != ErrForm {
			t.Errorf("%s: %v", name, err)
		} else if len(wrong) > 8 && strings.Contains(err.Error(), wrong[4:]) {
			t.Errorf("%s: the error says the token", name)
		}
	}
}

func TestATokenNeverPrints(t *testing.T) {
	t.Parallel()
	v := New()
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", v, "in", struct{ V Value }{v})
	encoded, err := json.Marshal(map[string]any{"v": v})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", v, v, v, v, v, v), log.String(), string(encoded)} {
		if strings.Contains(text, v.Reveal()) || strings.Contains(text, v.Reveal()[10:30]) || strings.Contains(text, fmt.Sprintf("%x", v.Reveal())) {
			t.Errorf("it prints: %s", text)
		}
	}
}

func TestATokenEnds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	for want, tok := range map[string]Token{
		"":        {ExpiresAt: now.Add(1)},
		"expired": {ExpiresAt: now},
		"revoked": {ExpiresAt: now.Add(time.Hour), RevokedAt: now},
	} {
		if got := tok.Ended(now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if (Token{}).Ended(now) == "" {
		t.Error("a token without an expiry is good")
	}
}

func TestANewTokenIsChecked(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	good := Token{
		ID: "1", Name: "ci", Owner: forge.Subject{Host: forge.GitHub, ID: "1"}, CreatedBy: "local:me",
		CreatedAt: now, ExpiresAt: now.Add(MaxLifetime),
	}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Token){
		"it would live":        func(t *Token) { t.ExpiresAt = now.Add(MaxLifetime + 1) },
		"it would live -1h":    func(t *Token) { t.ExpiresAt = now.Add(-time.Hour) },
		"name":                 func(t *Token) { t.Name = "a\nb" },
		"whose it is":          func(t *Token) { t.Owner = forge.Subject{} },
		"there is no":          func(t *Token) { t.Scope.Permissions = []policy.Permission{"tasks:all"} },
		"approved at the":      func(t *Token) { t.Scope.Permissions = []policy.Permission{policy.TasksApprove} },
		"narrowed to nothing":  func(t *Token) { t.Scope.Environments = []string{} },
		"id, author and time ": func(t *Token) { t.CreatedBy = "" },
	} {
		bad := good
		spoil(&bad)
		if err := bad.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestALifetimeIsReadAndBounded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"30d": DefaultLifetime, "365d": MaxLifetime, "12h": 12 * time.Hour} {
		if got, err := ParseLifetime(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "366d", "-1d", "0d", "1s", "99999999999999d", "1.5d", "never"} {
		if _, err := ParseLifetime(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestAScopeOnlyNarrows(t *testing.T) {
	t.Parallel()
	staging, server := policy.EnvironmentResource("staging"), policy.Server
	for name, c := range map[string]struct {
		scope      Scope
		permission policy.Permission
		resource   string
		want       bool
	}{
		"not narrowed":              {Scope{}, policy.AuditView, server, true},
		"the permission":            {Scope{Permissions: []policy.Permission{policy.TasksView}}, policy.TasksView, staging, true},
		"another permission":        {Scope{Permissions: []policy.Permission{policy.TasksView}}, policy.TasksCancel, staging, false},
		"the environment":           {Scope{Environments: []string{"staging"}}, policy.TasksCancel, staging, true},
		"another environment":       {Scope{Environments: []string{"production"}}, policy.TasksView, staging, false},
		"environments, the server":  {Scope{Environments: []string{"server"}}, policy.AuditView, server, false},
		"environments, everything":  {Scope{Environments: []string{"*"}}, policy.AuditView, policy.Everything, false},
		"empty lists reach nothing": {Scope{Environments: []string{}}, policy.TasksView, staging, false},
	} {
		if got := c.scope.Within(c.permission, c.resource); got.OK != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
