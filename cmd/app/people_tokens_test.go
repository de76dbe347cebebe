package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/signin"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

const useForGit = "CODERFLOW_GITHUB_OAUTH_USE_FOR_GIT=true"

// signedIn signs people in at a terminal.
func (w *world) signedIn(people ...string) map[string]*seat {
	w.t.Helper()
	seats := map[string]*seat{}
	for _, login := range people {
		seats[login] = newSeat(w.t, "http://"+w.address, "")
		if said, code := w.login(seats[login], login, "authorize"); code != 0 {
			w.t.Fatalf("%s did not sign in: %s", login, said)
		}
	}
	return seats
}

// own is how the audit log names a person's own token.
func (w *world) own(login string) string {
	return fmt.Sprintf("github user %s (%d), own sign-in", login, userID(w.hub.Info(), login))
}

// hasNoTokenOfAPerson looks for tokens of people everywhere in what the server keeps
// and says.
func (w *world) hasNoTokenOfAPerson() {
	w.t.Helper()
	out, err := exec.Command("grep", "-rlaE", "gh[ur]_[0-9a-f]{20}", filepath.Join(w.dir, "data")).CombinedOutput()
	if err == nil || strings.Contains(w.log.String(), "ghu_") || strings.Contains(w.log.String(), "ghr_") {
		w.t.Errorf("a token of a person lies in %s, or in the log", out)
	}
}

func (w *world) audited(action audit.Action) (n int) {
	w.t.Helper()
	entries, err := w.db().AuditEntries(w.t.Context(), store.AuditFilter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Action == action {
			n++
		}
	}
	return n
}

// Whoever signed in fetches, publishes and lands as themselves: the requester
// publishes, the approver lands. What is kept is sealed, listed, and forgotten when
// they log out.
func TestGitWorksInTheNameOfWhoSignedIn(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t)
	w.start(useForGit)
	seats := w.signedIn(maria, tom)
	if me := seats[maria].must("whoami"); !strings.Contains(me, "Git works in your name") {
		t.Errorf("%s", me)
	}
	issue := w.run(maria)
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "Count every item")
	done := w.taskOf(issue.Number, task.Done)
	w.landedExactly(done)
	for action, login := range map[audit.Action]string{audit.BaseFetched: maria, audit.ProposalPublished: maria, audit.PushDone: tom} {
		if got := w.credentialOf(done.ID, action); got != w.own(login) {
			t.Errorf("%s: the audit log names %q, want %q", action, got, w.own(login))
		}
	}
	var actors []string
	for _, push := range w.hub.Pushes(sampleRepo) {
		if push.Ref == "refs/heads/"+done.ID.Branch() {
			actors = append(actors, push.Actor)
		}
	}
	if strings.Join(actors, " ") != maria+" "+tom {
		t.Errorf("the forge saw pushes of %q", actors)
	}
	w.hasNoTokenOfAPerson()

	if list, _, code := w.command("", "git-tokens", "list"); code != 0 || !strings.Contains(list, maria) || !strings.Contains(list, tom) {
		t.Errorf("%d %s", code, list)
	}
	if out, said, code := w.command("", "secrets", "rotate-key"); code != 0 {
		t.Errorf("%s%s", out, said)
	}
	seats[maria].must("logout")
	if out, said, code := w.command("", "git-tokens", "forget", fmt.Sprintf("github:%d", userID(w.hub.Info(), tom))); code != 0 {
		t.Errorf("forget: %s%s", out, said)
	}
	if list, err := w.db().PersonTokens(t.Context()); err != nil || len(list) != 0 || w.audited(audit.GitTokenForgotten) != 2 {
		t.Errorf("kept after the log-out: %d, %v; %d audited", len(list), err, w.audited(audit.GitTokenForgotten))
	}
}

// A branch that a review names is never pushed with a person's token: whoever may
// pass over its protection would, unasked.
func TestThreat46AnApproversTokenNeverPushesToANamedBranch(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withTargets())
	w.start(useForGit)
	w.signedIn(maria, tom)
	issue := w.run(maria)
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "Count every item\n\n/coderflow target main")
	done := w.taskOf(issue.Number, task.Done)
	if got := w.credentialOf(done.ID, audit.PushDone); !strings.HasPrefix(got, "github app installation") {
		t.Errorf("main was pushed with %q", got)
	}
}

// A token that GitHub ends before its time is renewed once, and the task goes on.
func TestFault25APersonsTokenThatEndsInTheMiddleIsRenewedOnce(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, withAgent(quickAgent+"; sleep 4"))
	w.start(useForGit)
	w.signedIn(maria)
	issue := w.run(maria)
	w.taskOf(issue.Number, task.Running)
	w.hub.ExpireUserTokens()
	proposed := w.taskOf(issue.Number, task.Proposed)
	if got := w.credentialOf(proposed.ID, audit.ProposalPublished); got != w.own(maria) || w.audited(audit.GitTokenRefreshed) != 1 {
		t.Errorf("published with %q after %d renewals", got, w.audited(audit.GitTokenRefreshed))
	}
	w.hasNoTokenOfAPerson()
}

// A revoked token ends the operation, and is forgotten; where the policy lets it, the
// next source takes its place, and the record says so. The same goes for a person who
// may not push.
func TestThreat48ARevokedTokenOfAPersonIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		environment []string
		login       string
		revoke      bool
		state       task.State
		says        string
	}{
		"revoked":               {[]string{useForGit}, maria, true, task.Failed, "sign in at CoderFlow again"},
		"revoked, falls back":   {[]string{useForGit, "CODERFLOW_GITHUB_OAUTH_GIT_FALLBACK=true"}, maria, true, task.Proposed, "sign in at CoderFlow again"},
		"may not push":          {[]string{useForGit}, maria, false, task.Failed, "no such access"},
		"may not push, goes on": {[]string{useForGit, "CODERFLOW_GITHUB_OAUTH_GIT_FALLBACK=true"}, maria, false, task.Proposed, "no such access"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStoppedWorld(t, withAgent(quickAgent+"; sleep 3"))
			w.start(c.environment...)
			w.signedIn(c.login)
			issue := w.run(c.login)
			running := w.taskOf(issue.Number, task.Running)
			if c.revoke {
				w.hub.RevokeUserTokens(c.login)
			} else if err := w.hub.AddCollaborator(sampleRepo, c.login, "read"); err != nil {
				t.Fatal(err)
			}
			ended := w.taskOf(issue.Number, c.state)
			said := ended.Failure
			if c.state == task.Proposed {
				said = w.credentialOf(running.ID, audit.ProposalPublished)
				if !strings.HasPrefix(said, "github app installation") {
					t.Errorf("published with %q", said)
				}
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("it says %q", said)
			}
			if list, err := w.db().PersonTokens(t.Context()); err != nil || (len(list) == 0) != c.revoke {
				t.Errorf("%d are kept, %v", len(list), err)
			}
			w.hasNoTokenOfAPerson()
		})
	}
}

// hubOf plays GitHub: a refresh token is good once.
type hubOf struct {
	mu        sync.Mutex
	refresh   string
	renewals  atomic.Int64
	lose      bool // the answer to the next renewal
	scopedFor []string
}

func (h *hubOf) RefreshToken(_ context.Context, refresh forge.Secret) (signin.UserToken, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if refresh.Reveal() != h.refresh {
		return signin.UserToken{}, signin.ErrTokenEnded
	}
	n := h.renewals.Add(1)
	h.refresh = fmt.Sprintf("refresh-token-%d", n)
	if h.lose {
		h.lose = false
		return signin.UserToken{}, errors.New("the connection broke")
	}
	return signin.UserToken{Access: forge.Secret(fmt.Sprintf("access-token-%d", n)), Refresh: forge.Secret(h.refresh), ExpiresAt: time.Now().Add(8 * time.Hour)}, nil
}

func (h *hubOf) ScopeToken(_ context.Context, access forge.Secret, ref forge.RepositoryRef, _ bool) (forge.Secret, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.scopedFor = append(h.scopedFor, access.Reveal()+" "+ref.Name)
	return forge.Secret("scoped " + access.Reveal()), nil
}

func (*hubOf) Revoke(context.Context, forge.Secret) {}

// purses are two processes on one database and one key.
func purses(t *testing.T, db *store.Store, hub tokenMaker) []*purse {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secrets.key")
	var list []*purse
	for range 2 {
		keys := secret.NewKeyring(file)
		v := &vault{db: db, keys: keys, held: map[string]secret.Value{}, known: map[string]knownSecrets{}}
		list = append(list, &purse{db: db, keys: keys, hub: hub, vault: v, log: slog.New(slog.DiscardHandler), now: time.Now})
	}
	return list
}

var (
	ann  = signin.Identity{Subject: forge.Subject{Host: forge.GitHub, ID: "7"}, Login: "ann"}
	bert = signin.Identity{Subject: forge.Subject{Host: forge.GitHub, ID: "8"}, Login: "bert"}
	shop = forge.RepositoryRef{Host: forge.GitHub, ID: "1", Owner: "acme", Name: "shop"}
)

func (w signedInAs) with(t signin.UserToken) signin.Identity {
	id := signin.Identity(w)
	id.Token = &t
	return id
}

type signedInAs signin.Identity

// Of many operations in several processes at once one renews a token that is about to
// expire, for a refresh token is good once.
func TestFault25OneProcessRenewsAToken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		hub := &hubOf{refresh: "refresh-token-0"}
		both := purses(t, db, hub)
		soon := signin.UserToken{Access: "access-token-0", Refresh: "refresh-token-0", ExpiresAt: time.Now().Add(time.Minute), RefreshUntil: time.Now().Add(time.Hour)}
		if err := both[0].Keep(t.Context(), signedInAs(ann).with(soon)); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for i := range 12 {
			wait.Go(func() {
				got, err := both[i%2].GitToken(t.Context(), ann.Subject, shop, true)
				if err != nil || got.Value.Reveal() != "scoped access-token-1" {
					t.Errorf("%v", err)
				}
			})
		}
		wait.Wait()
		if n := hub.renewals.Load(); n != 1 {
			t.Errorf("renewed %d times", n)
		}
	})
}

// The answer to a renewal that is lost has used the refresh token up: the person is
// asked to sign in again, in words, and nothing is kept that is good for nothing.
func TestFault25ALostAnswerToARenewalMeansToSignInAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		p := purses(t, db, &hubOf{refresh: "refresh-token-0", lose: true})[0]
		clock := time.Now()
		p.now = func() time.Time { return clock }
		soon := signin.UserToken{Access: "access-token-0", Refresh: "refresh-token-0", ExpiresAt: clock.Add(time.Minute)}
		if err := p.Keep(t.Context(), signedInAs(ann).with(soon)); err != nil {
			t.Fatal(err)
		}
		if _, err := p.GitToken(t.Context(), ann.Subject, shop, false); err == nil || errors.As(err, new(*engine.OwnTokenError)) {
			t.Errorf("an outage: %v", err)
		}
		clock = clock.Add(claimLife + time.Second) // whoever claimed it is taken for dead
		_, err := p.GitToken(t.Context(), ann.Subject, shop, false)
		if refused := (*engine.OwnTokenError)(nil); !errors.As(err, &refused) || !strings.Contains(refused.Why, "the answer to its last renewal was lost; sign in at CoderFlow again") {
			t.Errorf("%v", err)
		}
		if _, err := p.GitToken(t.Context(), ann.Subject, shop, false); !errors.Is(err, engine.ErrNoOwnToken) {
			t.Errorf("it is kept: %v", err)
		}
	})
}

// What was sealed for one person opens for no other, wherever it lies.
func TestThreat47AnotherPersonsTokenIsNeverUsed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		hub := &hubOf{}
		p := purses(t, db, hub)[0]
		good := signin.UserToken{Access: "access-token-of-ann", Refresh: "refresh-token-of-ann", ExpiresAt: time.Now().Add(time.Hour)}
		if err := p.Keep(t.Context(), signedInAs(ann).with(good)); err != nil {
			t.Fatal(err)
		}
		if _, err := p.GitToken(t.Context(), bert.Subject, shop, true); !errors.Is(err, engine.ErrNoOwnToken) {
			t.Errorf("bert, of whom nothing is kept: %v", err)
		}
		stolen, err := db.PersonToken(t.Context(), ann.Subject)
		if err != nil {
			t.Fatal(err)
		}
		stolen.Subject, stolen.Login = bert.Subject, bert.Login
		if err := db.InTx(t.Context(), func(tx *store.Tx) error { return tx.KeepPersonToken(t.Context(), stolen) }); err != nil {
			t.Fatal(err)
		}
		if _, err := p.GitToken(t.Context(), bert.Subject, shop, true); !errors.As(err, new(*engine.OwnTokenError)) || len(hub.scopedFor) != 0 {
			t.Errorf("bert, with ann's in his place: %v; %v", err, hub.scopedFor)
		}
		got, err := p.GitToken(t.Context(), ann.Subject, shop, true)
		if err != nil || got.Source != "github user ann (7), own sign-in" || strings.Contains(got.Source, "token") {
			t.Errorf("%v %v", got.Source, err)
		}
		for _, value := range []string{"access-token-of-ann", "refresh-token-of-ann"} {
			redactor, err := p.vault.Redactor(t.Context(), "staging")
			if clean, n := redactor.Redact("x " + value); err != nil || n != 1 || strings.Contains(clean, value) {
				t.Errorf("a container may say %s: %v", clean, err)
			}
		}
	})
}
