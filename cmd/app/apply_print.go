package main

import (
	"fmt"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
)

// maxAuditedObjects bounds the objects that an audit entry names.
const maxAuditedObjects = 100

// objectsOf names the objects that change, for the audit log; the values are in
// the stored versions.
func objectsOf(changes []manifest.Change) []string {
	names := []string{}
	for i, c := range changes {
		if i == maxAuditedObjects {
			return append(names, fmt.Sprintf("and %d more", len(changes)-i))
		}
		names = append(names, string(c.Act)+" "+c.Kind+" "+c.Name)
	}
	return names
}

// maxShownValue bounds one side of a shown difference, in bytes.
const maxShownValue = 200

// changesOf are changes as the API gives them.
func changesOf(changes []manifest.Change) []client.Change {
	actions := map[manifest.Act]string{manifest.Added: "add", manifest.Changed: "change", manifest.Removed: "remove"}
	list := []client.Change{}
	for _, c := range changes {
		change := client.Change{Action: actions[c.Act], Object: client.ObjectNamed(c.Kind, c.Name)}
		for _, f := range c.Fields {
			change.Diff = append(change.Diff, fmt.Sprintf("%s: %s → %s", f.Path, shownValue(f.Old), shownValue(f.New)))
		}
		list = append(list, change)
	}
	return list
}

// drawChanges shows what a new set changes: "+" is added, "-" removed, "~"
// changed, with each key that differs below it.
func drawChanges(t *table, changes []client.Change, hidden int) {
	if len(changes)+hidden == 0 {
		t.line("nothing changes")
	}
	marks := map[string]string{"add": "+", "change": "~", "remove": "-"}
	for _, c := range changes {
		t.line("%s %s %s", marks[c.Action], c.Kind, c.FullName())
		for _, line := range c.Diff {
			t.line("    %s", line)
		}
	}
	if hidden > 0 {
		t.line("and %d changes that you may not see", hidden)
	}
}

func shownValue(text string) string {
	switch {
	case text == "":
		return "(none)"
	case len(text) > maxShownValue:
		return fmt.Sprintf("%q… (%d bytes)", text[:maxShownValue], len(text))
	}
	if quoted := fmt.Sprintf("%q", text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}

// failing is the part of a tree that stands against.
func failing(r policy.Reason) policy.Reason {
	kept := policy.Reason{OK: r.OK, Text: r.Text}
	for _, child := range r.Because {
		if !child.OK {
			kept.Because = append(kept.Because, failing(child))
		}
	}
	return kept
}
