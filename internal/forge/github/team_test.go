package github_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func (w *world) team(members ...string) forge.TeamRef {
	w.t.Helper()
	_, err := w.forge.CreateTeam("acme", "Reviewers")
	w.must(err)
	for _, login := range members {
		w.must(w.forge.AddTeamMember("acme", "reviewers", login))
	}
	ref, err := w.adapter.TeamBySlug(w.t.Context(), forge.GitHub, "Acme", "reviewers")
	w.must(err)
	return ref
}

func (w *world) members(ref forge.TeamRef) []string {
	w.t.Helper()
	users, err := w.adapter.TeamMembers(w.t.Context(), ref)
	w.must(err)
	var logins []string
	for _, u := range users {
		if u.Kind != forge.Person || u.Subject != w.users[u.Login].Subject {
			w.t.Errorf("%+v is not who is in the team", u)
		}
		logins = append(logins, u.Login)
	}
	slices.Sort(logins)
	return logins
}

// Threat 47 for teams: what counts is the id, whatever the team and the
// organization are called, and a new team of an old name is another one.
func TestThreat47ATeamIsReadByItsIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ref := w.team("anna", "rob")
	if ref.Organization != "acme" || ref.Slug != "reviewers" {
		t.Errorf("%+v", ref)
	}
	w.must(w.forge.RenameTeam("acme", "reviewers", "Old Guard"))
	_, err := w.forge.CreateTeam("acme", "Reviewers")
	w.must(err)
	w.must(w.forge.AddTeamMember("acme", "reviewers", "otto"))
	w.must(w.forge.RenameUser("acme", "acme-inc"))
	if got := w.members(ref); !slices.Equal(got, []string{"anna", "rob"}) {
		t.Errorf("after renames: %v", got)
	}
	if _, err := w.adapter.TeamBySlug(t.Context(), forge.GitHub, "acme", "reviewers"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("by the organization's old name: %v", err)
	}
	w.must(w.forge.RemoveTeamMember("acme-inc", "old-guard", "rob"))
	if got := w.members(ref); !slices.Equal(got, []string{"anna"}) {
		t.Errorf("after one left: %v", got)
	}
	w.must(w.forge.DeleteTeam("acme-inc", "old-guard"))
	if users, err := w.adapter.TeamMembers(t.Context(), ref); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a team that is gone is no empty team: %v, %v", users, err)
	}
}

func TestAWholeTeamIsReadPageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ref := w.team()
	const many = 230
	for i := range many {
		login := "p" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + "-" + strings.Repeat("y", i/26)
		user, err := w.forge.CreateUser(login, emulator.UserOptions{})
		w.must(err)
		w.users[login] = forge.User{Subject: subject(user.ID)}
		w.must(w.forge.AddTeamMember("acme", "reviewers", login))
	}
	if got := w.members(ref); len(got) != many {
		t.Errorf("%d of %d members", len(got), many)
	}
}

// The token that reads teams can do nothing else.
func TestATeamIsReadWithATokenForNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	w.members(w.team("anna"))
	for _, call := range w.ledger.calls {
		granted := w.ledger.granted[call.auth]
		if strings.Contains(call.path, "/team") && (granted["members"] != "read" || len(granted) > 2 || granted["metadata"] != "read") {
			t.Errorf("%s %s with %v", call.method, call.path, granted)
		}
	}
}

func TestTeamsOfOthersAndOutagesAreErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.RepositoryOptions{})
	ref := w.team("anna")
	for name, ids := range map[string][2]string{
		"another organization": {"1", ref.ID}, "another team": {ref.OrganizationID, "1"}, "no number": {"acme", "reviewers"}, "nothing": {"", ""},
	} {
		if users, err := w.adapter.TeamMembers(t.Context(), forge.TeamRef{Host: forge.GitHub, OrganizationID: ids[0], ID: ids[1]}); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("%s: %v, %v", name, users, err)
		}
	}
	for _, names := range [][2]string{{"acme", "../x"}, {"a/b", "reviewers"}, {"anna", "reviewers"}, {"acme", "nobody"}} {
		if found, err := w.adapter.TeamBySlug(t.Context(), forge.GitHub, names[0], names[1]); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("%v: %v, %v", names, found, err)
		}
	}
	w.failOnce(http.MethodGet, "/members", &emulator.Fault{Status: http.StatusBadGateway})
	if users, err := w.adapter.TeamMembers(t.Context(), ref); err == nil || users != nil {
		t.Errorf("an outage is an empty team: %v, %v", users, err)
	}
}
