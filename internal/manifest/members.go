package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

// Membership is who is in a team at the forge.
type Membership struct {
	Members []forge.User
	// Unread says why Members are not known, for people. Then nobody is in the team.
	Unread string
}

// WithMembers returns a copy of the set whose teams at the forge have these
// members, by [forge.TeamRef.Key]. A team without an entry has nobody in it.
// Members are no part of the set's version, but of its policies'.
func (s *Set) WithMembers(members map[string]Membership) *Set {
	c := *s
	c.members, c.policies = members, &policies{}
	return &c
}

func (s *Set) membership(f *ForgeTeam) Membership {
	m, known := s.members[f.Ref().Key()]
	switch {
	case !known:
		return Membership{Unread: "the forge was not asked yet"}
	case m.Unread != "":
		return Membership{Unread: m.Unread}
	}
	return m
}

func (s *Set) policyTeam(t Team) policy.Team {
	team := policy.Team{Name: t.Name, Description: t.Description}
	for _, m := range t.Members {
		team.Members = append(team.Members, policy.Member{Subject: m.Subject, Login: m.Login})
	}
	if t.Forge == nil {
		return team
	}
	m := s.membership(t.Forge)
	team.Forge = &policy.ForgeTeam{
		Host: t.Forge.Host, OrganizationID: string(t.Forge.OrganizationID), ID: string(t.Forge.TeamID),
		Name: t.Forge.Organization + "/" + t.Forge.Team, Unread: m.Unread,
	}
	for _, user := range m.Members {
		if user.Kind == forge.Person && user.Subject.Host == t.Forge.Host {
			team.Members = append(team.Members, policy.Member{Subject: user.Subject, Login: user.Login})
		}
	}
	return team
}

// MembersKey tells sets of one version with different members, or reasons why
// there are none, apart.
func (s *Set) MembersKey() string {
	key := s.membersDigest()
	for _, ref := range s.ForgeTeams() {
		key += "\n" + ref.Key() + " " + s.members[ref.Key()].Unread
	}
	return key
}

// membersVersion says which members of teams at the forge a policy was made with.
func (s *Set) membersVersion() string {
	digest := s.membersDigest()
	if digest == "" {
		return ""
	}
	return "+members." + digest[:8]
}

// membersDigest is "" for a set without teams at the forge.
func (s *Set) membersDigest() string {
	var lines []string
	for _, ref := range s.ForgeTeams() {
		m, known := s.members[ref.Key()]
		known = known && m.Unread == ""
		line := []string{ref.Key(), fmt.Sprint(known)}
		for _, user := range m.Members {
			if known {
				line = append(line, user.Subject.String())
			}
		}
		slices.Sort(line[2:])
		lines = append(lines, strings.Join(line, " "))
	}
	if len(lines) == 0 {
		return ""
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}
