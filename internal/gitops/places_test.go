package gitops

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/task"
)

// A risk is pointed at in the patch that the carrier holds, and in the result.
func TestPlacesAreTheLinesOfThePatchAndOfTheResult(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a.txt", strings.Repeat("same\n", 20)), text("gone.tf", "resource \"aws_s3_bucket\" \"x\" {\n}\n"),
		text("main.tf", "a\nprevent_destroy = true\nb\n"), text("becomes", "text\n"))
	r := build1(t, g, base, put("a.txt", "@@ -1 +1 @@\n"+strings.Repeat("same\n", 20)+"DROP\n"), gone("gone.tf"), put("main.tf", "a\nb\n"),
		put("b.sql", "SELECT 1;\nDROP TABLE x;\n"), put("bin", "\x00"), changeOf(Symlink, "becomes", "a.txt"))
	p := task.Proposal{Diff: r.Diff, Manifest: r.Manifest, Risks: append(r.Risks, task.Risk{Name: "x", Path: "nowhere", Line: 1}, task.Risk{Name: "x", Path: "a.txt", Line: 22})}
	places, err := Places(p)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(r.Diff), "\n")
	var got []string
	for i, place := range places {
		text := ""
		if place.Patch > 0 {
			text = lines[place.Patch-1]
		}
		got = append(got, fmt.Sprintf("%s %s:%d %q result %d", p.Risks[i].Name, p.Risks[i].Path, p.Risks[i].Line, text, place.Result))
	}
	wantList(t, "places", got, []string{
		fmt.Sprintf("symlink becomes:0 %q result 1", lines[2]),
		fmt.Sprintf("binary bin:0 %q result 1", lines[3]),
		`destructive-sql b.sql:2 "+DROP TABLE x;" result 2`,
		`destructive-infrastructure gone.tf:1 "-resource \"aws_s3_bucket\" \"x\" {" result 0`,
		`weaker-protection main.tf:2 "-prevent_destroy = true" result 2`,
		`x nowhere:1 "" result 0`,
		`x a.txt:22 "+DROP" result 22`,
	})
	if !strings.HasSuffix(lines[2], "T\tbecomes") || !strings.HasSuffix(lines[3], "A\tbin") {
		t.Errorf("the diff begins with\n%s", strings.Join(lines[:7], "\n"))
	}
	r = build1(t, g, base, put("a.txt", "x\n"), put("bin", "\x00"))
	p = task.Proposal{Diff: r.Diff, Manifest: r.Manifest, Risks: r.Risks}
	if places, err = Places(p); err != nil || !strings.HasPrefix(strings.Split(string(r.Diff), "\n")[places[0].Patch-1], "diff --git a/bin") {
		t.Errorf("%v %v", places, err)
	}
}

func TestPlacesOfADamagedManifest(t *testing.T) {
	t.Parallel()
	g, _, base := newBase(t, text("a.txt", "1\n"))
	r := build1(t, g, base, put("a.txt", "x\n"), put("b.sql", "DROP TABLE x;\n"))
	p := task.Proposal{Diff: r.Diff, Manifest: []task.PathChange{{Path: "b.sql", Kind: task.Added}}, Risks: r.Risks}
	if places, err := Places(p); err != nil || places[0].Patch == 0 {
		t.Errorf("%v %v", places, err)
	}
}
