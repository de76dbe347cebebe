// Package agents holds which npm packages each agent's image is made from: a package.json with exact versions, and a
// package-lock.json with the integrity hash of each. The locks name no registry: npm's own configuration decides
// where packages come from, and the hashes decide whether they are the right ones.
//
// scripts/update-agent writes both.
package agents

import (
	"embed"
	"fmt"
)

//go:embed */package.json */package-lock.json
var files embed.FS

// Packages returns the package.json and package-lock.json of an agent.
func Packages(name string) (manifest, lock []byte, err error) {
	if manifest, err = files.ReadFile(name + "/package.json"); err != nil {
		return nil, nil, fmt.Errorf("agent %q has no packages: %w", name, err)
	}
	if lock, err = files.ReadFile(name + "/package-lock.json"); err != nil {
		return nil, nil, fmt.Errorf("agent %q has no locked packages: %w", name, err)
	}
	return manifest, lock, nil
}
