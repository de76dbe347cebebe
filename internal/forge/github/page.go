package github

import (
	"fmt"

	gh "github.com/google/go-github/v62/github"
)

const (
	perPage  = 100
	maxPages = 100
)

// pages collects a whole list. It goes on after a full page even without a link to
// the next one: the link of an answer served by 304 may be older than the list.
func pages[T any](what string, fetch func(gh.ListOptions) ([]T, *gh.Response, error)) ([]T, error) {
	var all []T
	for page := 1; page <= maxPages; page++ {
		items, res, err := fetch(gh.ListOptions{Page: page, PerPage: perPage})
		if err != nil {
			return nil, translate(what, err)
		}
		all = append(all, items...)
		if res.NextPage == 0 && len(items) < perPage {
			return all, nil
		}
	}
	return nil, fmt.Errorf("%s: more than %d pages of %d", what, maxPages, perPage)
}
