package risk

// Settle looks at the findings of all files together: a protection or resource that
// one file loses and another one gets was moved, not taken away.
//
// Only what Statements found can be settled.
func Settle(found []Finding) []Finding {
	gained := map[string]int{}
	for _, f := range found {
		if f.gains {
			gained[f.key]++
		}
	}
	var out []Finding
	for _, f := range found {
		switch {
		case f.gains:
		case f.Removed && gained[f.key] > 0:
			gained[f.key]--
		default:
			out = append(out, f)
		}
	}
	return out
}
