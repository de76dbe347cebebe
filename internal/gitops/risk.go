package gitops

import (
	"bytes"
	"context"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/task"
)

// Names of risks. They are stable: environments refer to them.
const (
	RiskWorkflow     = "workflow"
	RiskCodeOwners   = "codeowners"
	RiskInstructions = "agent-instructions"
	RiskLockFile     = "lock-file"
	RiskSubmodules   = "gitmodules"
	RiskAttributes   = "gitattributes"
	RiskExecutable   = "executable"
	RiskSymlink      = "symlink"
	RiskBinary       = "binary"
	RiskLFS          = "lfs-pointer"
	RiskHidden       = "hidden-characters"
	RiskUnscanned    = "not-scanned"
)

// pathRisks name files by what others do with them. Patterns see folded, lower-case paths.
var pathRisks = []struct {
	name    string
	pattern *regexp.Regexp
	why     string
}{
	{RiskWorkflow, regexp.MustCompile(`^\.(github/(workflows|actions)|gitlab|circleci|buildkite|azuredevops|azure-pipelines|devcontainer)/|(^|/)(azure-pipelines[^/]*\.ya?ml|\.gitlab-ci\.yml|jenkinsfile|action\.ya?ml|\.pre-commit-config\.yaml|\.travis\.yml)$`),
		"it steers what CI or a developer's tools run"},
	{RiskCodeOwners, regexp.MustCompile(`^(\.github/|docs/|\.gitlab/)?codeowners$`), "it decides who must review changes"},
	{RiskInstructions, regexp.MustCompile(`(^|/)((agents|claude|gemini|copilot-instructions|qwen)\.md|\.cursorrules|\.mcp\.json|opencode\.json)$|(^|/)\.(claude|codex|cursor|gemini|opencode|qwen)/|^\.github/(instructions|prompts)/`),
		"it instructs coding agents"},
	{RiskLockFile, regexp.MustCompile(`(^|/)(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|go\.sum|cargo\.lock|poetry\.lock|uv\.lock|pipfile\.lock|gemfile\.lock|composer\.lock|packages\.lock\.json|flake\.lock)$`),
		"it decides which dependencies are used"},
	{RiskSubmodules, regexp.MustCompile(`(^|/)\.gitmodules$`), "it decides where submodules come from"},
	{RiskAttributes, regexp.MustCompile(`(^|/)\.gitattributes$`), "it changes how git and forges show and convert files"},
}

// lfsHeader begins every pointer file of Git LFS (its specification, v1 and before).
var lfsHeader = regexp.MustCompile(`^version https://(git-lfs\.github\.com|hawser\.github\.com)/spec/`)

// maxLineRisks bounds the lines that are named of one file.
const maxLineRisks = 20

// risks names the dangers of the manifest, of the lines that the diff adds and of
// what they say. Secrets among them are problems, unless their path may have them.
func (b *build) risks(ctx context.Context, diff []byte) ([]task.Risk, error) {
	var risks []task.Risk
	for _, c := range b.manifest {
		risks = append(risks, b.fileRisks(c)...)
	}
	lines, err := changedLines(diff)
	if err != nil {
		return nil, err
	}
	perFile := map[string]int{} // index of the last one listed
	listed := map[string]int{}
	for added, err := range addedLines(diff) {
		if err != nil {
			return nil, err
		}
		why := hiddenIn(added.text, added.line == 1)
		if why == "" {
			continue
		}
		if listed[added.path]++; listed[added.path] > maxLineRisks {
			risks[perFile[added.path]].More++
			continue
		}
		perFile[added.path] = len(risks)
		risks = append(risks, task.Risk{Name: RiskHidden, Path: added.path, Line: added.line, Why: why})
	}
	said, err := b.scan(ctx, lines)
	return append(risks, said...), err
}

func (b *build) fileRisks(c task.PathChange) []task.Risk {
	var risks []task.Risk
	add := func(name, why string) { risks = append(risks, task.Risk{Name: name, Path: c.Path, Why: why}) }
	folded := strings.ToLower(foldPath(c.Path))
	for _, r := range pathRisks {
		if r.pattern.MatchString(folded) || r.pattern.MatchString(path.Clean(folded)) {
			add(r.name, r.why)
		}
	}
	if why := hiddenIn([]byte(c.Path), false); why != "" {
		add(RiskHidden, "its name "+why)
	}
	if c.Kind == task.Deleted {
		return risks
	}
	switch {
	case c.NewMode == modeExecutable && c.OldMode != modeExecutable:
		add(RiskExecutable, "it becomes executable")
	case c.NewMode == modeSymlink:
		add(RiskSymlink, "it is a symbolic link")
	}
	if c.Binary {
		add(RiskBinary, "its content cannot be reviewed as text")
	}
	if file := b.received[c.Path]; file != nil && c.NewMode != modeSymlink && lfsHeader.Match(file.head) {
		add(RiskLFS, "the content that it stands for is in Git LFS, not in the diff")
	}
	return risks
}

// hiddenIn tells of characters that make text look like something else: those
// that turn its direction, that have no width, and controls other than tab. A
// byte order mark may begin a file.
func hiddenIn(text []byte, first bool) string {
	if first {
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		if r == utf8.RuneError || r == '\t' || r == '\f' {
			continue
		}
		if why := hiddenRune(r); why != "" {
			return why
		}
	}
	return ""
}

func hiddenRune(r rune) string {
	switch {
	case r < 0x80 && r >= 0x20 && r != 0x7f:
		return ""
	case unicode.Is(unicode.Bidi_Control, r):
		return "contains " + codePoint(r) + ", which changes the direction of text"
	case unicode.Is(unicode.Cc, r):
		return "contains the control character " + codePoint(r)
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r) && r >= 0xe0100,
		r == 0x2028, r == 0x2029:
		return "contains " + codePoint(r) + ", which cannot be seen"
	}
	return ""
}

func codePoint(r rune) string {
	const digits = "0123456789ABCDEF"
	var hex []byte
	for shift := 20; shift >= 0; shift -= 4 {
		if d := digits[(r>>shift)&15]; d != '0' || len(hex) > 0 || shift < 16 {
			hex = append(hex, d)
		}
	}
	return "U+" + string(hex)
}
