package approval

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// maxMessage bounds a commit message, in bytes.
const maxMessage = 16 << 10

// message is the whole commit message: the reviewer's words or the proposed
// ones, then CoderFlow's own trailers, which always come last.
func (g *Gate) message(ctx context.Context, t task.Task, p task.Proposal, review forge.Review, d Directives) (string, error) {
	rules, err := g.Policies.Policy(ctx)
	if err != nil {
		return "", fmt.Errorf("the policy cannot be read: %w", err)
	}
	text := strings.TrimSpace(d.Message)
	if text == "" {
		if rules.Environments[t.Environment].Gate.CommitMessage == policy.MessageWritten {
			return "", errors.New("this environment wants the commit message written in the approving review")
		}
		text = p.Message
	}
	text, err = cleanMessage(text)
	if err != nil {
		return "", err
	}
	trailers := []string{
		"Coderflow-Task: " + string(t.ID),
		"Coderflow-Proposal: " + p.Digest,
		"Coderflow-Review: " + oneLine(review.URL),
		"Coderflow-Requested-By: " + oneLine(t.Requester.Login) + " (" + t.Requester.Subject.String() + ")",
	}
	return text + "\n\n" + strings.Join(trailers, "\n") + "\n", nil
}

// cleanMessage makes a text safe to be a commit message: valid UTF-8, no control
// or invisible characters, and no line that pretends to be one of our trailers.
func cleanMessage(text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", errors.New("the commit message is not valid UTF-8")
	}
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || (unicode.IsPrint(r) && !unicode.Is(unicode.Cf, r)) {
			return r
		}
		return -1
	}, text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t")
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "coderflow-") {
			return "", errors.New("a line of the commit message begins with \"Coderflow-\", which is kept for CoderFlow's own trailers")
		}
	}
	text = strings.TrimSpace(strings.Join(lines, "\n"))
	switch {
	case text == "":
		return "", errors.New("the commit message is empty")
	case len(text) > maxMessage:
		return "", fmt.Errorf("the commit message is longer than %d bytes", maxMessage)
	}
	return text, nil
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && !unicode.Is(unicode.Cf, r) {
			return r
		}
		return -1
	}, s)
}
