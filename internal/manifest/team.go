package manifest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Team is people who are bound together: those that it lists, or those that a
// team at the forge has. Teams do not nest: a member is a person.
type Team struct {
	Name        string      `json:"name"`
	Description string      `json:"description,omitempty"`
	Members     []Principal `json:"members,omitempty"`
	Forge       *ForgeTeam  `json:"forge,omitempty"`
}

type teamSpec struct {
	Description string      `yaml:"description"`
	Members     []Principal `yaml:"members"`
	// A team at the forge, whose members are the team's. Instead of members.
	Forge *ForgeTeam `yaml:"forge"`
}

// ForgeTeam is a team of an organization at GitHub, or of a project at Azure DevOps.
// In a finished [Set] it has both ids, which decide; the names are display text then.
type ForgeTeam struct {
	Host string `json:"host" yaml:"host"`
	// At Azure DevOps the project.
	Organization string `json:"organization" yaml:"organization,required"`
	// Found by `coderflow apply`, together with the team's, unless both are given.
	OrganizationID ForgeID `json:"organizationID" yaml:"organizationID"`
	Team           string  `json:"team" yaml:"team,required"` // at GitHub the slug, as in the team's address
	TeamID         ForgeID `json:"teamID" yaml:"teamID"`
}

// ForgeID is the forge's own id for something: a number, or a GUID in lower case.
type ForgeID string

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *ForgeID) UnmarshalText(text []byte) error {
	if !anyID.Match(text) {
		return fmt.Errorf("want the forge's numeric id, or at azuredevops a GUID in lower case, not %q", text)
	}
	*i = ForgeID(text)
	return nil
}

// Ref is the team in the forge's words.
func (f ForgeTeam) Ref() forge.TeamRef {
	return forge.TeamRef{
		Host: f.Host, OrganizationID: string(f.OrganizationID), ID: string(f.TeamID), Organization: f.Organization, Slug: f.Team,
	}
}

// maxMembers bounds a team.
const maxMembers = 1000

var teamSlug = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func (b *builder) readTeam(d *sy.Document) {
	var m envelope[named, teamSpec]
	report := b.reporter(d, quotesHelp(d.Decode(&m)))
	team := Team{Name: m.Metadata.Name, Description: m.Spec.Description, Members: m.Spec.Members, Forge: m.Spec.Forge}
	for i, member := range team.Members {
		team.Members[i] = b.resolve(member, fmt.Sprintf("spec.members[%d]", i), report.wrong)
	}
	team.check(report.wrong)
	if team.Forge != nil {
		b.resolveTeam(team.Forge, report)
	}
	b.teams = append(b.teams, placed[Team]{team, d})
}

func (t Team) check(w wrong) {
	if !bindingName.MatchString(t.Name) {
		w("metadata.name", "want a letter or underscore, then up to 63 letters, digits, hyphens and underscores; this is %q", t.Name)
	}
	checkLine(w, "spec.description", t.Description, 1<<10)
	if len(t.Members) > maxMembers {
		w("spec.members", "a team has at most %d members", maxMembers)
	}
	if t.Forge != nil {
		t.Forge.check(w, len(t.Members) > 0)
	}
	seen := map[Principal]bool{}
	for i, m := range t.Members {
		at := fmt.Sprintf("spec.members[%d]", i)
		switch {
		case m.Team != "":
			w(at, "teams do not nest: name the members of %q here, or bind both teams", m.Team)
		case m.Subject.IsZero():
			w(at, "want HOST:ID, for example github:583231, or github:@LOGIN or azuredevops:@MAIL")
		case m.Subject.Kind() != forge.Person:
			w(at, "%s is a service, and only people are in a team; bind it by itself", m.Subject)
		case seen[m.same()]:
			w(at, "%s is listed twice", m.Subject)
		}
		seen[m.same()] = true
	}
}

// check also gives the host its default.
func (f *ForgeTeam) check(w wrong, members bool) {
	known := checkHost(w, "spec.forge.host", &f.Host, forge.GitHub)
	if members {
		w("spec.members", "a team either lists members or has spec.forge, not both")
	}
	f.checkNames(w)
	if (f.OrganizationID == "") != (f.TeamID == "") {
		w("spec.forge", "want both organizationID and teamID, or neither: then `coderflow apply` asks the forge for them")
	}
	if known {
		f.checkID(w, "spec.forge.organizationID", f.OrganizationID)
		f.checkID(w, "spec.forge.teamID", f.TeamID)
	}
}

func (f *ForgeTeam) checkID(w wrong, at string, id ForgeID) {
	if id != "" && !forge.ValidID(f.Host, string(id)) {
		w(at, "%q is no id at %s: those are %s", id, f.Host, idKinds[f.Host])
	}
}

// idKinds says what ids are at each forge.
var idKinds = map[string]string{
	forge.GitHub: "numbers, such as 9919", forge.AzureDevOps: "GUIDs in lower case, such as 6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c",
}

func (f *ForgeTeam) checkNames(w wrong) {
	if f.Host == forge.AzureDevOps {
		if err := forge.CheckAzureName(f.Organization); err != nil {
			w("spec.forge.organization", "cannot be the name of a project, which it is at azuredevops: %v", err)
		}
		if err := forge.CheckAzureName(f.Team); err != nil {
			w("spec.forge.team", "cannot be the name of a team: %v", err)
		}
		return
	}
	if !gitHubLogin.MatchString(f.Organization) {
		w("spec.forge.organization", "%q cannot be the name of an organization", f.Organization)
	}
	if !teamSlug.MatchString(f.Team) {
		w("spec.forge.team", "want the team's slug, as in its address (orgs/ORGANIZATION/teams/SLUG), not %q", f.Team)
	}
}

func (b *builder) addTeams(s *Set) {
	for _, t := range b.teams {
		for other := range s.Teams {
			if strings.EqualFold(other, t.value.Name) && other != "" {
				b.add(t.doc.Problem("metadata.name", "there is already a team %q", other))
			}
		}
		s.Teams[t.value.Name] = t.value
	}
}

// ForgeTeams are the teams at the forge that the set refers to, each once.
func (s *Set) ForgeTeams() []forge.TeamRef {
	var refs []forge.TeamRef
	for _, name := range s.teamNames() {
		team := s.Teams[name].Forge
		if team == nil || slices.ContainsFunc(refs, func(r forge.TeamRef) bool { return r.Key() == team.Ref().Key() }) {
			continue
		}
		refs = append(refs, team.Ref())
	}
	return refs
}

func (s *Set) teamNames() []string { return slices.Sorted(maps.Keys(s.Teams)) }
