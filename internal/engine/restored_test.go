package engine

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
)

var errFollowed = errors.New("followed")

// followed is where a comment's command is followed for the first time.
type followed struct{}

func (followed) Manifests(context.Context) (*manifest.Set, error) { return nil, errFollowed }

type labelled struct {
	Forge
	at time.Time
}

func (l labelled) LabelEvents(context.Context, forge.RepositoryRef, int) ([]forge.LabelEvent, error) {
	return []forge.LabelEvent{{ID: "1", Label: "coderflow", CreatedAt: l.at}}, nil
}

// unseen is a database that never saw a repository.
type unseen struct{ Store }

func (unseen) Cursor(context.Context, string) (time.Time, error) { return time.Time{}, nil }

// A delivery that the forge sends again after the restore asks for what may have been
// done between the backup and the restore.
func TestARequestFromBeforeTheRestoreIsNotFollowed(t *testing.T) {
	t.Parallel()
	restored := time.Date(2026, 3, 1, 10, 0, 0, 500, time.UTC)
	for name, tt := range map[string]struct {
		restored, asked time.Time
		followed        bool
	}{
		"before":         {restored, restored.Add(-time.Hour), false},
		"at that time":   {restored, restored, false},
		"after":          {restored, restored.Add(time.Second), true},
		"never restored": {time.Time{}, restored, true},
		"no time at all": {time.Time{}, time.Time{}, true},
	} {
		e := New(Options{
			Gate: &approval.Gate{Restored: tt.restored}, Manifests: followed{}, Store: unseen{}, Forge: labelled{at: tt.asked},
			Logger: slog.New(slog.DiscardHandler),
		})
		err := e.handleComment(t.Context(), forge.Event{
			Issue:   &forge.Issue{},
			Comment: &forge.Comment{Author: forge.User{Kind: forge.Person}, Body: "/coderflow cancel", CreatedAt: tt.asked},
		})
		if errors.Is(err, errFollowed) != tt.followed || err != nil && !tt.followed {
			t.Errorf("a comment from %s: %v", name, err)
		}
		_, found, err := e.lastLabelling(t.Context(), forge.Event{Issue: &forge.Issue{}, Label: "coderflow"})
		if err != nil || found != tt.followed {
			t.Errorf("a label from %s: %v, %v", name, found, err)
		}
	}
}
