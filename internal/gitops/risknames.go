package gitops

import "github.com/coderflow/coderflow/internal/risk"

// RiskNames lists every risk that a proposal can have. Gate rules refer to them.
func RiskNames() []string {
	return append(risk.Names(),
		RiskWorkflow, RiskCodeOwners, RiskInstructions, RiskLockFile, RiskSubmodules, RiskAttributes,
		RiskExecutable, RiskSymlink, RiskBinary, RiskLFS, RiskHidden, RiskUnscanned,
	)
}
