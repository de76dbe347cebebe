package policy

import "github.com/coderflow/coderflow/internal/forge"

// LoginOf is the login that the manifests show for a person; empty if they show
// none. It is display text: what it was when they were applied.
func (p *Policy) LoginOf(s forge.Subject) string {
	for i := range p.Bindings {
		if b := &p.Bindings[i]; b.Subject == s && b.Login != "" {
			return b.Login
		}
	}
	for _, name := range sortedKeys(p.Teams) {
		for _, m := range p.Teams[name].Members {
			if m.Subject == s && m.Login != "" {
				return m.Login
			}
		}
	}
	return ""
}
