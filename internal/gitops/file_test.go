package gitops

import (
	"errors"
	"testing"
)

func TestAFileOfACommitIsRead(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("AGENTS.md", "Use tabs.\n"), text("dir/x", "x"), text("big", "0123456789"),
		text(":(glob)*", "literal"), link("CLAUDE.md", "AGENTS.md"))
	for path, want := range map[string]string{"AGENTS.md": "Use tabs.\n", "dir/x": "x", ":(glob)*": "literal"} {
		got, err := g.File(t.Context(), testRepo, base, path, 10)
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for _, path := range []string{"missing", "dir", "*", "CLAUDE.md"} {
		if got, err := g.File(t.Context(), testRepo, base, path, 10); !errors.Is(err, ErrNoFile) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for _, path := range []string{"dir/", "../AGENTS.md"} {
		if got, err := g.File(t.Context(), testRepo, base, path, 10); err == nil {
			t.Errorf("%s: %q was read", path, got)
		}
	}
	if _, err := g.File(t.Context(), testRepo, base, "big", 9); !errors.Is(err, ErrNoFile) {
		t.Errorf("a file over the limit: %v", err)
	}
}

func TestTheFirstOfSeveralFilesIsRead(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("CLAUDE.md", "Use tabs.\n"), text("GEMINI.md", "Spaces."), text("big", "0123456789ab"),
		text("dir/x", "x"), link("AGENTS.md", "CLAUDE.md"))
	path, got, err := g.FirstFile(t.Context(), testRepo, base, []string{"missing", "dir", "big", "AGENTS.md", "GEMINI.md", "CLAUDE.md"}, 10)
	if err != nil || path != "GEMINI.md" || string(got) != "Spaces." {
		t.Errorf("%s: %q, %v", path, got, err)
	}
	if path, got, err := g.FirstFile(t.Context(), testRepo, base, []string{"missing", "dir", "big", "AGENTS.md"}, 10); !errors.Is(err, ErrNoFile) {
		t.Errorf("%s: %q, %v", path, got, err)
	}
}
