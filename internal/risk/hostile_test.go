package risk

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// hostile are pieces of files that a reader could go over again and again.
var hostile = map[string]struct{ path, piece, last string }{
	"here-documents without an end": {"x.rb", "<<A ", "\n"},
	"brackets that never close":     {"m.sql", "[a", ""},
	"rows that never end":           {"m.sql", "COPY a b STDIN;", ""},
	"strings that join":             {"x.py", `"DROP TABLE a "`, ""},
	"beginnings of tokens":          {"x.txt", "eyJ ", ""},
	"tokens without a signature":    {"x.txt", "eyJaaaaaaaaaaaa.eyJ", ""},
	"addresses":                     {"x.txt", "http://aaaa@", ""},
	"substitutions":                 {"x.sh", "$(", ""},
	"shell here-documents":          {"x.sh", "cat <<A\n", ""},
	"substituted here-documents":    {"x.sh", "$(cat <<A\n)", ""},
	"parentheses":                   {"x.sh", "((", ""},
	"Docker's here-documents":       {"Dockerfile", "RUN a <<X\n", ""},
	"items of items":                {"x.yml", "- ", ""},
	"flows":                         {"x.yml", "a: {run: ", ""},
}

// steps is what looking through a file costs, for statements and for secrets.
func steps(path, text string) int {
	m := newMeter(context.Background(), 0)
	m.left, m.next = 1<<50, 0
	hits(m, path, []byte(text))
	for i := range secretRules {
		secretRules[i].scan(m, Input{Path: path, New: []byte(text)}, foldASCII([]byte(text)))
	}
	return 1<<50 - m.left
}

// Four times as much of a file costs about four times as much, and no file costs
// more than the budget gives to one of its size.
func TestReadingAFileIsLinearInItsSize(t *testing.T) {
	t.Parallel()
	for name, c := range hostile {
		small := strings.Repeat(c.piece, 4<<10/len(c.piece)) + strings.Repeat(c.last, 4<<10)
		large := strings.Repeat(c.piece, 16<<10/len(c.piece)) + strings.Repeat(c.last, 16<<10)
		one, four := steps(c.path, small), steps(c.path, large)
		t.Logf("%s: %d steps a byte", name, four/len(large))
		if four > 6*one || four > workPerByte*len(large) {
			t.Errorf("%s: %d steps for %d bytes, %d for %d", name, one, len(small), four, len(large))
		}
	}
}

func TestWorkOnOneFileEnds(t *testing.T) {
	t.Parallel()
	m := newMeter(context.Background(), 0)
	m.left, m.next = 1_000, 1_000
	if hits(m, "x.sql", []byte(strings.Repeat("DROP TABLE x;\n", 10_000))); !m.over {
		t.Error("more work than the budget was done")
	}
	if f := m.finding(NotScanned, "x.sql", "statements-unread"); len(f) != 1 || f[0].Name != NotScanned || LevelOf(f[0].Name) != Caution {
		t.Errorf("a file that was not read to its end is named as %+v", f)
	}
}

// A file that is made to be read slowly is refused like one with a secret: what was
// not read may have one.
func TestThreat35WhatCannotBeReadForSecretsCountsAsOne(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // ends the work as a spent budget does
	in := whole("x.txt", strings.Repeat("ghp_ AKIA password= eyJ token\n", 100_000))
	if got := Secrets(ctx, in); len(got) != 1 || got[0].Name != SecretPattern || got[0].Rule != "secrets-unread" {
		t.Errorf("got %+v", got)
	}
}

func TestNobodyWaitsForAScanThatIsCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	in := whole("x.sql", strings.Repeat("SELECT 1 FROM x;\n", 100_000))
	if got := Statements(ctx, in); len(got) != 1 || got[0].Name != NotScanned {
		t.Errorf("got %q", rulesOf(got))
	}
}

func TestThreat35ASecretNeedsNoNewName(t *testing.T) {
	t.Parallel()
	begin, end, body := join("-----BEGIN RSA PRIVATE", " KEY-----\n"), join("-----END RSA PRIVATE", " KEY-----\n"), "MIIEowIBAAKCAQEAx7Zk2Mwx5Rnb3Hvt6Ypd8Jfg1Lcs4Bqe9Uia0OoTyWmN/kQs3\n"
	for name, c := range map[string]struct {
		text  string
		added Lines
		line  int
	}{
		"the body below a BEGIN that stays":  {begin + body + end, Lines{{2, 2}}, 2},
		"the second line of the body":        {begin + body + body + end, Lines{{3, 3}}, 3},
		"a value on the line below its name": {"password =\n  \"" + "vNq2Lx7Zt4Rw9Kb6Hm1Pc3" + "\"\n", Lines{{2, 2}}, 2},
		"what follows a key":                 {begin + body + end + "x\n", Lines{{4, 4}}, 0},
	} {
		in := Input{Path: "k.ini", New: []byte(c.text), Added: c.added, Known: true}
		line := 0
		if got := Secrets(context.Background(), in); len(got) > 0 {
			line = got[0].Line
		}
		if line != c.line {
			t.Errorf("%s: line %d, want %d", name, line, c.line)
		}
	}
}

func TestThreat35AnExampleHidesNoSecretBehindIt(t *testing.T) {
	t.Parallel()
	token := "ghp_" + some36
	for _, text := range []string{"k=ghp_" + strings.Repeat("x", 36) + "," + token, "ghp_EXAMPLE/" + token, token + "," + "ghp_" + strings.Repeat("x", 36)} {
		if got := secretsOf("a.txt", text); !slices.Equal(got, []string{"github-token"}) {
			t.Errorf("%q: %q", text, got)
		}
	}
	path := "d/ghp_EXAMPLE/" + token
	found := Secrets(context.Background(), Input{Path: path, New: []byte("x")})
	if len(found) != 1 || strings.Contains(found[0].Path, some36[:8]) || strings.Contains(Mask(path), some36[:8]) {
		t.Errorf("the name of a file: %+v, masked %q", found, Mask(path))
	}
}
