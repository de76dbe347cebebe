package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
)

// policies keeps the compiled policy of a set, for each list of admins.
type policies struct {
	mu sync.Mutex
	by map[string]*policy.Policy
}

// Policy returns the rules by which decisions are made, compiled. Each admin of
// the server's configuration holds server-admin on everything; they are part of
// the version, because they are part of the decision. The same set returns the
// same policy, which must not be changed.
func (s *Set) Policy(admins ...forge.Subject) *policy.Policy {
	texts := make([]string, 0, len(admins))
	for _, admin := range admins {
		if !admin.IsZero() { // the zero subject identifies nobody
			texts = append(texts, admin.String())
		}
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	if s.policies == nil { // a set that was not parsed
		return s.policy(texts)
	}
	key := strings.Join(texts, "\n")
	s.policies.mu.Lock()
	defer s.policies.mu.Unlock()
	if s.policies.by[key] == nil {
		if s.policies.by == nil {
			s.policies.by = map[string]*policy.Policy{}
		}
		s.policies.by[key] = s.policy(texts)
	}
	return s.policies.by[key]
}

func (s *Set) policy(admins []string) *policy.Policy {
	p := &policy.Policy{
		Version: s.Version, Environments: map[string]policy.Environment{}, Roles: s.Roles, Teams: map[string]policy.Team{},
		Providers: map[string]string{},
	}
	for name, e := range s.Environments {
		p.Environments[name] = s.policyEnvironment(name, e)
	}
	for name, provider := range s.Providers {
		p.Providers[name] = provider.digest()
	}
	for name, t := range s.Teams {
		p.Teams[name] = s.policyTeam(t)
	}
	for _, b := range s.Bindings {
		p.Bindings = append(p.Bindings, b.policyBinding())
	}
	for _, text := range admins {
		subject, err := forge.ParseSubject(text)
		if err != nil {
			continue // it was a Subject before
		}
		p.Bindings = append(p.Bindings, policy.Binding{
			Name: "server configuration: admins", Subject: subject, Role: policy.ServerAdmin, Resource: policy.Everything,
		})
	}
	if len(admins) > 0 {
		sum := sha256.Sum256([]byte(strings.Join(admins, "\n")))
		p.Version += "+admins." + hex.EncodeToString(sum[:4])
	}
	p.Version += s.membersVersion()
	return p.Compile()
}

func (s *Set) policyEnvironment(name string, e Environment) policy.Environment {
	rules := policy.Environment{
		Name: name, Gate: e.Gate.Policy(), Targets: e.Landing.Targets, Configuration: s.digests[name], Profiles: map[string]string{},
	}
	for _, r := range e.Repositories {
		rules.Repositories = append(rules.Repositories, r.Ref().Key())
	}
	for _, j := range e.Judges {
		rules.Judges = append(rules.Judges, policy.AskedJudge{Name: j.Name, Definition: e.JudgeDefinition(j)})
	}
	for _, c := range e.Checks {
		if c.Required {
			rules.Checks = append(rules.Checks, policy.RequiredCheck{Name: c.Name, Definition: e.CheckDefinition(c)})
		}
	}
	for profile, content := range s.Profiles[name] {
		rules.Profiles[profile] = content.Digest()
	}
	return rules
}

// digest notes what each environment is before the server's own choices, such
// as a default image, are put into it.
func (s *Set) digest() error {
	s.digests = map[string]string{}
	for name, e := range s.Environments {
		encoded, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode environment %q: %w", name, err)
		}
		sum := sha256.Sum256(encoded)
		s.digests[name] = hex.EncodeToString(sum[:])
	}
	return nil
}
