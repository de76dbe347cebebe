package manifest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/policy"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Set is everything that was applied together. It is immutable once made.
type Set struct {
	// Version is "sha256:…" over the canonical form.
	Version      string
	Environments map[string]Environment
	Profiles     map[string]map[string]deploy.Profile // by environment, then name
	Roles        map[string]policy.Role               // custom ones
	Teams        map[string]Team
	Bindings     []Binding // ordered by name
	Providers    map[string]GitProvider

	canonical []byte
	// digests of each environment's own configuration, as it was applied.
	digests map[string]string
	// members are who is in the teams at the forge; see [Set.WithMembers].
	members  map[string]Membership
	policies *policies
}

// canonicalFormat names the encoding; it is part of what is hashed.
const canonicalFormat = "coderflow.dev/manifests/v1"

type canonicalSet struct {
	Format       string           `json:"format"`
	Environments []Environment    `json:"environments"`
	Profiles     []deploy.Profile `json:"profiles"`
	Roles        []policy.Role    `json:"roles,omitempty"`
	Teams        []Team           `json:"teams,omitempty"`
	Bindings     []Binding        `json:"bindings"`
	Providers    []GitProvider    `json:"gitProviders,omitempty"`
}

// seal computes the canonical form and the version.
func (s *Set) seal() error {
	c := canonicalSet{Format: canonicalFormat, Bindings: s.Bindings}
	for _, name := range s.environmentNames() {
		c.Environments = append(c.Environments, s.Environments[name])
		for _, profile := range slices.Sorted(maps.Keys(s.Profiles[name])) {
			c.Profiles = append(c.Profiles, s.Profiles[name][profile])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Roles)) {
		c.Roles = append(c.Roles, s.Roles[name])
	}
	for _, name := range s.teamNames() {
		c.Teams = append(c.Teams, s.Teams[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Providers)) {
		c.Providers = append(c.Providers, s.Providers[name])
	}
	if err := s.digest(); err != nil {
		return err
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode the manifests: %w", err)
	}
	s.adopt(encoded)
	return nil
}

// adopt makes the set the one that the canonical form says.
func (s *Set) adopt(canonical []byte) {
	sum := sha256.Sum256(canonical)
	s.canonical, s.Version = canonical, "sha256:"+hex.EncodeToString(sum[:])
	for _, profiles := range s.Profiles {
		for name, p := range profiles {
			p.Version = s.Version
			profiles[name] = p
		}
	}
}

// Canonical returns the set with every default written out, as JSON that
// [ParseCanonical] reads. It does not depend on files or their order.
func (s *Set) Canonical() []byte { return bytes.Clone(s.canonical) }

// ParseCanonical reads what [Set.Canonical] returned, this version's or an
// earlier one's, and checks it as strictly as manifests. Keys that the earlier
// version did not have get their defaults. The version is a hash of the bytes
// themselves: whoever keeps both compares it with the one that was stored.
func ParseCanonical(data []byte) (*Set, error) {
	var c struct {
		canonicalSet
		Environments []json.RawMessage `json:"environments"`
	}
	if err := decodeStored(data, &c); err != nil {
		return nil, err
	}
	if c.Format != canonicalFormat {
		return nil, fmt.Errorf("read stored manifests: format %q is not %q", c.Format, canonicalFormat)
	}
	b := &builder{}
	for _, raw := range c.Environments {
		e := defaultEnvironment()
		if err := decodeStored(raw, &e); err != nil {
			return nil, err
		}
		r := b.stored(KindEnvironment, e.Name)
		e.check(r.wrong)
		b.environments = append(b.environments, placed[Environment]{e, r.doc})
	}
	b.readStored(c.canonicalSet)
	s, err := b.set()
	if err != nil {
		return nil, err
	}
	s.adopt(bytes.Clone(data))
	return s, nil
}

// stored reports mistakes of an object that was stored.
func (b *builder) stored(kind, name string) *reporter {
	return b.reporter(sy.Named("stored "+kind+" "+name), nil)
}

// readStored adds all but the environments, which have defaults.
func (b *builder) readStored(c canonicalSet) {
	for _, p := range c.Profiles {
		r := b.stored(KindDeploymentProfile, p.Name)
		checkProfile(r.wrong, p)
		b.profiles = append(b.profiles, placed[deploy.Profile]{p, r.doc})
	}
	for _, role := range c.Roles {
		r := b.stored(KindRole, role.Name)
		checkRole(r.wrong, role)
		b.roles = append(b.roles, placed[policy.Role]{role, r.doc})
	}
	for _, team := range c.Teams {
		r := b.stored(KindTeam, team.Name)
		team.check(r.wrong)
		if team.Forge != nil {
			b.resolveTeam(team.Forge, r)
		}
		b.teams = append(b.teams, placed[Team]{team, r.doc})
	}
	for _, binding := range c.Bindings {
		r := b.stored(KindRoleBinding, binding.Name)
		binding.Subject = b.resolve(binding.Subject, "spec.subject", r.wrong)
		binding.check(r.wrong)
		b.bindings = append(b.bindings, placed[Binding]{binding, r.doc})
	}
	for _, provider := range c.Providers {
		r := b.stored(KindGitProvider, provider.Name)
		provider.check(r.wrong)
		b.providers = append(b.providers, placed[GitProvider]{provider, r.doc})
	}
}

func decodeStored(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("read stored manifests: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read stored manifests: something follows them")
	}
	return nil
}

// WithImage returns a copy of the set in which environments that name no image
// have their agent's, or this one if it has none. It is the server's choice and no part of the version. (A
// profile without an image keeps none: see deploy.Executor.Image.)
func (s *Set) WithImage(image string) *Set {
	c := *s
	c.Environments = maps.Clone(s.Environments)
	for name, e := range c.Environments {
		preset, _ := agent.Lookup(e.Agent.Preset) // checked when it was applied
		e.Agent.Image = cmp.Or(e.Agent.Image, preset.Image, image)
		e.Agents = e.withAgentImages(image)
		e.Judges = e.withJudgeImages(image)
		e.Checks = e.withCheckImages()
		c.Environments[name] = e
	}
	return &c
}

// Profile returns a profile of an environment.
func (s *Set) Profile(environment, name string) (deploy.Profile, bool) {
	p, known := s.Profiles[environment][name]
	return p, known
}

// Check completes and validates an arming; see approval.Armory. environment is
// the task's. A profile of another environment can be armed only if that one
// lists every repository of the task's, so the task's own among them. Whether
// the reviewer may deploy there is for the policy to decide.
func (s *Set) Check(_ context.Context, environment string, a approval.Arming) (approval.Arming, error) {
	if _, known := s.Environments[environment]; !known {
		return approval.Arming{}, fmt.Errorf("there is no environment %q any more", environment)
	}
	if a.Environment == "" {
		a.Environment = environment
	}
	if a.Environment != environment && !s.covers(a.Environment, environment) {
		return approval.Arming{}, fmt.Errorf("environment %q does not list this repository", a.Environment)
	}
	profile, known := s.Profile(a.Environment, a.Profile)
	if !known {
		names := slices.Sorted(maps.Keys(s.Profiles[a.Environment]))
		return approval.Arming{}, fmt.Errorf("environment %q has no deployment profile %q%s", a.Environment, a.Profile, sy.Nearest(a.Profile, names))
	}
	complete, err := profile.Validate(a.Parameters)
	if err != nil {
		return approval.Arming{}, err
	}
	a.Parameters, a.Version = complete, profile.Digest()
	return a, nil
}

// covers reports whether every repository of an environment is also in the wider one.
func (s *Set) covers(wider, environment string) bool {
	listed := s.Environments[wider].Repositories
	for _, r := range s.Environments[environment].Repositories {
		if !slices.ContainsFunc(listed, func(other Repository) bool { return other.Ref().Key() == r.Ref().Key() }) {
			return false
		}
	}
	return len(listed) > 0
}
