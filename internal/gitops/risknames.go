package gitops

// RiskNames lists every risk that a proposal can have. Gate rules refer to them.
func RiskNames() []string {
	return []string{
		RiskWorkflow, RiskCodeOwners, RiskInstructions, RiskLockFile, RiskSubmodules, RiskAttributes,
		RiskExecutable, RiskSymlink, RiskBinary, RiskLFS, RiskHidden,
	}
}
