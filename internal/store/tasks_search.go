package store

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/task"
)

const (
	// maxSearched bounds what of a title is searched, in bytes: it is in an index.
	maxSearched = 400
	// maxWords and maxWord bound a search: more words, and longer ones, are not looked for.
	maxWords = 8
	maxWord  = 100
)

// searched is what of a title searches find.
func searched(title string) string { return cut(strings.ToLower(text(title)), maxSearched) }

// cut is the beginning of s, at most n bytes, in whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// narrow adds what the filter asks for.
func (f TaskFilter) narrow(query *bun.SelectQuery) *bun.SelectQuery {
	if len(f.States) > 0 {
		query.Where("state IN (?)", bun.List(f.States))
	}
	if f.Environments != nil {
		query.Where("environment IN (?)", bun.List(cleaned(f.Environments)))
	}
	if f.Repository.ID != "" {
		query.Where("repository_key = ?", text(f.Repository.Key()))
	}
	switch {
	case strings.Contains(f.Requester, ":"): // no login has one
		query.Where("requester_key = ?", text(f.Requester))
	case f.Requester != "":
		query.Where("requester_login = ?", strings.ToLower(text(strings.TrimPrefix(f.Requester, "@"))))
	}
	return f.find(query)
}

// find wants every word of the text: in the title, or as the task's id, or as the
// number of its issue or pull request, with or without "#".
func (f TaskFilter) find(query *bun.SelectQuery) *bun.SelectQuery {
	words := strings.Fields(strings.ToLower(text(f.Text)))
	for _, word := range words[:min(len(words), maxWords)] {
		word = cut(word, maxWord)
		where, values := `title_search LIKE ? ESCAPE '\'`, []any{"%" + likePattern.Replace(word) + "%"}
		if number, err := strconv.ParseInt(strings.TrimPrefix(word, "#"), 10, 32); err == nil && number > 0 {
			where, values = where+" OR issue = ? OR pull_request = ?", append(values, number, number)
		}
		if id, err := task.ParseID(word); err == nil {
			where, values = where+" OR id = ?", append(values, string(id))
		}
		query.Where("("+where+")", values...)
	}
	return query
}

// likePattern makes a word stand for itself in LIKE … ESCAPE '\'.
var likePattern = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`)
