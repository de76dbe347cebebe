package manifest

import (
	"fmt"

	"github.com/coderflow/coderflow/internal/policy"
)

// Landing says where else than on the proposal's own branch an approval may land.
type Landing struct {
	// Targets are patterns of the branches that an approving review may name with
	// /coderflow target; ** is any number of parts between slashes. None by default.
	Targets []string `json:"targets,omitempty" yaml:"targets"`
}

const maxTargets = 50

func (l Landing) check(w wrong) {
	if len(l.Targets) > maxTargets {
		w("spec.landing.targets", "names more than %d patterns", maxTargets)
	}
	for i, pattern := range l.Targets {
		at := fmt.Sprintf("spec.landing.targets[%d]", i)
		if err := policy.CheckBranchPattern(pattern); err != nil {
			w(at, "%q: %v", pattern, err)
		}
	}
}
