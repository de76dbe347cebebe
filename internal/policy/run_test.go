package policy_test

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

func TestDecideRun(t *testing.T) {
	t.Parallel()
	bot := ada
	bot.Kind = forge.Bot
	recreated := repo
	recreated.ID = "101" // same name, another repository (threat 9)
	tests := []struct {
		name        string
		requester   forge.User
		repository  forge.Repository
		environment string
		want        string // environment, or "" for a refusal
		why         string
	}{
		{"named environment", ada, forge.Repository{RepositoryRef: repo}, "staging", "staging", ""},
		{"ambiguous environment", ada, forge.Repository{RepositoryRef: repo}, "", "", "name one with --env"},
		{"no role there", ada, forge.Repository{RepositoryRef: repo}, "production", "", "has no role in environment \"production\""},
		{"unknown environment (threat 8)", ada, forge.Repository{RepositoryRef: repo}, "nowhere", "", "does not list this repository"},
		{"stranger (threat 6)", eve, forge.Repository{RepositoryRef: repo}, "staging", "", "has no role"},
		{"bot", bot, forge.Repository{RepositoryRef: repo}, "staging", "", "not a person"},
		{"re-created name (threat 9)", ada, forge.Repository{RepositoryRef: recreated}, "staging", "", "no environment lists"},
		{"archived", ada, forge.Repository{RepositoryRef: repo, Archived: true}, "staging", "", "archived"},
		{"nobody", forge.User{Kind: forge.Person}, forge.Repository{RepositoryRef: repo}, "staging", "", "did not say who"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env, d := rules().DecideRun(policy.RunRequest{Requester: tt.requester, Repository: tt.repository, Environment: tt.environment})
			if d.Allowed != (tt.want != "") {
				t.Fatalf("allowed %v:\n%s", d.Allowed, d.Reason)
			}
			if d.Allowed && env != tt.want {
				t.Errorf("environment %q, want %q", env, tt.want)
			}
			if why := strings.Join(d.Reason.Refusals(), "; "); !strings.Contains(why, tt.why) {
				t.Errorf("refusals %q do not say %q", why, tt.why)
			}
			if d.PolicyVersion != "v1" {
				t.Errorf("policy version %q", d.PolicyVersion)
			}
		})
	}
}

func TestServerAdminOnEverythingHoldsEverywhere(t *testing.T) {
	t.Parallel()
	p := rules()
	p.Bindings = append(p.Bindings, policy.Binding{Name: "root", Subject: eve.Subject, Role: "server-admin", Resource: policy.Everything})
	for _, info := range policy.Permissions() {
		permission := info.Permission
		if !permission.On(policy.OnEnvironment) {
			continue
		}
		if d := p.Decide(eve, permission, "production"); !d.Allowed {
			t.Errorf("%s refused:\n%s", permission, d.Reason)
		}
	}
	if d := p.Decide(eve, policy.TasksApprove, "nowhere"); d.Allowed {
		t.Error("an environment that does not exist is allowed")
	}
}

func TestReasonTreeIsDrawnWithEveryReason(t *testing.T) {
	t.Parallel()
	r := policy.All("top", policy.Yes("fine"), policy.No("bad", policy.No("because")))
	want := "✗ top\n  ✓ fine\n  ✗ bad\n    ✗ because"
	if got := r.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if got := r.Refusals(); len(got) != 1 || got[0] != "because" {
		t.Errorf("refusals %q", got)
	}
}
