package doctor

// advisory is a known vulnerability of a component. The list is of what touches a container that an attacker works
// in; it is no replacement for the updates of a distribution.
type advisory struct {
	id        string
	component string
	// fixed are the first versions with the fix, one for each line that got it, oldest first.
	fixed []string
	// level is what it means here, not in general; why says it.
	level Level
	why   string
	// authz is set where only engines with authorization plugins are concerned.
	authz bool
}

// advisories with the first fixed versions as their projects published them.
var advisories = []advisory{
	{"CVE-2019-5736", "runc", []string{"1.0.0-rc7"}, Problem,
		"a program in a container can replace runc on the host", false},
	{"CVE-2021-30465", "runc", []string{"1.0.0-rc95"}, Problem,
		"a container's mounts can be led outside of it", false},
	{"CVE-2024-21626", "runc", []string{"1.1.12"}, Problem,
		"a container's working directory can be a directory of the host (\"Leaky Vessels\")", false},
	{"CVE-2025-31133", "runc", []string{"1.2.8", "1.3.3"}, Warning,
		"masked paths can be replaced by someone who controls an image or races a container's start: CoderFlow's containers have a read-only root of an administrator's image, which leaves this one step away", false},
	{"CVE-2025-52565", "runc", []string{"1.2.8", "1.3.3"}, Warning,
		"as CVE-2025-31133, by way of /dev/console, which CoderFlow's containers have not", false},
	{"CVE-2025-52881", "runc", []string{"1.2.8", "1.3.3"}, Warning,
		"as CVE-2025-31133: writes that set a container up can be redirected below /proc", false},

	{"CVE-2022-23648", "containerd", []string{"1.4.13", "1.5.10", "1.6.1"}, Problem,
		"an image can show files of the host in its container", false},
	{"CVE-2024-40635", "containerd", []string{"1.6.38", "1.7.27", "2.0.4"}, Warning,
		"an image's user number can overflow to root; CoderFlow sets the user itself", false},
	{"CVE-2024-25621", "containerd", []string{"1.7.29", "2.0.7", "2.1.5", "2.2.0"}, Warning,
		"other users of this machine can read containers' directories", false},

	{"CVE-2021-21284", "docker", []string{"19.03.15", "20.10.3"}, Problem,
		"root in a remapped user namespace can become the host's", false},
	{"CVE-2024-41110", "docker", []string{"23.0.15", "25.0.6", "26.1.5", "27.1.1"}, Problem,
		"authorization plugins can be bypassed", true},
	{"CVE-2026-34040", "docker", []string{"29.3.1"}, Problem,
		"authorization plugins can be bypassed", true},

	{"CVE-2024-32002", "git", []string{"2.39.4", "2.40.2", "2.41.1", "2.42.2", "2.43.4", "2.44.1", "2.45.1"}, Warning,
		"cloning with submodules runs code on case-insensitive file systems; CoderFlow keeps bare repositories and no submodules", false},
	{"CVE-2025-48384", "git", []string{"2.43.7", "2.44.4", "2.45.4", "2.46.4", "2.47.3", "2.48.2", "2.49.1", "2.50.1"}, Warning,
		"cloning with submodules runs hooks of the repository; CoderFlow keeps bare repositories and no submodules", false},
	{"CVE-2025-48385", "git", []string{"2.43.7", "2.44.4", "2.45.4", "2.46.4", "2.47.3", "2.48.2", "2.49.1", "2.50.1"}, Warning,
		"a server can write files by its bundle URIs, which CoderFlow does not follow", false},
}
