package present

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/prompt"
	"github.com/coderflow/coderflow/internal/task"
)

// maxSubject bounds the first line of a commit message, in characters.
const maxSubject = 72

// PullRequestTitle is the title of the issue, without effect, and which variant of several it is.
func PullRequestTitle(t task.Task) string {
	suffix := variantSuffix(t)
	return subject(t, 200-utf8.RuneCountInString(suffix)) + suffix
}

// ProposedMessage is the commit message that a reviewer accepts by writing none.
// Landed on a default branch, a message can close issues, notify people and
// switch CI off, so the title is made inert here too.
func ProposedMessage(t task.Task) string {
	asked := "Made by CoderFlow."
	if t.Issue > 0 {
		asked = fmt.Sprintf("Made by CoderFlow for issue %d.", t.Issue)
	}
	return subject(t, maxSubject) + "\n\n" + asked
}

func subject(t task.Task, limit int) string {
	s := strings.Trim(bare(t.Snapshot.Title), " .")
	if s == "" {
		return "CoderFlow task " + string(t.ID)
	}
	if utf8.RuneCountInString(s) > limit {
		runes := []rune(s)[:limit-1]
		s = strings.TrimRightFunc(string(runes), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) + "…"
	}
	return s
}

// Where Markdown's code spans are not to be had (titles and commit messages), the
// characters that work on a forge are replaced by ones that look alike. Zero-width
// characters would do, but are themselves what reviewers must not meet.
var lookalikes = strings.NewReplacer(
	"@", "＠", // mentions
	"#", "＃", // issues, also owner/name#1 and AB#1
	"://", "：//", // addresses, which close issues as well
	"<", "‹", ">", "›",
	"[", "(", "]", ")", // [skip ci] and its like; links
	"`", "'", "***", "＊", // ***NO_CI***
)

var (
	bareGH     = regexp.MustCompile(`(?i)\b(gh)-([0-9])`)
	bareWWW    = regexp.MustCompile(`(?i)\bwww\.`)
	bareBang   = regexp.MustCompile(`!([0-9])`) // pull requests on Azure DevOps
	bareEmoji  = regexp.MustCompile(`:([A-Za-z0-9_+-]+:)`)
	bareCommit = regexp.MustCompile(`(?i)\b([0-9a-f]{6})[0-9a-f]{1,58}\b`)
	bareOurs   = regexp.MustCompile(`(?i)^(coderflow-|approved-by\s*:)`)
)

// bare makes one line of plain text without effect.
func bare(s string) string {
	s, _ = prompt.Clean(s)
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) }), " ")
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
	s = lookalikes.Replace(s)
	s = bareGH.ReplaceAllString(s, "$1‑$2")
	s = bareWWW.ReplaceAllString(s, "www ")
	s = bareBang.ReplaceAllString(s, "！$1")
	s = bareEmoji.ReplaceAllString(s, "：$1")
	s = bareCommit.ReplaceAllStringFunc(s, func(id string) string {
		if !strings.ContainsAny(id, "0123456789") {
			return id // a word
		}
		return id[:6] + "…"
	})
	// The gate keeps lines that begin like this for its own trailers.
	return bareOurs.ReplaceAllStringFunc(s, func(kept string) string {
		return strings.NewReplacer("-", "‑", ":", "：").Replace(strings.ToLower(kept))
	})
}
