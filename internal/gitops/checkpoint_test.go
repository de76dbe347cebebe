package gitops

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const aNote = "log\n3\nroot\n\n— log AAAA\n"

func checkpointRequest(u *upstream, branch, parent, note string) CheckpointRequest {
	return CheckpointRequest{Remote: u.remote(), Branch: branch, Parent: parent, Note: []byte(note), Size: 3, Date: time.Unix(1_700_000_000, 0)}
}

// A branch of its own history, with one text file, that only grows.
func TestCheckpointsAreABranchOfTheirOwn(t *testing.T) {
	t.Parallel()
	g, u, _ := newBase(t, text("a.c", "int main;\n"))
	remote, branch := u.remote(), CheckpointPrefix+"/log"
	if _, _, err := g.Checkpoint(t.Context(), remote, branch); !errors.Is(err, ErrNoBranch) {
		t.Fatalf("before the first: %v", err)
	}
	before := u.git("for-each-ref", "--format=%(refname) %(objectname)")
	first, err := g.PublishCheckpoint(t.Context(), checkpointRequest(u, branch, "", aNote))
	if err != nil {
		t.Fatal(err)
	}
	again, err := g.PublishCheckpoint(t.Context(), checkpointRequest(u, branch, "", aNote)) // its answer was lost
	wantEqual(t, "the same again", again, first)
	if err != nil {
		t.Error(err)
	}
	newer := strings.Replace(aNote, "3", "4", 1)
	second, err := g.PublishCheckpoint(t.Context(), checkpointRequest(u, branch, first, newer))
	if err != nil {
		t.Fatal(err)
	}
	head, note, err := g.Checkpoint(t.Context(), remote, branch)
	if err != nil || head != second || string(note) != newer {
		t.Errorf("%s %q %v", head, note, err)
	}
	wantEqual(t, "history", strings.TrimSpace(u.git("rev-list", "--parents", branch)), second+" "+first+"\n"+first)
	wantEqual(t, "files", strings.TrimSpace(u.git("ls-tree", "-r", "--name-only", branch)), "checkpoint")
	wantEqual(t, "message", strings.TrimSpace(u.git("log", "-1", "--format=%B", branch)), "Audit log: 3 entries [skip ci]")
	after := u.git("for-each-ref", "--format=%(refname) %(objectname)")
	wantEqual(t, "other refs", strings.TrimSpace(strings.Replace(after, "refs/heads/"+branch+" "+second, "", 1)), strings.TrimSpace(before))
	var moved *MovedError
	if _, err := g.PublishCheckpoint(t.Context(), checkpointRequest(u, branch, first, strings.Replace(aNote, "3", "5", 1))); !errors.As(err, &moved) {
		t.Errorf("on what the branch had before: %v", err)
	}
}

func TestCheckpointsGoToNoOtherBranchAndAreNothingElse(t *testing.T) {
	t.Parallel()
	g, u, _ := newBase(t, text("a.c", "int main;\n"))
	before := u.git("for-each-ref")
	for _, branch := range []string{"main", "coderflow/abc", "", "-x", "coderflow-audit..x", "coderflow-audit:refs/heads/main", "x/coderflow-audit", "refs/heads/main"} {
		if _, err := g.PublishCheckpoint(t.Context(), checkpointRequest(u, branch, "", aNote)); err == nil {
			t.Errorf("pushed to %q", branch)
		}
		if _, _, err := g.Checkpoint(t.Context(), u.remote(), branch); err == nil {
			t.Errorf("read from %q", branch)
		}
	}
	for _, note := range []string{"", "text\n", aNote + "\x1b[31m\n", aNote + strings.Repeat("x", maxCheckpoint), "\xff" + aNote} {
		if _, err := g.PublishCheckpoint(t.Context(), checkpointRequest(u, CheckpointPrefix, "", note)); err == nil {
			t.Errorf("published %.20q", note)
		}
	}
	if _, err := g.PublishCheckpoint(t.Context(), checkpointRequest(u, CheckpointPrefix, "nothing", aNote)); err == nil {
		t.Error("published on what is no commit")
	}
	wantEqual(t, "refs", u.git("for-each-ref"), before)
}

func TestABranchWithSomethingElseIsNotTakenForCheckpoints(t *testing.T) {
	t.Parallel()
	g, u, _ := newBase(t, text("a.c", "int main;\n"))
	for name, files := range map[string][]file{
		"code":       {text("a.c", "int main;\n")},
		"more":       {text("checkpoint", aNote), text("x", "x")},
		"link":       {link("checkpoint", "/etc/passwd")},
		"too large":  {text("checkpoint", strings.Repeat("x", maxCheckpoint+1))},
		"in a place": {text("checkpoint/checkpoint", aNote)},
	} {
		branch := CheckpointPrefix + "-" + strings.ReplaceAll(name, " ", "-")
		u.commit(branch, files...)
		if _, _, err := g.Checkpoint(t.Context(), u.remote(), branch); !errors.Is(err, ErrNotCheckpoints) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Somebody with the right to force sets the branch back, or puts another in its place.
func TestThreat54ABranchOfCheckpointsThatWasSetBackIsFound(t *testing.T) {
	t.Parallel()
	g, u, _ := newBase(t, text("a.c", "int main;\n"))
	remote, branch := u.remote(), CheckpointPrefix
	first, err := g.PublishCheckpoint(t.Context(), checkpointRequest(u, branch, "", aNote))
	if err != nil {
		t.Fatal(err)
	}
	second, err := g.PublishCheckpoint(t.Context(), checkpointRequest(u, branch, first, strings.Replace(aNote, "3", "4", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if head, _, err := g.Checkpoint(t.Context(), remote, branch, first, second); err != nil || head != second {
		t.Fatalf("%s %v", head, err)
	}
	u.git("update-ref", "refs/heads/"+branch, first)
	if _, _, err := g.Checkpoint(t.Context(), remote, branch, second); !errors.Is(err, ErrSetBack) {
		t.Errorf("set back: %v", err)
	}
	if _, _, err := g.Checkpoint(t.Context(), remote, branch, first); err != nil {
		t.Error(err)
	}
	u.git("update-ref", "-d", "refs/heads/"+branch)
	u.commit(branch, text("checkpoint", aNote))
	for _, before := range []string{first, strings.Repeat("1", len(first))} { // the second is in no history here
		if _, _, err := g.Checkpoint(t.Context(), remote, branch, before); !errors.Is(err, ErrSetBack) {
			t.Errorf("another history: %v", err)
		}
	}
	if _, _, err := g.Checkpoint(t.Context(), remote, branch, "--help"); err == nil {
		t.Error("what is no commit is taken for one")
	}
}
