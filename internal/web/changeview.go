package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
)

type changeView struct {
	Action      string   `json:"action"` // add, change or remove
	Kind        string   `json:"kind"`
	Name        string   `json:"name"`
	Environment string   `json:"environment,omitempty"`
	Diff        []string `json:"diff"`
}

type changedView struct {
	Version  string          `json:"version"`
	Applied  bool            `json:"applied"`
	Changes  []changeView    `json:"changes"`
	Hidden   int             `json:"hidden"`
	Decision policy.Decision `json:"decision"`
}

// answer shows the change, as far as the caller may see it.
func (e *edit) answer(d policy.Decision, applied bool) error {
	v := changedView{Version: e.after.Version, Applied: applied, Changes: []changeView{}, Decision: d}
	for _, change := range e.changes {
		if !e.shows(change) {
			v.Hidden++
			continue
		}
		v.Changes = append(v.Changes, viewChange(change))
	}
	if v.Hidden > 0 {
		v.Decision.Reason.Because = nil
	}
	return e.c.JSON(http.StatusOK, v)
}

func viewChange(c manifest.Change) changeView {
	environment, name := profileName(c.Kind, c.Name)
	v := changeView{
		Action: map[manifest.Act]string{manifest.Added: "add", manifest.Changed: "change", manifest.Removed: "remove"}[c.Act],
		Kind:   c.Kind, Name: line(name, maxShownValue), Environment: line(environment, maxShownValue), Diff: []string{},
	}
	for _, f := range c.Fields {
		v.Diff = append(v.Diff, line(f.Path, maxShownValue)+": "+shownValue(f.Old)+" → "+shownValue(f.New))
	}
	return v
}

// shownValue is one side of a difference: bounded, and quoted if it is more than
// a plain word or line.
func shownValue(text string) string {
	bytes := len(text)
	switch {
	case bytes == 0:
		return "(none)"
	case bytes > maxShownValue:
		return strconv.Quote(strings.ToValidUTF8(text[:maxShownValue], "")) + fmt.Sprintf("… (%d bytes)", bytes)
	}
	if quoted := strconv.Quote(text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}
