package azuredevops

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
)

// maxWords bounds what is quoted of an answer, in bytes.
const maxWords = 1000

// The service's own numbers of errors that mean something here.
const (
	pullRequestExists  = "TF401179" // an active one for the same branches
	repositoryNotFound = "TF401019"
)

// signIn is what to do where the service leads to its sign-in page.
const signIn = "Azure DevOps asks to sign in instead of answering: the token is wrong, has ended, or is of another organization; make a new one and put it into the token file"

// answerError is an answer that is not a success.
type answerError struct {
	status int
	key    string // the service's name of the error, "GitPullRequestExistsException"
	words  string
}

// Error implements error.
func (e *answerError) Error() string {
	return fmt.Sprintf("Azure DevOps answered %d: %s", e.status, e.words)
}

// answered turns an answer that is not a success into an error, and closes it. The
// sign-in page comes with 203, or as a redirect.
func answered(res *http.Response) error {
	switch s := res.StatusCode; {
	case s == http.StatusNonAuthoritativeInfo, s >= 300 && s < 400:
		_ = res.Body.Close()
		return &answerError{status: http.StatusUnauthorized, words: signIn}
	case s >= 200 && s < 300:
		return nil
	}
	e := &answerError{status: res.StatusCode}
	e.key, e.words = answerWords(res)
	if e.status == http.StatusUnauthorized && strings.Contains(e.words, "<") { // the page's text
		e.words = signIn
	}
	return e
}

// answerWords reads the words of an answer that nobody else reads, and closes it.
func answerWords(res *http.Response) (key, words string) {
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxWords*16)) // a cut body has words, too
	var said struct {
		Message string `json:"message"`
		TypeKey string `json:"typeKey"`
		Value   struct {
			Message string `json:"Message"`
		} `json:"value"`
	}
	if json.Unmarshal([]byte(strings.TrimPrefix(string(body), "\ufeff")), &said) == nil {
		if said.Message == "" {
			said.Message = said.Value.Message
		}
		if said.Message != "" {
			return clip(said.TypeKey), clip(said.Message)
		}
	}
	if words = clip(string(body)); words != "" {
		return "", words
	}
	return "", http.StatusText(res.StatusCode)
}

// translate turns any error of a call into the vocabulary of package forge. An error that
// stays without a type (5xx, network) is one that passes by itself.
func translate(doing string, err error) error {
	if err == nil {
		return nil
	}
	var a *answerError
	if !errors.As(err, &a) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	switch {
	case a.status == http.StatusNotFound || a.status == http.StatusGone || strings.Contains(a.words, repositoryNotFound):
		return fmt.Errorf("%s: %w (Azure DevOps: %s)", doing, forge.ErrNotFound, a.words)
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return fmt.Errorf("%s: %w (Azure DevOps: %s)", doing, forge.ErrForbidden, a.words)
	case a.status >= 400 && a.status < 500:
		return &refusal{RefusedError: forge.RefusedError{Operation: doing, Words: a.words}, answer: a}
	}
	return fmt.Errorf("%s: %w", doing, a)
}

// refusal is a *forge.RefusedError that remembers the answer.
type refusal struct {
	forge.RefusedError
	answer *answerError
}

// As lets errors.As find the refusal.
func (r *refusal) As(target any) bool {
	if t, ok := target.(**forge.RefusedError); ok {
		*t = &r.RefusedError
		return true
	}
	return false
}

// Unwrap returns the answer.
func (r *refusal) Unwrap() error { return r.answer }

// status is that of the answer, or 0.
func status(err error) int {
	var a *answerError
	if errors.As(err, &a) {
		return a.status
	}
	return 0
}

// says reports whether the answer has the service's number of an error.
func says(err error, number string) bool {
	var a *answerError
	return errors.As(err, &a) && strings.Contains(a.words, number)
}

// clip is [wire.Clip] for what is quoted of an answer.
func clip(words string) string { return wire.Clip(words, maxWords) }
