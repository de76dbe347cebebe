package emulator

import (
	"slices"
	"strings"
	"time"
)

// Push is one accepted change of a ref.
type Push struct {
	ID      int64
	Ref     string // full name
	Old     string // 40 zeros for a new ref
	New     string // 40 zeros for a deleted ref
	Actor   string // login
	ActorID int64
	Kind    string // GitHub's activity_type: push, force_push, branch_creation, branch_deletion, pr_merge
	At      time.Time

	actor *user
}

// recordPush needs the lock; it notes a change of a ref that has been made already.
func (f *Forge) recordPush(r *repository, u *user, ref, old, new string) *Push {
	p := &Push{ID: f.newID(), Ref: ref, Old: old, New: new, Actor: u.login, ActorID: u.id, Kind: "push", At: f.now(), actor: u}
	switch {
	case old == zeroSHA:
		p.Kind = "branch_creation"
	case new == zeroSHA:
		p.Kind = "branch_deletion"
	case !f.git.isAncestor(r, old, new):
		p.Kind = "force_push"
	}
	r.pushes = append(r.pushes, p)
	r.pushed = p.At
	return p
}

// pushed draws every consequence of a ref's change: the push event, and pull requests that follow.
func (f *Forge) pushed(r *repository, who caller, ref, old, new string) *Push {
	p := f.recordPush(r, who.user, ref, old, new)
	f.emitPush(r, p)
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	if !isBranch {
		return p
	}
	f.readCommits(r, who, p)
	for _, target := range f.repos {
		for _, pr := range target.pulls() {
			if pr.issue.open && pr.headRepo == r && pr.headRef == branch {
				f.headMoved(pr, who, p)
			}
		}
	}
	for _, pr := range r.pulls() {
		if pr.issue.open && pr.baseRef == branch {
			f.baseMoved(pr, who, p)
		}
	}
	return p
}

// headMoved makes an open pull request follow its branch.
func (f *Forge) headMoved(pr *pull, who caller, p *Push) {
	if p.New == zeroSHA {
		f.addEvent(pr.issue, who, issueEvent{event: "head_ref_deleted"})
		f.setOpen(pr.issue, who, false, "")
		return
	}
	before := pr.headSHA
	pr.headSHA = p.New
	if tip := f.git.branch(pr.issue.repo, pr.baseRef); tip != "" {
		pr.baseSHA = tip
	}
	f.keepHead(pr)
	pr.issue.updated = f.now()
	if p.Kind == "force_push" {
		f.addEvent(pr.issue, who, issueEvent{event: "head_ref_force_pushed", commit: p.New})
	}
	f.emitPull(pr, who.user, "synchronize", obj{"before": before, "after": p.New})
	if prot := pr.issue.repo.protections[pr.baseRef]; prot != nil && prot.DismissStaleReviews {
		for _, rv := range pr.reviews {
			if rv.state == "APPROVED" {
				f.dismiss(rv, who, "", p.New)
			}
		}
	}
}

// baseMoved closes a pull request whose head the base now contains as merged, as GitHub does.
func (f *Forge) baseMoved(pr *pull, who caller, p *Push) {
	if p.New == zeroSHA {
		f.setOpen(pr.issue, who, false, "")
		return
	}
	if pr.headSHA != pr.baseSHA && f.git.isAncestor(pr.issue.repo, pr.headSHA, p.New) {
		f.markMerged(pr, who, p.New)
	}
}

// keepHead keeps the head's objects in the base repository under refs/pull, also those of a fork.
func (f *Forge) keepHead(pr *pull) {
	r := pr.issue.repo
	ref := "refs/pull/" + str(int64(pr.issue.number)) + "/head"
	if pr.headRepo != r {
		if _, err := f.git.in(r, "fetch", "-q", pr.headRepo.dir, "+refs/heads/"+pr.headRef+":"+ref); err != nil {
			f.log.Error("fetching from a fork", "error", err)
		}
		return
	}
	if _, err := f.git.in(r, "update-ref", ref, pr.headSHA); err != nil {
		f.log.Error("keeping a pull request's head", "error", err)
	}
}

// updateRef changes a ref on behalf of an API call, under the same rules as a push.
func (f *Forge) updateRef(r *repository, who caller, ref, old, new string) error {
	change := refChange{ref: ref, old: old, new: new}
	if refusal := f.refuse(r, who, change, nil); refusal != "" {
		return invalid("Reference", "ref", "custom", refusal)
	}
	args := []string{"update-ref", ref, new, old}
	if new == zeroSHA {
		args = []string{"update-ref", "-d", ref, old}
	}
	if _, err := f.git.in(r, args...); err != nil {
		return invalid("Reference", "ref", "custom", "Reference update failed")
	}
	f.pushed(r, who, ref, old, new)
	return nil
}

// emitPush tells of a push; like GitHub, it lists at most 20 commits.
func (f *Forge) emitPush(r *repository, p *Push) {
	shas := f.newCommits(r, p)
	if len(shas) > 20 {
		shas = shas[len(shas)-20:]
	}
	list, err := f.commits(r, shas)
	if err != nil {
		f.log.Error("listing pushed commits", "error", err)
	}
	commits := []obj{}
	for _, c := range list {
		commits = append(commits, f.pushCommitJSON(r, c))
	}
	var head any
	if p.New != zeroSHA {
		if tip, err := f.commits(r, []string{p.New}); err == nil && len(tip) == 1 {
			head = f.pushCommitJSON(r, tip[0])
		}
	}
	f.emit(r, p.actor, "push", obj{
		"ref": p.Ref, "before": p.Old, "after": p.New, "created": p.Old == zeroSHA, "deleted": p.New == zeroSHA,
		"forced": p.Kind == "force_push", "base_ref": nil, "commits": commits, "head_commit": head,
		"compare": f.base + "/" + r.fullName() + "/compare/" + p.Old[:12] + "..." + p.New[:12],
		"pusher":  obj{"name": p.actor.login, "email": p.actor.address(f)},
	})
}

// readCommits notes what the messages of new commits set off: mentions anywhere, and closed issues on the
// default branch.
func (f *Forge) readCommits(r *repository, who caller, p *Push) {
	list, err := f.commits(r, f.newCommits(r, p))
	if err != nil {
		f.log.Error("reading pushed commits", "error", err)
	}
	onDefault := p.Ref == "refs/heads/"+r.defaultBranch
	for _, c := range list {
		f.note(r, 0, who.user, c.message, onDefault)
		if onDefault {
			f.closeNamed(r, who, c.message)
		}
	}
}

// newCommits lists the commits that came with a push, oldest first.
func (f *Forge) newCommits(r *repository, p *Push) []string {
	if p.New == zeroSHA {
		return nil
	}
	args := []string{"rev-list", "--reverse", "--max-count=2048", p.New}
	if p.Old != zeroSHA {
		args = append(args, "^"+p.Old)
	} else {
		args = append(args, "--not", "--exclude="+p.Ref, "--branches")
	}
	out, err := f.git.in(r, args...)
	if err != nil {
		return nil
	}
	return slices.Clip(strings.Fields(out))
}
