package azuredevops

import (
	"fmt"
	"regexp"
)

const (
	// maxPages bounds a list; perPage is how much of it one answer has.
	maxPages = 100
	perPage  = 100
)

// commitShape is a full object id.
var commitShape = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// pages reads a list that is asked for by how many to skip, until a page is not full.
func pages[T any](doing string, get func(top, skip int) ([]T, error)) ([]T, error) {
	var all []T
	for n := range maxPages {
		page, err := get(perPage, n*perPage)
		if err != nil {
			return nil, translate(doing, err)
		}
		all = append(all, page...)
		if len(page) < perPage {
			return all, nil
		}
	}
	return nil, fmt.Errorf("%s: more than %d entries", doing, maxPages*perPage)
}
