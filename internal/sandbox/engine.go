package sandbox

import "time"

// EngineFacts is what a Docker engine says about itself.
type EngineFacts struct {
	Version    string // of the engine
	APIVersion string // spoken with it
	Containerd string
	Runc       string // with a distribution's revision where the engine knows it

	OS, Kernel       string
	CPUs             int
	Memory           int64 // bytes
	Root             string
	StorageDriver    string
	BackingFS        string
	CgroupVersion    string // "1" or "2"
	MissingLimits    []string
	SecurityOptions  []string // names: seccomp, apparmor, selinux, userns, rootless, cgroupns
	Runtimes         []string
	DefaultRuntime   string
	Authorization    bool // authorization plugins are in use
	Time             time.Time
	OpenToTheNetwork bool // its own warning that the API listens without TLS
}

// ProbeResult is what a program finds in a hardened container.
type ProbeResult struct {
	UID, GID   string // as in /proc/self/status: real, effective, saved, file system
	CapEff     string
	NoNewPrivs string
	Seccomp    string   // "2" is a filter
	Interfaces []string // of the network
	RootRW     bool     // the root file system takes writes
	Shifted    bool     // user 0 is not the host's: a user namespace
	MemoryMax  string   // limit as the cgroup has it, or empty
	PidsMax    string
	DiskFree   int64         // bytes, of the disk that the containers lie on
	InodesFree int64         // 0 where that file system makes them as they go
	Took       time.Duration // from the create call to the end
}

// Connection is the way to an engine.
type Connection struct {
	Way         string        // in words: what protects it
	Latency     time.Duration // of an answer
	Engine, Own time.Time     // the ends of the certificates; zero where there are none
}
