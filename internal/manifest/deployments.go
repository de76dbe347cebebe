package manifest

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/coderflow/coderflow/internal/approval"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Deployments is what the environment deploys by itself, and how many it remembers.
type Deployments struct {
	// OnApproval runs after the landing of every approval whose author may deploy here.
	OnApproval []Standing `json:"onApproval,omitempty" yaml:"onApproval"`
	// OnMerge is armed like that and runs once the forge reports the merge.
	OnMerge []Standing `json:"onMerge,omitempty" yaml:"onMerge"`
	// Keep is how many runs that have ended are remembered, with their output.
	Keep int `json:"keep" yaml:"keep"`
}

// Standing is a deployment that every approval arms.
type Standing struct {
	Profile    string            `json:"profile" yaml:"profile,required"`
	Parameters map[string]scalar `json:"parameters,omitempty" yaml:"parameters"`
}

// Bounds of what is declared.
const (
	maxStanding    = 20
	DefaultKeep    = 100 // runs, in an environment that does not say
	maxDeployments = 100_000
)

func (s Standing) parameters() map[string]string {
	values := make(map[string]string, len(s.Parameters))
	for name, value := range s.Parameters {
		values[name] = string(value)
	}
	return values
}

func (d Deployments) check(w wrong) {
	if d.Keep < 1 || d.Keep > maxDeployments {
		w("spec.deployments.keep", "want between 1 and %d", maxDeployments)
	}
	for key, list := range d.lists() {
		if len(list) > maxStanding {
			w("spec.deployments."+string(key), "has more than %d deployments", maxStanding)
		}
		for i, s := range list {
			for _, earlier := range list[:i] {
				if earlier.Profile == s.Profile && maps.Equal(earlier.Parameters, s.Parameters) {
					w(fmt.Sprintf("spec.deployments.%s[%d]", key, i), "is listed twice")
				}
			}
		}
	}
}

func (d Deployments) lists() map[approval.Trigger][]Standing {
	return map[approval.Trigger][]Standing{approval.OnApproval: d.OnApproval, approval.OnMerge: d.OnMerge}
}

// checkStanding refuses what could never be deployed: profiles that the environment
// does not have, and values that they do not take.
func (b *builder) checkStanding(s *Set) {
	for _, e := range b.environments {
		for key, list := range e.value.Deployments.lists() {
			for i, standing := range list {
				at := fmt.Sprintf("spec.deployments.%s[%d]", key, i)
				profile, known := s.Profile(e.value.Name, standing.Profile)
				if !known {
					names := slices.Sorted(maps.Keys(s.Profiles[e.value.Name]))
					b.add(e.doc.Problem(at+".profile", "environment %q has no deployment profile %q%s", e.value.Name, standing.Profile, sy.Nearest(standing.Profile, names)))
					continue
				}
				if _, err := profile.Validate(standing.parameters()); err != nil {
					for _, problem := range unjoin(err) {
						b.add(e.doc.Problem(at+".parameters", "%v", problem))
					}
				}
			}
		}
	}
}

// Standing is what the environment arms with every approval; see approval.Armory.
func (s *Set) Standing(ctx context.Context, environment string) ([]approval.Arming, error) {
	e, known := s.Environments[environment]
	if !known {
		return nil, fmt.Errorf("there is no environment %q any more", environment)
	}
	var all []approval.Arming
	for _, trigger := range []approval.Trigger{approval.OnApproval, approval.OnMerge} {
		for _, standing := range e.Deployments.lists()[trigger] {
			a := approval.Arming{Environment: environment, Profile: standing.Profile, Parameters: standing.parameters()}
			checked, err := s.Check(ctx, environment, a)
			if err != nil { // manifests that were stored by an earlier version
				a.Why = err.Error()
				checked = a
			}
			checked.Trigger = trigger
			all = append(all, checked)
		}
	}
	return all, nil
}
