package emulator

import (
	"fmt"
	"unicode/utf8"
)

// GitHub's limits on texts, in characters.
const (
	maxTitle       = 256
	maxBody        = 65536
	maxDescription = 140 // of commit statuses and deployment statuses
)

// tooLong is GitHub's 422 for a text over its limit, or nil.
func tooLong(resource, field, text string, limit int) error {
	if utf8.RuneCountInString(text) <= limit {
		return nil
	}
	return invalid(resource, field, "custom", fmt.Sprintf("%s is too long (maximum is %d characters)", field, limit))
}

// checkTexts holds the title and body of an issue or pull request against their limits.
func checkTexts(resource string, title, body *string) error {
	if title != nil {
		if err := tooLong(resource, "title", *title, maxTitle); err != nil {
			return err
		}
	}
	if body != nil {
		return tooLong(resource, "body", *body, maxBody)
	}
	return nil
}
