package approval_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

const nextCarrier = "7777777777777777777777777777777777777777"

// revise puts a second revision up: its carrier is the head, whatever was reviewed.
func revise(w *world) {
	w.proposal.Revision, w.proposal.Tree, w.proposal.Carrier = 2, strings.Repeat("7", 40), nextCarrier
	w.proposal.Digest = w.proposal.ComputeDigest()
	w.pr.Head.Commit = nextCarrier
}

// Threat 41: an approval is of one revision alone, and of the one that is the head.
func TestThreat41AnApprovalIsOfOneRevision(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world){
		"approved, then revised":                             revise,
		"revised, and the head is the revision before again": func(w *world) { revise(w); w.pr.Head.Commit = carrier },
		"revised, and not pushed yet":                        func(w *world) { revise(w); w.pr.Head.Commit, w.proposal.Carrier = carrier, "" },
		"counted before it was revised": func(w *world) {
			revise(w)
			w.task.Judged = []task.Judgement{{Review: "10", Reviewer: grace, Counted: true}}
		},
		"the review claims the new head, by another account": func(w *world) {
			revise(w)
			w.reviews[0].Commit, w.reviews[0].Author = nextCarrier, ada
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			change(w)
			_, err := w.gate().Record(t.Context(), w.task.ID, "10")
			if refused := (*approval.RefusedError)(nil); !errors.As(err, &refused) || refused.Waiting {
				t.Errorf("recorded: %v", err)
			}
		})
	}
	w := newWorld()
	revise(w)
	w.reviews = append(w.reviews, forge.Review{ID: "11", Author: grace, State: forge.ReviewApproved, Commit: nextCarrier})
	r, err := w.gate().Record(t.Context(), w.task.ID, "11")
	if err != nil || r.Revision != 2 || r.Digest != w.proposal.Digest {
		t.Errorf("the newest revision cannot be approved: %+v, %v", r, err)
	}
}

// Threat 41: while a revision is made, what stands is about to be replaced. Nothing of
// it is recorded or redeemed, although head, review and reviewer are all as they should be.
func TestThreat41NothingIsApprovedWhileARevisionIsMade(t *testing.T) {
	t.Parallel()
	for _, state := range []task.State{task.Preparing, task.Running, task.Collecting} {
		w := newWorld()
		w.task.State, w.task.Revision = state, 2
		_, err := w.gate().Record(t.Context(), w.task.ID, "10")
		if refused := (*approval.RefusedError)(nil); !errors.As(err, &refused) {
			t.Errorf("%s: recorded, %v", state, err)
		}
		w = newWorld()
		r := recorded(t, w)
		w.task.State, w.task.Revision = state, 2
		if g, err := w.gate().Redeem(t.Context(), r.ID, policy.ToLand); err == nil || g.Check() == nil {
			t.Errorf("%s: redeemed", state)
		}
	}
}
