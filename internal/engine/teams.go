package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
)

// TeamReading is who was in a team at the forge at a time.
type TeamReading struct {
	Members []forge.User
	Gone    bool      // the forge shows no such team to us; nobody is in it
	At      time.Time // when the reading began
}

// MembershipStore keeps the last reading of each team, by forge.TeamRef.Key.
type MembershipStore interface {
	Memberships(ctx context.Context, teams []string) (map[string]TeamReading, error)
	SaveMembership(ctx context.Context, team string, r TeamReading) error
}

// TeamForge reads teams at the forge.
type TeamForge interface {
	TeamMembers(ctx context.Context, team forge.TeamRef) ([]forge.User, error)
}

// Bounds on the age of a reading.
const (
	// MembershipAge is how old a reading may be that a decision is made with.
	// Without a younger one nobody is in the team.
	MembershipAge = 5 * time.Minute
	// ApprovalAge is from when on the gate asks the forge again before it decides.
	// If the forge does not answer, a reading up to MembershipAge old counts.
	ApprovalAge = 10 * time.Second
	// readTimeout bounds how long a decision waits for the forge.
	readTimeout = 10 * time.Second
	// readPause is how long the forge is left alone after it did not answer.
	readPause = 10 * time.Second
	// futureAge is how far ahead another server's clock may be.
	futureAge = time.Minute
)

// Memberships knows who is in teams at the forge. It is safe for concurrent use.
type Memberships struct {
	Store  MembershipStore
	Forge  TeamForge // nil: the forge is never asked
	Logger *slog.Logger
	Now    func() time.Time

	asking singleflight.Group
	mu     sync.Mutex
	failed map[string]failedReading // by team: the last attempt, if it failed
}

type failedReading struct {
	at  time.Time
	err error
}

// Current returns who is in the teams, by their keys, for a decision now. What is
// known and older than reread is read again first. A team whose members are not
// known well enough has nobody in it, and the entry says why.
func (m *Memberships) Current(ctx context.Context, teams []forge.TeamRef, reread time.Duration) (map[string]manifest.Membership, error) {
	keys := make([]string, 0, len(teams))
	for _, team := range teams {
		keys = append(keys, team.Key())
	}
	known, err := m.Store.Memberships(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read who is in teams: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	current := map[string]manifest.Membership{}
	for _, team := range teams {
		reading := known[team.Key()]
		var asked error
		if !m.younger(reading, reread) {
			var fresh TeamReading
			if fresh, asked = m.read(ctx, team, false); asked == nil {
				reading = fresh
			}
		}
		current[team.Key()] = m.judged(reading, asked)
	}
	return current, nil
}

// judged is what a reading is worth now. asked is why there is no younger one.
func (m *Memberships) judged(r TeamReading, asked error) manifest.Membership {
	switch {
	case !m.younger(r, MembershipAge) && asked != nil:
		return manifest.Membership{Unread: asked.Error()}
	case !m.younger(r, MembershipAge):
		return manifest.Membership{Unread: fmt.Sprintf("the forge was not asked within %s", MembershipAge)}
	case r.Gone:
		return manifest.Membership{Unread: "the forge shows no such team to the App"}
	}
	return manifest.Membership{Members: r.Members}
}

// younger reports whether the reading is at most so old, and not from the future.
func (m *Memberships) younger(r TeamReading, age time.Duration) bool {
	since := m.Now().Sub(r.At)
	return !r.At.IsZero() && since <= age && since >= -futureAge
}

// Refresh reads the teams again, so that decisions seldom have to wait for it.
func (m *Memberships) Refresh(ctx context.Context, teams []forge.TeamRef) error {
	var errs []error
	for _, team := range teams {
		if _, err := m.read(ctx, team, true); err != nil {
			errs = append(errs, fmt.Errorf("team %s/%s: %w", team.Organization, team.Slug, err))
		}
	}
	return errors.Join(errs...)
}

var errNeverAsked = errors.New("this command does not ask the forge; the server does")

// read reads one team once for everybody who asks at the same time, and stores it.
func (m *Memberships) read(ctx context.Context, team forge.TeamRef, always bool) (TeamReading, error) {
	if m.Forge == nil {
		return TeamReading{}, errNeverAsked
	}
	if err := m.lately(team.Key()); err != nil && !always {
		return TeamReading{}, err
	}
	result := m.asking.DoChan(team.Key(), func() (any, error) {
		// Whoever asked first may give up; the others still wait.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		return m.ask(ctx, team)
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return TeamReading{}, r.Err
		}
		return r.Val.(TeamReading), nil
	case <-ctx.Done():
		return TeamReading{}, fmt.Errorf("the forge did not answer in time: %w", ctx.Err())
	}
}

func (m *Memberships) ask(ctx context.Context, team forge.TeamRef) (TeamReading, error) {
	reading := TeamReading{At: m.Now()}
	members, err := m.Forge.TeamMembers(ctx, team)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		reading.Gone = true
		m.Logger.WarnContext(ctx, "a team is not shown by the forge, so nobody is in it", "team", team.Key(), "error", err)
	case err != nil:
		m.note(team.Key(), err)
		return TeamReading{}, err
	}
	reading.Members = members
	m.note(team.Key(), nil)
	if err := m.Store.SaveMembership(ctx, team.Key(), reading); err != nil {
		return TeamReading{}, err
	}
	return reading, nil
}

func (m *Memberships) note(team string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == nil {
		m.failed = map[string]failedReading{}
	}
	delete(m.failed, team)
	if err != nil {
		m.failed[team] = failedReading{m.Now(), err}
	}
}

// lately is the error of an attempt that failed a moment ago.
func (m *Memberships) lately(team string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, failed := m.failed[team]
	if since := m.Now().Sub(last.at); !failed || since < 0 || since >= readPause {
		return nil
	}
	return last.err
}
