package main

import (
	"context"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// people act at the local forge as its sample users do: through its API, each with their
// own token.
type people struct {
	hub *emulator.Forge
	acts
}

// acts are what people do at a forge, whichever it is.
type acts interface {
	// ours reports whether CoderFlow is the user.
	ours(u forge.User) bool

	openIssue(ctx context.Context, login, title, body string) (forge.Issue, error)
	editIssue(ctx context.Context, login string, number int, body string) error
	setIssueOpen(ctx context.Context, login string, number int, open bool) error
	addLabel(ctx context.Context, login string, number int, label string) error
	labels(ctx context.Context, number int) ([]string, error)

	comment(ctx context.Context, login string, topic forge.Topic, body string) (forge.Comment, error)
	editComment(ctx context.Context, login string, comment forge.Comment, body string) error
	comments(ctx context.Context, topic forge.Topic) ([]forge.Comment, error)

	pullRequest(ctx context.Context, number int) (forge.PullRequest, error)
	pullRequests(ctx context.Context) ([]forge.PullRequest, error)
	setPullRequestOpen(ctx context.Context, login string, number int, open bool) error
	retarget(ctx context.Context, login string, number int, branch string) error
	// files are those that the pull request changes.
	files(ctx context.Context, number int) ([]changedFile, error)
	// merge merges with a merge commit, which it returns.
	merge(ctx context.Context, login string, number int) (commit string, err error)

	// review says what there is to say, and gives the verdict.
	review(ctx context.Context, login string, number int, verdict forge.ReviewState, text string, remarks ...forge.Remark) (forge.Review, error)
	// dismiss takes the approval back, as that can be done at the forge.
	dismiss(ctx context.Context, login string, number int, review forge.Review) error
	reviews(ctx context.Context, number int) ([]forge.Review, error)

	commit(ctx context.Context, sha string) (commitAtForge, error)
}

// commitAtForge is a commit as the forge shows it.
type commitAtForge struct {
	SHA, Tree, Message string
	Parents            []string
	Author, Committer  signature
	Files              []changedFile
}

type signature struct{ Name, Email string }

// changedFile is a file that a commit or a pull request changes, and how: "added".
type changedFile struct {
	Path, Status         string
	Additions, Deletions int
}

// String says what became of the file; lines are counted where the forge counts them.
func (f changedFile) String() string {
	if f.Additions+f.Deletions == 0 {
		return f.Path + "  " + f.Status
	}
	return fmt.Sprintf("%s  +%d −%d", f.Path, f.Additions, f.Deletions)
}

func newPeople(hub *emulator.Forge) people {
	if hub.Info().Azure != nil {
		return people{hub, azurePeople{hub}}
	}
	return people{hub, gitHubPeople{hub}}
}

// until calls look until it reports true, an error, or the time is over.
func until(ctx context.Context, atMost time.Duration, what string, look func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	for {
		done, err := look(ctx)
		if err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s", what, atMost)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
