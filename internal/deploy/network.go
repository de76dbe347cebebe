package deploy

import "github.com/coderflow/coderflow/internal/task"

// Network is what a run can reach. The zero Network is nothing at all.
type Network struct {
	// Hosts are names, as in "registry.example.com" (port 443), "git.example.com:8443"
	// and "*.example.com", every name below it.
	Hosts []string `json:"hosts,omitempty"`
}

// IsZero reports that nothing can be reached.
func (n Network) IsZero() bool { return len(n.Hosts) == 0 }

// Reach is the record of what a run could reach, and what became of it.
type Reach struct {
	Hosts   []string       `json:"hosts,omitempty"` // of the profile, when the container was made
	Used    []task.HostUse `json:"used,omitempty"`
	Refused []task.Refusal `json:"refused,omitempty"`
}

// Way is a container's only way out: the directory of its gateway's socket, and the
// variables that tell programs of it. The zero Way leads nowhere.
type Way struct {
	SocketDir string
	Env       map[string]string
}
