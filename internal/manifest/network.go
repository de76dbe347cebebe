package manifest

import "errors"

// profileNetwork is what a deployment can reach, as it is written: the word none,
// or a mapping.
type profileNetwork struct {
	// Hosts are as those of an environment's network.
	Hosts []string `yaml:"hosts,required"`
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *profileNetwork) UnmarshalText(text []byte) error {
	if string(text) != "none" {
		return errors.New(`want none, or {hosts: [HOST, …]}`)
	}
	*n = profileNetwork{}
	return nil
}
