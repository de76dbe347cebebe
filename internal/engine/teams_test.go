package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// fakeTeams is a forge with one team and a store of readings.
type fakeTeams struct {
	mu      sync.Mutex
	members []forge.User
	err     error
	asked   int
	slow    chan struct{} // answers wait for it, if it is set
	stored  map[string]TeamReading
	now     time.Time
}

func (f *fakeTeams) TeamMembers(ctx context.Context, of forge.TeamRef) ([]forge.User, error) {
	f.mu.Lock()
	f.asked++
	members, err, slow := f.members, f.err, f.slow
	f.mu.Unlock()
	if of.OrganizationID != "9" || of.ID != "7" {
		return nil, forge.ErrNotFound
	}
	if slow != nil {
		select {
		case <-slow:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return members, err
}

func (f *fakeTeams) Memberships(context.Context, []string) (map[string]TeamReading, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string]TeamReading{}
	for k, v := range f.stored {
		all[k] = v
	}
	return all, nil
}

func (f *fakeTeams) SaveMembership(_ context.Context, team string, r TeamReading) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stored[team] = r
	return nil
}

func (f *fakeTeams) pass(d time.Duration) { f.mu.Lock(); f.now = f.now.Add(d); f.mu.Unlock() }

func (f *fakeTeams) clock() time.Time { f.mu.Lock(); defer f.mu.Unlock(); return f.now }

var (
	theTeam = forge.TeamRef{Host: forge.GitHub, OrganizationID: "9", ID: "7", Organization: "acme", Slug: "reviewers"}
	rob     = forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "3"}, Login: "rob", Kind: forge.Person}
)

func newTeams() (*fakeTeams, *Memberships) {
	f := &fakeTeams{members: []forge.User{rob}, stored: map[string]TeamReading{}, now: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)}
	return f, &Memberships{Store: f, Forge: f, Logger: slog.New(slog.DiscardHandler), Now: f.clock}
}

// members is "rob", "" or why nobody is known to be in the team.
func members(t *testing.T, m *Memberships, reread time.Duration) string {
	t.Helper()
	current, err := m.Current(t.Context(), []forge.TeamRef{theTeam}, reread)
	if err != nil {
		t.Fatal(err)
	}
	got := current[theTeam.Key()]
	var logins []string
	for _, u := range got.Members {
		logins = append(logins, u.Login)
	}
	if got.Unread != "" && len(logins) > 0 {
		t.Errorf("members that are not known: %v", logins)
	}
	return strings.Join(logins, " ") + got.Unread
}

func TestMembersAreReadAgainWhenWhatIsKnownIsOld(t *testing.T) {
	t.Parallel()
	f, m := newTeams()
	steps := []struct {
		pass   time.Duration
		reread time.Duration
		left   bool // rob leaves before
		want   string
		asked  int
	}{
		{0, MembershipAge, false, "rob", 1},
		{time.Minute, MembershipAge, true, "rob", 1},
		{0, ApprovalAge, true, "", 2}, // the gate sees at once that he left
		{time.Minute, MembershipAge, false, "", 2},
		{MembershipAge, MembershipAge, false, "rob", 3},
	}
	for i, step := range steps {
		f.pass(step.pass)
		f.members = []forge.User{rob}
		if step.left {
			f.members = nil
		}
		if got := members(t, m, step.reread); got != step.want || f.asked != step.asked {
			t.Errorf("step %d: %q after %d readings, want %q after %d", i, got, f.asked, step.want, step.asked)
		}
	}
}

// An outage lets a young reading count and empties the team after it.
func TestThreat48AnOutageOfTheForgeEmptiesATeam(t *testing.T) {
	t.Parallel()
	f, m := newTeams()
	if got := members(t, m, ApprovalAge); got != "rob" {
		t.Fatal(got)
	}
	f.err = errors.New("the forge is down")
	f.pass(MembershipAge)
	if got := members(t, m, ApprovalAge); got != "rob" {
		t.Errorf("five minutes later: %q", got)
	}
	f.pass(time.Second)
	if got := members(t, m, ApprovalAge); got != "the forge is down" {
		t.Errorf("after that: %q", got)
	}
	asked := f.asked
	if got := members(t, m, MembershipAge); got != "the forge is down" || f.asked != asked {
		t.Errorf("a moment later: %q, asked %d times more", got, f.asked-asked)
	}
	f.err = nil
	f.pass(readPause)
	if got := members(t, m, MembershipAge); got != "rob" {
		t.Errorf("when it is back: %q", got)
	}
}

func TestATeamThatIsGoneHasNobody(t *testing.T) {
	t.Parallel()
	f, m := newTeams()
	members(t, m, MembershipAge)
	f.err = fmt.Errorf("read: %w", forge.ErrNotFound)
	if err := m.Refresh(t.Context(), []forge.TeamRef{theTeam}); err != nil {
		t.Errorf("that is an answer: %v", err)
	}
	if got := members(t, m, MembershipAge); !strings.Contains(got, "shows no such team") {
		t.Errorf("%q", got)
	}
}

func TestReadingsFromTheFutureAndOfCommandsDoNotCount(t *testing.T) {
	t.Parallel()
	f, m := newTeams()
	f.stored[theTeam.Key()] = TeamReading{Members: []forge.User{rob}, At: f.now.Add(24 * time.Hour)} // a clock was wrong
	f.members = nil
	if got := members(t, m, MembershipAge); got != "" || f.asked != 1 {
		t.Errorf("%q after %d readings", got, f.asked)
	}
	m.Forge = nil
	f.stored[theTeam.Key()] = TeamReading{Members: []forge.User{rob}, At: f.now}
	if got := members(t, m, MembershipAge); got != "rob" {
		t.Errorf("what the server read: %q", got)
	}
	f.pass(MembershipAge + time.Second)
	if got := members(t, m, MembershipAge); !strings.Contains(got, "does not ask the forge") {
		t.Errorf("when it is old: %q", got)
	}
}

func TestManyDecisionsAskOnce(t *testing.T) {
	t.Parallel()
	f, m := newTeams()
	f.slow = make(chan struct{})
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if got := members(t, m, MembershipAge); got != "rob" {
				t.Errorf("%q", got)
			}
		})
	}
	for asked := 0; asked == 0; time.Sleep(time.Millisecond) {
		f.mu.Lock()
		asked = f.asked
		f.mu.Unlock()
	}
	time.Sleep(20 * time.Millisecond) // the others come meanwhile
	close(f.slow)
	wait.Wait()
	if f.asked > 2 {
		t.Errorf("asked %d times", f.asked)
	}
}
