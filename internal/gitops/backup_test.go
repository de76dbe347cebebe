package gitops

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/backup"
)

// What mirrors keep comes back with all that it reaches, into a directory without
// anything else, and beside a server at work: its quarantine is not touched.
func TestWhatMirrorsKeepComesBack(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a.txt", "one"))
	inMirror(t, g, "update-ref", landingRefs+"abc", base)
	atWork := filepath.Join(g.place(quarantineDir), "q-at-work")
	if err := os.Mkdir(atWork, 0o700); err != nil {
		t.Fatal(err)
	}
	from, err := OpenKept(Options{Dir: g.opts.Dir, Committer: g.opts.Committer})
	if err != nil {
		t.Fatal(err)
	}
	names, err := from.Names()
	if err != nil || len(names) != 1 || names[0] != "github-100" {
		t.Fatalf("mirrors %q, %v", names, err)
	}
	refs, err := from.Refs(t.Context(), names[0])
	if err != nil || len(refs) != 2 {
		t.Fatalf("refs %v, %v", refs, err)
	}
	var pack bytes.Buffer
	if err := from.Pack(t.Context(), names[0], refs, &pack); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(atWork); err != nil {
		t.Errorf("the quarantine of the running server: %v", err)
	}
	fresh := newGit(t, nil)
	into, err := NewKept(fresh.opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := into.Unpack(t.Context(), names[0], refs, bytes.NewReader(pack.Bytes())); err != nil {
		t.Fatal(err)
	}
	if got := inMirror(t, fresh, "cat-file", "-p", landingRefs+"abc:a.txt"); got != "one" {
		t.Errorf("restored %q", got)
	}
	if _, err := fresh.openMirror(t.Context(), testRepo); err != nil {
		t.Errorf("the server does not take the mirror: %v", err)
	}
	if err := into.Unpack(t.Context(), names[0], refs, bytes.NewReader(pack.Bytes())); err == nil {
		t.Error("a mirror was written over")
	}
}

func TestAHostilePackBecomesNoMirror(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a.txt", "one"))
	tree := strings.TrimSpace(inMirror(t, g, "rev-parse", base+"^{tree}"))
	k := &Kept{g}
	var whole, alone bytes.Buffer
	if err := k.Pack(t.Context(), "github-100", []backup.Ref{{ID: base}}, &whole); err != nil {
		t.Fatal(err)
	}
	alone.Write(hostGit(t, base+"\n", "-C", mirrorDir(g), "pack-objects", "--quiet", "--stdout")) // without its tree
	changed := bytes.Clone(whole.Bytes())
	changed[len(changed)/2] ^= 1
	named := func(name, id string) []backup.Ref { return []backup.Ref{{Name: name, ID: id}} }
	for name, c := range map[string]struct {
		refs []backup.Ref
		pack []byte
	}{
		"no pack":              {named(baseRefs+base, base), []byte("PACK")},
		"a bit":                {named(baseRefs+base, base), changed},
		"cut off":              {named(baseRefs+base, base), whole.Bytes()[:whole.Len()-1]},
		"without its tree":     {named(baseRefs+base, base), alone.Bytes()},
		"another commit":       {named(baseRefs+base, strings.Repeat("1", 40)), whole.Bytes()},
		"a tree as a commit":   {named(baseRefs+base, tree), whole.Bytes()},
		"a ref of git's":       {named("refs/heads/main", base), whole.Bytes()},
		"a path":               {named("refs/coderflow/trees/../../../config", base), whole.Bytes()},
		"an option":            {named("--stdin", base), whole.Bytes()},
		"a line of update-ref": {named(treeRefs+"a/1\ndelete "+baseRefs+base, base), whole.Bytes()},
		"a revision as an id":  {named(baseRefs+base, "HEAD"), whole.Bytes()},
	} {
		fresh := newGit(t, nil)
		err := (&Kept{fresh}).Unpack(t.Context(), "github-100", c.refs, bytes.NewReader(c.pack))
		if !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(mirrorDir(fresh)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: there is a mirror", name)
		}
	}
	for _, name := range []string{"../x", "github-1/..", "github-", "-1", "a-b.git/../../x"} {
		if err := (&Kept{newGit(t, nil)}).Unpack(t.Context(), name, nil, bytes.NewReader(whole.Bytes())); err == nil {
			t.Errorf("the mirror %q was made", name)
		}
	}
}
