package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
)

// maxWords bounds what is quoted of an answer, in bytes.
const maxWords = 1000

// draftsRefused is how GitHub starts its refusal of drafts.
const draftsRefused = "Draft pull requests are not supported"

// translate turns any error of a call into the vocabulary of package forge. An
// error that stays without a type (5xx, network) is one that passes by itself.
func translate(doing string, err error) error {
	if err == nil {
		return nil
	}
	var answered *gh.ErrorResponse
	if !errors.As(err, &answered) || answered.Response == nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	words := answerWords(answered)
	switch status := answered.Response.StatusCode; status {
	case http.StatusNotFound, http.StatusGone, http.StatusUnavailableForLegalReasons:
		return fmt.Errorf("%s: %w (GitHub: %s)", doing, forge.ErrNotFound, words)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%s: %w (GitHub: %s)", doing, forge.ErrForbidden, words)
	case http.StatusUnprocessableEntity, http.StatusConflict:
		if strings.Contains(words, draftsRefused) {
			return fmt.Errorf("%s: %w", doing, forge.ErrDraftsUnsupported)
		}
		return &forge.RefusedError{Operation: doing, Words: words}
	default:
		return fmt.Errorf("%s: GitHub answered %d: %s", doing, status, words)
	}
}

// answerWords is the message and its details, or the start of a body that is not
// GitHub's JSON.
func answerWords(e *gh.ErrorResponse) string {
	words := []string{}
	if e.Message != "" {
		words = append(words, e.Message)
	}
	for _, detail := range e.Errors {
		switch {
		case detail.Message != "":
			words = append(words, detail.Message)
		case detail.Code != "":
			words = append(words, strings.TrimSpace(detail.Resource+" "+detail.Field+" "+detail.Code))
		}
	}
	if len(words) == 0 {
		return bodyWords(e.Response)
	}
	return clip(strings.Join(words, "; "))
}

// bodyWords reads the words of an answer that nobody else reads, and closes it.
func bodyWords(res *http.Response) string {
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxWords*4)) // a cut body has words, too
	var answer struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &answer) == nil && answer.Message != "" {
		return clip(answer.Message)
	}
	if words := clip(string(body)); words != "" {
		return words
	}
	return http.StatusText(res.StatusCode)
}

// clip is [wire.Clip] for what is quoted of an answer.
func clip(words string) string { return wire.Clip(words, maxWords) }

// otherRepository is the refusal of an answer about a repository that is not ref.
func otherRepository(ref forge.RepositoryRef, id int64) error {
	return fmt.Errorf("%s now names repository %d, not %s: %w", ref.FullName(), id, ref.ID, forge.ErrNotFound)
}
