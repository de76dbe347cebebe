package approval

import (
	"cmp"
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
// ones, then CoderFlow's own trailers, which always come last. others are who
// approved besides the reviewer.
func (l look) message(review forge.Review, d Directives, others []forge.User) (string, error) {
	text := strings.TrimSpace(d.Message)
	if text == "" {
		if l.rules.Environments[l.t.Environment].Gate.CommitMessage == policy.MessageWritten {
			return "", errors.New("this environment wants the commit message written in the approving review")
		}
		text = l.p.Message
	}
	text, err := cleanMessage(text)
	if err != nil {
		return "", err
	}
	return text + trailersBegin + strings.Join(Trailers(l.t.ID, l.p.Digest, review.URL, l.t.Requester, others), "\n") + "\n", nil
}

const trailersBegin = "\n\n"

// Trailers are the last lines of the message of a commit of ours. others are who
// approved besides its author.
func Trailers(id task.ID, digest, reviewURL string, requester forge.User, others []forge.User) []string {
	trailers := []string{
		"Coderflow-Task: " + string(id),
		"Coderflow-Proposal: " + digest,
		"Coderflow-Review: " + oneLine(reviewURL),
		"Coderflow-Requested-By: " + who(requester),
	}
	for _, other := range others {
		trailers = append(trailers, approvedBy+" "+who(other))
	}
	return trailers
}

// Words is the text of a commit's message before its trailers, which must be these,
// and the text one that an approval can have.
func Words(message string, trailers []string) (string, error) {
	words, has := strings.CutSuffix(message, trailersBegin+strings.Join(trailers, "\n")+"\n")
	if !has {
		return "", errors.New("the trailers of the commit's message are not those of the approval")
	}
	if clean, err := cleanMessage(words); err != nil || clean != words {
		return "", fmt.Errorf("the commit's message is none that an approval makes: %w", cmp.Or(err, errors.New("it has characters that are taken out")))
	}
	return words, nil
}

// Claims reports whether a commit's message has a line that reads as one of our
// trailers, in any letters: whoever finds one may ask for the receipt.
func Claims(message string) bool {
	for line := range strings.Lines(message) {
		for _, key := range []string{"task", "proposal", "review", "requested-by"} {
			if strings.HasPrefix(squeezed(line), "coderflow-"+key+":") {
				return true
			}
		}
	}
	return false
}

// approvedBy begins the trailer of each approver who is not the author.
const approvedBy = "Approved-by:"

// who names an account in a trailer.
func who(u forge.User) string { return oneLine(u.Login) + " (" + oneLine(u.Subject.String()) + ")" }

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
		for _, kept := range []string{"Coderflow-", approvedBy} {
			if strings.HasPrefix(squeezed(line), strings.ToLower(kept)) {
				return "", fmt.Errorf("a line of the commit message begins with %q, which is kept for CoderFlow's own trailers", kept)
			}
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

// squeezed is a line as whoever reads trailers may read it: git takes blanks before
// the colon.
func squeezed(line string) string {
	key, rest, found := strings.Cut(strings.ToLower(strings.TrimSpace(line)), ":")
	if !found {
		return key
	}
	return strings.TrimSpace(key) + ":" + rest
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && !unicode.Is(unicode.Cf, r) {
			return r
		}
		return -1
	}, s)
}
