package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// What the README tells people to run exists: every make target, every command
// with its flags, every file that it links to.
func TestREADMEKeepsItsWord(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)(?:^    |`|&& )(?:DEMO_EXIT=1\\s+)?make ([a-z-]+)").FindAllStringSubmatch(string(readme), -1) {
		if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
			t.Errorf("make %s is not in the Makefile", m[1])
		}
	}
	commands := regexp.MustCompile("`(?:bin/)?coderflow ([a-z][^`/]*)`").FindAllStringSubmatch(string(readme), -1)
	if len(commands) < 5 {
		t.Errorf("only %d commands found in the README", len(commands))
	}
	for _, m := range commands {
		checkCommand(t, strings.Fields(m[1]))
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(readme), -1) {
		if _, err := os.Stat("../../" + m[1]); err != nil {
			t.Errorf("the README links to %s: %v", m[1], err)
		}
	}
}

func checkCommand(t *testing.T, words []string) {
	t.Helper()
	var verbs []string
	for len(words) > 0 && regexp.MustCompile(`^[a-z]+$`).MatchString(words[0]) {
		verbs, words = append(verbs, words[0]), words[1:]
	}
	help, err := exec.Command(binary, append(verbs, "--help")...).CombinedOutput()
	if err != nil || bytes.Contains(help, []byte("coderflow: ")) {
		t.Errorf("coderflow %s: %v: %s", strings.Join(verbs, " "), err, help)
	}
	for _, word := range words {
		if strings.HasPrefix(word, "-") && !strings.Contains(string(help), word) {
			t.Errorf("coderflow %s has no flag %s", strings.Join(verbs, " "), word)
		}
	}
}

// Wrong command lines, configurations and manifests get one clear error, with
// file, line and key, and start nothing.
func TestWrongInputIsNamedWhereItIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := dir + "/" + name
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	configuration := write("c.yaml", "listen: 127.0.0.1:0\ndataDir: "+dir+"/data\ngithub:\n  appId: 3\n")
	manifests := write("m.yaml", "apiVersion: coderflow.dev/v1\nkind: RoleBinding\nmetadata: {name: a}\nspec: {subject: github:octocat, role: king, resource: environment/x}\n")
	for name, tt := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"unknown command":     {[]string{"srve"}, 2, []string{"srve"}},
		"unknown flag":        {[]string{"serve", "--prot", "1"}, 2, []string{"--prot"}},
		"unknown key":         {[]string{"serve", "-c", configuration}, 1, []string{configuration + ":4:3", "github.appId", "appID"}},
		"missing file":        {[]string{"serve", "-c", dir + "/none.yaml"}, 1, []string{"none.yaml"}},
		"wrong manifest":      {[]string{"apply", "-f", manifests}, 1, []string{manifests + ":4:", "spec.subject", "spec.role"}},
		"missing manifests":   {[]string{"apply", "-f", dir + "/nowhere", "--dry-run"}, 1, []string{"nowhere"}},
		"no forge configured": {[]string{"serve", "-c", write("n.yaml", "dataDir: "+dir+"/data\n")}, 1, []string{"coderflow init github"}},
	} {
		out, err := exec.Command(binary, tt.args...).CombinedOutput()
		if code := exitCode(err); code != tt.code {
			t.Errorf("%s: exit status %d, want %d: %s", name, code, tt.code, out)
		}
		for _, text := range tt.says {
			if !strings.Contains(string(out), text) {
				t.Errorf("%s: the error does not say %q: %s", name, text, out)
			}
		}
	}
	if _, err := os.Stat(dir + "/data"); !os.IsNotExist(err) {
		t.Errorf("something was started: %v", err)
	}
}

func exitCode(err error) int {
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	}
	return 0
}
