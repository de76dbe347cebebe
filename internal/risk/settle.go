package risk

import "path"

// Settle looks at the findings of all files together: a protection or resource of
// Terraform that one file loses and another one of its directory gets was moved, not
// taken away. A directory is what Terraform reads; the same text elsewhere keeps
// nothing.
//
// Only what [Statements] found can be settled.
func Settle(found []Finding) []Finding {
	gained := map[string]int{}
	for _, f := range found {
		if f.gains {
			gained[f.place()]++
		}
	}
	var out []Finding
	for _, f := range found {
		switch {
		case f.gains:
		case f.Removed && gained[f.place()] > 0:
			gained[f.place()]--
		default:
			out = append(out, f)
		}
	}
	return out
}

// place is where a definition may move within: the directory of its module, and for
// what is no Terraform its file.
func (f Finding) place() string {
	if end := path.Ext(f.Path); end == ".tf" || end == ".tofu" {
		return path.Dir(f.Path) + "\x00" + end + "\x00" + f.key
	}
	return f.Path + "\x00\x00" + f.key
}
