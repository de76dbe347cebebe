package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Operation is what a credential of a git provider is used for.
type Operation string

// The operations.
const (
	Fetch Operation = "fetch"
	Push  Operation = "push"
)

// GitProvider says which credential git uses in the place of the App's: for some
// repositories, or for what the people of a team request and approve.
type GitProvider struct {
	Name         string       `json:"name"`
	Host         string       `json:"host"`
	Credential   string       `json:"credential"`
	Team         string       `json:"team,omitempty"`
	Repositories []Repository `json:"repositories,omitempty"`
	Operations   []Operation  `json:"operations"`
	Fallback     bool         `json:"fallback,omitempty"`
}

type providerSpec struct {
	Host string `yaml:"host"`
	// One of the server's, by its name in coderflow.yaml (section gitCredentials).
	Credential string `yaml:"credential,required"`
	// For what members of this team request (fetch, publish) and approve (land).
	Team string `yaml:"team"`
	// For these repositories, whoever acts. Instead of team.
	Repositories []Repository `yaml:"repositories"`
	Operations   []Operation  `yaml:"operations"` // default: both
	// Whether the next source is used when the forge refuses the credential.
	Fallback bool `yaml:"fallback"`
}

func (p GitProvider) spec() providerSpec {
	return providerSpec{p.Host, p.Credential, p.Team, p.Repositories, p.Operations, p.Fallback}
}

func (b *builder) readProvider(d *sy.Document) {
	var m envelope[named, providerSpec]
	report := b.reporter(d, d.Decode(&m))
	s := m.Spec
	p := GitProvider{m.Metadata.Name, s.Host, s.Credential, s.Team, s.Repositories, s.Operations, s.Fallback}
	p.check(report.wrong)
	b.providers = append(b.providers, placed[GitProvider]{p, d})
}

// check also gives defaults.
func (p *GitProvider) check(w wrong) {
	if !bindingName.MatchString(p.Name) {
		w("metadata.name", "want a letter or underscore, then up to 63 letters, digits, hyphens and underscores; this is %q", p.Name)
	}
	known := checkHost(w, "spec.host", &p.Host, forge.GitHub)
	if !providerName.MatchString(p.Credential) {
		w("spec.credential", "want the name of a credential in the server's coderflow.yaml (section gitCredentials), not %q", p.Credential)
	}
	if (p.Team == "") == (len(p.Repositories) == 0) {
		w("spec", "name either a team or repositories")
	}
	if p.Team != "" && !bindingName.MatchString(p.Team) {
		w("spec.team", "%q cannot be the name of a team", p.Team)
	}
	fallback := forge.GitHub // for what is said of the repositories, if the provider's own is unknown
	if known {
		fallback = p.Host
	}
	checkRepositories(w, p.Repositories, fallback)
	for i, r := range p.Repositories {
		if known && r.Host != p.Host && slices.Contains(forgeHosts, r.Host) {
			w(fmt.Sprintf("spec.repositories[%d].host", i), "the repository is at %s and the provider is for %s: set spec.host, or make one of its own", r.Host, p.Host)
		}
	}
	if len(p.Operations) == 0 {
		p.Operations = []Operation{Fetch, Push}
	}
	for i, o := range p.Operations {
		at := fmt.Sprintf("spec.operations[%d]", i)
		switch {
		case o != Fetch && o != Push:
			w(at, "want %q or %q, not %q", Fetch, Push, o)
		case slices.Contains(p.Operations[:i], o):
			w(at, "%q is listed twice", o)
		}
	}
}

func (b *builder) addProviders(s *Set) {
	taken := map[string]string{} // what is provided for, and by whom
	for _, p := range b.providers {
		v := p.value
		for other := range s.Providers {
			if strings.EqualFold(other, v.Name) && other != "" {
				b.add(p.doc.Problem("metadata.name", "there is already a git provider %q", other))
			}
		}
		if _, known := s.Teams[v.Team]; v.Team != "" && !known {
			b.add(p.doc.Problem("spec.team", "there is no team %q%s", v.Team, sy.Nearest(v.Team, s.teamNames())))
		}
		for _, o := range v.Operations {
			for _, use := range v.uses() {
				if other, twice := taken[string(o)+" "+use]; twice {
					b.add(p.doc.Problem("spec", "git provider %q is for %s of %s already", other, o, use))
				}
				taken[string(o)+" "+use] = v.Name
			}
		}
		s.Providers[v.Name] = v
	}
}

// uses are what the provider is for, for people.
func (p GitProvider) uses() []string {
	if p.Team != "" {
		return []string{"team " + p.Team}
	}
	var uses []string
	for _, r := range p.Repositories {
		uses = append(uses, "repository "+r.Ref().Key())
	}
	return uses
}

// digest tells that something about a provider changed.
func (p GitProvider) digest() string {
	encoded, err := json.Marshal(p)
	if err != nil { // it has nothing that cannot be encoded
		return ""
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}

// GitProviders are the providers to ask, in order, before the App: for an
// operation on the repository that concerns somebody who is in these teams.
func (s *Set) GitProviders(ref forge.RepositoryRef, o Operation, teams []string) []GitProvider {
	var override, ofTeams []GitProvider
	for _, name := range slices.Sorted(maps.Keys(s.Providers)) {
		p := s.Providers[name]
		switch {
		case p.Host != ref.Host || !slices.Contains(p.Operations, o):
		case slices.Contains(teams, p.Team):
			ofTeams = append(ofTeams, p)
		case slices.ContainsFunc(p.Repositories, func(r Repository) bool { return r.Ref().Key() == ref.Key() }):
			override = append(override, p)
		}
	}
	return append(override, ofTeams...)
}
