package gitops

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// pushRequest is one ref update at a remote. Only PublishProposal,
// PublishCheckpoint and Land make one.
type pushRequest struct {
	remote      Remote
	commit      string
	ref         string
	expectedOld string // empty: the ref must not exist
}

// PushOutcome is a push that reached its end.
type PushOutcome struct {
	Commit string
	// AlreadyPushed means that the ref was there before: an earlier push succeeded
	// and its answer was lost.
	AlreadyPushed bool
}

// push moves the remote ref from expectedOld to commit, or finds that it is
// there: the remote tells git where the ref is before git sends anything, and git sends
// nothing if it is anywhere but where the lease says. If git reports a failure, what
// happened is decided by looking at the ref; words decide nothing.
func (g *Git) push(ctx context.Context, m mirror, p pushRequest) (PushOutcome, error) {
	if p.expectedOld != "" {
		if err := checkID("expected commit", p.expectedOld); err != nil {
			return PushOutcome{}, err
		}
	}
	report, err := g.run(ctx, invocation{
		gitDir: m.dir, remote: &p.remote,
		args: []string{
			"push", "--porcelain", "--atomic", "--no-verify", "--no-follow-tags", "--no-signed", "--recurse-submodules=no",
			"--force-with-lease=" + p.ref + ":" + p.expectedOld, "--end-of-options", p.remote.URL, p.commit + ":" + p.ref,
		},
	})
	if err == nil {
		flag, _ := reportOf(string(report))
		return PushOutcome{Commit: p.commit, AlreadyPushed: flag == "="}, nil
	}
	done, lookErr := g.lookAfterPush(context.WithoutCancel(ctx), p)
	var moved *MovedError
	switch {
	case done:
		return PushOutcome{Commit: p.commit}, nil
	case errors.As(lookErr, &moved):
		return PushOutcome{}, lookErr
	}
	return PushOutcome{}, pushError(p, string(report), err)
}

// lookAfterPush reports whether the ref is at the commit, and fails
// with *MovedError if it is anywhere but there and where it was expected.
func (g *Git) lookAfterPush(ctx context.Context, p pushRequest) (done bool, err error) {
	found, err := g.remoteRef(ctx, p.remote, p.ref)
	switch {
	case err != nil:
		return false, err
	case found == p.commit:
		return true, nil
	case found != p.expectedOld:
		return false, &MovedError{Ref: p.ref, Expected: p.expectedOld, Found: found}
	}
	return false, nil
}

// reportOf is what git's report says of the one ref: a flag, "=" where it was up to date
// and "!" where it was refused, and words (git-push(1), --porcelain).
func reportOf(report string) (flag, words string) {
	for line := range strings.Lines(report) {
		if fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3); len(fields) == 3 {
			flag, words = fields[0], fields[2]
		}
	}
	return flag, words
}

// pushError tells a refusal of the ref, which stands as it was, from a push
// that did not come through.
func pushError(p pushRequest, report string, err error) error {
	flag, reason := reportOf(report)
	if flag != "!" {
		reason = ""
	}
	var failed *CommandError
	if errors.As(err, &failed) && reason == "" && forbidden(failed.Words) {
		return &PushRefusedError{Ref: p.ref, Words: failed.Words}
	}
	if reason == "" || !errors.As(err, &failed) {
		return remoteError(fmt.Sprintf("push %s to %s", p.ref, p.remote.Repository.Key()), err)
	}
	return &PushRefusedError{Ref: p.ref, Words: refusalWords(failed.Words, reason)}
}

// forbidden reports whether the remote refused the push before it looked at the
// ref: an archived repository, a credential that may not write. git itself ends
// so for status 403 (http.c). A limit of the remote is none: it passes.
func forbidden(words string) bool {
	return strings.Contains(words, "The requested URL returned error: 403") && !strings.Contains(strings.ToLower(words), "rate limit")
}

// refusalWords keeps what the remote said and git's reason of the rejection.
func refusalWords(words, reason string) string {
	var kept []string
	for part := range strings.SplitSeq(words, "; ") {
		if said, found := strings.CutPrefix(part, "remote: "); found {
			kept = append(kept, strings.TrimSpace(said))
		}
	}
	return sanitize(strings.Join(append(kept, reason), "\n"))
}
