package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/coderflow/coderflow/internal/token"
)

// parserOf is the command line's parser.
func parserOf(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := kong.New(&cli{}, kong.Name("coderflow"), kong.Exit(func(code int) { t.Errorf("it exits with %d", code) }))
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

// Every command has examples, and what they show is a command line.
func TestEveryExampleParses(t *testing.T) {
	t.Parallel()
	comment := regexp.MustCompile(`\s{2,}\S.*$| > \S+$`)
	word := regexp.MustCompile(`(?:"[^"]*"|'[^']*'|[^\s"'])+`)
	quotes := strings.NewReplacer(`"`, "", "'", "")
	for _, command := range parserOf(t).Model.Leaves(true) {
		found := 0
		for line := range strings.SplitSeq(command.Detail, "\n") {
			if !strings.HasPrefix(line, "  ") {
				continue
			}
			_, example, is := strings.Cut(line, "coderflow ")
			if !is {
				continue
			}
			found++
			words := word.FindAllString(comment.ReplaceAllString(example, ""), -1)
			for i := range words {
				words[i] = quotes.Replace(words[i])
			}
			parsed, err := parserOf(t).Parse(words)
			if err != nil {
				t.Errorf("%s: %q: %v", command.FullPath(), words, err)
				continue
			}
			if parsed.Selected().FullPath() != command.FullPath() {
				t.Errorf("%s has an example of %s", command.FullPath(), parsed.Selected().FullPath())
			}
		}
		if found == 0 {
			t.Errorf("%s has no example", command.FullPath())
		}
	}
}

// What stands in a script of bash and is completed there, by bash itself.
const bashScript = `set -eu
source <("$1" completion bash)
at() { # the line up to the cursor; prints the replies
    COMP_LINE=$1 COMP_POINT=${#1}
    COMP_WORDS=()
    local word
    # bash breaks words at spaces and at COMP_WORDBREAKS, each of which is a word
    while read -r word; do COMP_WORDS+=("$word"); done < <(grep -oE '[^ =:]+|[=:]' <<<"$1")
    [[ $1 == *[[:space:]] ]] && COMP_WORDS+=("")
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
    _coderflow
    echo "${COMPREPLY[*]-}"
}
complete -p coderflow
while IFS= read -r line; do at "$line"; done`

func TestBashCompletes(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal("bash is missing: apt-get install bash")
	}
	server := answering(t, 200, "application/json", `{"subject":"github:7"}`)
	p := newSeat(t, server.URL, token.New().Reveal())
	p.must("context", "add", "wide", "--server", server.URL, "--token-file", filepath.Join(p.home, "token"))
	server.Close() // nothing is asked of it
	rows := [][2]string{
		{"coderflow task", "tasks"},
		{"coderflow tasks ", "list show logs diff revisions cancel activity chain models"},
		{"coderflow tasks lo", "logs"},
		{"coderflow tasks list --sta", "--state"},
		{"coderflow tasks --sta", "--state"},
		{"coderflow tasks list --state queued,runn", "queued,running"},
		{"coderflow tasks list -o ", "table json yaml"},
		{"coderflow tasks list --output=y", "yaml"},
		{"coderflow tasks list --output=", "table json yaml"},
		{"coderflow whoami --context w", "wide work"},
		{"coderflow whoami --context=wi", "wide"},
		{"coderflow context use ", "wide work"},
		{"coderflow context add w", ""},
		{"coderflow access who tasks:v", "view"},
		{"coderflow access who deployments:", "view execute"},
		{"coderflow access explain github:1 tasks:ca", "cancel"},
		{"coderflow get env", "environment"},
		{"coderflow completion ", "bash zsh fish"},
		{"coderflow images build claude c", "claude codex"},
		{"coderflow tasks logs -- --st", ""},
		{"coderflow no-such-command x", ""},
	}
	var lines, want []string
	for _, row := range rows {
		lines, want = append(lines, row[0]), append(want, row[1])
	}
	cmd := exec.CommandContext(t.Context(), bash, "--norc", "-c", bashScript, "bash", binary)
	cmd.Env = []string{"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "HOME=" + p.home, "XDG_CONFIG_HOME=" + filepath.Join(p.home, ".config")}
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if got[0] != "complete -o default -F _coderflow coderflow" {
		t.Errorf("it is set up as %q", got[0])
	}
	if !slices.Equal(got[1:], want) {
		for i, line := range got[1:] {
			if i < len(want) && line != want[i] {
				t.Errorf("%q completes to %q, want %q", lines[i], line, want[i])
			}
		}
	}
}

func TestEveryShellHasAScript(t *testing.T) {
	t.Parallel()
	p := newSeat(t, "", "")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if script := p.must("completion", shell); !strings.Contains(script, completeCommand) {
			t.Errorf("%s: %s", shell, script)
		}
	}
	p.fails(usageStatus, "", "completion", "sh")
}

func TestTheDocumentationOfTheCommandLineKeepsItsWord(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile("(?:`|\\n    )coderflow ([a-z][^`>\\n]*)").FindAllStringSubmatch(string(text), -1)
	said := map[string]bool{}
	for _, m := range commands {
		words := strings.Fields(m[1])
		checkCommand(t, words)
		said[words[0]] = true
	}
	for _, command := range parserOf(t).Model.Leaves(true) {
		if name, _, _ := strings.Cut(strings.TrimPrefix(command.FullPath(), "coderflow "), " "); !said[name] && !slices.Contains([]string{"demo", "forge", "init", "version"}, name) {
			t.Errorf("docs/cli.md does not say %s", name)
		}
	}
	for status, word := range map[int]string{0: "done", failedStatus: "failed", usageStatus: "wrong", refusedStatus: "refused", notFoundStatus: "not found"} {
		if !strings.Contains(string(text), fmt.Sprintf("| %d | %s", status, word)) {
			t.Errorf("docs/cli.md does not say that status %d is %q", status, word)
		}
	}
}
