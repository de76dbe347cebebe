package main

import (
	"fmt"
	"io"

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

// printChanges shows what a new set changes: "+" is added, "-" removed, "~"
// changed, with each key that differs below it.
func printChanges(w io.Writer, changes []manifest.Change) {
	if len(changes) == 0 {
		fmt.Fprintln(w, "nothing changes")
	}
	marks := map[manifest.Act]string{manifest.Added: "+", manifest.Changed: "~", manifest.Removed: "-"}
	for _, c := range changes {
		fmt.Fprintf(w, "%s %s %s\n", marks[c.Act], c.Kind, c.Name)
		for _, f := range c.Fields {
			fmt.Fprintf(w, "    %s: %s → %s\n", f.Path, shownValue(f.Old), shownValue(f.New))
		}
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
