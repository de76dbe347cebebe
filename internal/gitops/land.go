package gitops

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

var approvalPattern = regexp.MustCompile(`^[0-9a-z]{1,64}$`)

// Commit makes the commit that the grant permits: its tree on its base, the
// approver as author, CoderFlow as committer, the approval's date. Everything
// comes from the grant, so a second call makes the same commit. The commit is
// kept in the mirror; it is pushed by [Git.Land] only.
func (g *Git) Commit(ctx context.Context, grant approval.Grant) (commit string, err error) {
	if err := grant.Check(); err != nil {
		return "", err
	}
	if !approvalPattern.MatchString(grant.ApprovalID()) {
		return "", fmt.Errorf("approval id %.100q is malformed", grant.ApprovalID())
	}
	text, ref := Landing{
		Tree: grant.Tree(), Parent: grant.Base(), Author: grant.Author(), Committer: g.opts.Committer,
		At: grant.Date(), Message: grant.Message(),
	}.text(), landingRefs+grant.ApprovalID()
	kept, err := g.keptAt(ctx, grant.Repository(), ref)
	if err == nil && text.check() == nil && kept == text.id() {
		return text.id(), nil // made before
	}
	m, err := g.openMirror(ctx, grant.Repository())
	if err != nil {
		return "", err
	}
	if commit, err = g.keepCommit(ctx, m, text, ref); err != nil {
		return "", fmt.Errorf("commit for approval %s: %w", grant.ApprovalID(), err)
	}
	return commit, nil
}

// CommitAgain makes a commit again that an approval made on another server, to be kept there:
// want is its id, and nothing but that commit is made. Nothing pushes it: [Git.Land] pushes
// what it makes of a grant.
func (g *Git) CommitAgain(ctx context.Context, repo forge.RepositoryRef, approvalID string, l Landing, want string) error {
	if !approvalPattern.MatchString(approvalID) {
		return fmt.Errorf("approval id %.100q is malformed", approvalID)
	}
	m, err := g.openMirror(ctx, repo)
	if err != nil {
		return err
	}
	l.Committer = g.opts.Committer
	text := l.text()
	if id := text.id(); id != want {
		return fmt.Errorf("make the commit of approval %s again: it is %s now and was %.80q", approvalID, id, want)
	}
	if _, err := g.keepCommit(ctx, m, text, landingRefs+approvalID); err != nil {
		return fmt.Errorf("make the commit of approval %s again: %w", approvalID, err)
	}
	return nil
}

// Land pushes the commit that the grant permits to the ref that the grant names,
// from where the grant says it must be, or to one that the grant makes. A commit that is there is not pushed again. It
// fails with approval.ErrNoGrant,
// *MovedError, *PushRefusedError or *RemoteError.
func (g *Git) Land(ctx context.Context, grant approval.Grant, credential approval.Credential, url string) (PushOutcome, error) {
	token, err := credential.TokenFor(grant)
	if err != nil {
		return PushOutcome{}, err
	}
	if err := checkLanding(grant); err != nil {
		return PushOutcome{}, err
	}
	commit, err := g.Commit(ctx, grant)
	if err != nil {
		return PushOutcome{}, err
	}
	m, err := g.openMirror(ctx, grant.Repository())
	if err != nil {
		return PushOutcome{}, err
	}
	return g.push(ctx, m, pushRequest{
		remote: Remote{Repository: grant.Repository(), URL: url, Token: token},
		commit: commit, ref: grant.Ref(), expectedOld: grant.ExpectedOld(),
	})
}

// checkLanding is the last look at where a push goes: to a branch whose name means
// what it says, never to another task's, and from a commit that is known unless
// the grant makes the branch.
func checkLanding(grant approval.Grant) error {
	if !grant.Push() {
		return fmt.Errorf("approval %s pushes nothing: %w", grant.ApprovalID(), approval.ErrNoGrant)
	}
	if err := checkRef(grant.Ref(), grant.Task().Branch()); err != nil {
		return err
	}
	if grant.NewRef() {
		return nil
	}
	return checkID("the commit to land on", grant.ExpectedOld())
}

func checkRef(ref, own string) error {
	branch, isBranch := strings.CutPrefix(ref, branchPrefix)
	if !isBranch {
		return fmt.Errorf("%.200q is not a branch", ref)
	}
	if err := checkBranch(branch); err != nil {
		return err
	}
	prefix := len(task.BranchPrefix)
	if branch != own && len(branch) >= prefix && strings.EqualFold(branch[:prefix], task.BranchPrefix) {
		return fmt.Errorf("branch %.200q is one of CoderFlow's own and not %s: %w", branch, own, approval.ErrNoGrant)
	}
	return nil
}
