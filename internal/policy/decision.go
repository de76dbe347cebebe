package policy

import "strings"

// Reason is one node of the tree that explains a decision.
type Reason struct {
	OK      bool     `json:"ok"`
	Text    string   `json:"text"`
	Because []Reason `json:"because,omitempty"`
}

// Decision is the answer to "may this happen?". The zero value refuses.
type Decision struct {
	Allowed       bool   `json:"allowed"`
	Reason        Reason `json:"reason"`
	PolicyVersion string `json:"policyVersion"`
}

// Yes is a reason in favour.
func Yes(text string, because ...Reason) Reason {
	return Reason{OK: true, Text: text, Because: because}
}

// No is a reason against.
func No(text string, because ...Reason) Reason { return Reason{Text: text, Because: because} }

// All holds if every one of the reasons does; it keeps them all, so that a
// person sees everything that is missing at once.
func All(text string, reasons ...Reason) Reason {
	all := Reason{OK: len(reasons) > 0, Text: text, Because: reasons}
	for _, r := range reasons {
		all.OK = all.OK && r.OK
	}
	return all
}

// Any holds if one of the reasons does.
func Any(text string, reasons ...Reason) Reason {
	anyOf := Reason{Text: text, Because: reasons}
	for _, r := range reasons {
		anyOf.OK = anyOf.OK || r.OK
	}
	return anyOf
}

// Refusals returns the texts of the leaves that stand against, in order: what a
// person has to change.
func (r Reason) Refusals() []string {
	if r.OK {
		return nil
	}
	if len(r.Because) == 0 {
		return []string{r.Text}
	}
	var texts []string
	for _, child := range r.Because {
		texts = append(texts, child.Refusals()...)
	}
	if len(texts) == 0 {
		return []string{r.Text}
	}
	return texts
}

// String draws the tree, one reason a line, indented by depth.
func (r Reason) String() string {
	var b strings.Builder
	r.draw(&b, 0)
	return strings.TrimRight(b.String(), "\n")
}

func (r Reason) draw(b *strings.Builder, depth int) {
	mark := "✗ "
	if r.OK {
		mark = "✓ "
	}
	b.WriteString(strings.Repeat("  ", depth) + mark + r.Text + "\n")
	for _, child := range r.Because {
		child.draw(b, depth+1)
	}
}
