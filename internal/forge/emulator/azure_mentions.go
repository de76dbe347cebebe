package emulator

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	azureMention = regexp.MustCompile(`@<([0-9A-Fa-f-]{36})>`)
	htmlMention  = regexp.MustCompile(`data-vss-mention="version:[0-9.]+,([0-9A-Fa-f-]{36})"`)
	azureCloses  = regexp.MustCompile(`(?i)\b(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?|complete[sd]?)\s+(?:AB)?#([0-9]+)\b`)
)

// noteAzure records whom the Markdown of a pull request names, and the work items that it says it ends.
func (f *Forge) noteAzure(fullName string, number int, author *user, text string, closes bool) {
	base := Notification{Repository: fullName, Number: number, Author: author.login}
	// The parser would take <GUID> for an element.
	prose := proseOf(azureMention.ReplaceAllString(text, "@mention-$1-"))
	for _, m := range regexp.MustCompile(`@mention-([0-9A-Fa-f-]{36})-`).FindAllStringSubmatch(prose, -1) {
		if u := f.userByGUID(m[1]); u != nil {
			n := base
			n.Mentioned = u.login
			f.notices = append(f.notices, n)
		}
	}
	if !closes {
		return
	}
	for _, m := range azureCloses.FindAllStringSubmatch(prose, -1) {
		n := base
		n.Closes, _ = strconv.Atoi(m[1])
		f.notices = append(f.notices, n)
	}
}

// noteHTML records whom the HTML of a work item names.
func (f *Forge) noteHTML(w *workItem, author *user, text string) {
	for _, m := range htmlMention.FindAllStringSubmatch(text, -1) {
		if u := f.userByGUID(strings.ToLower(m[1])); u != nil {
			f.notices = append(f.notices, Notification{Repository: w.project.login, Number: w.id, Author: author.login, Mentioned: u.login})
		}
	}
}
