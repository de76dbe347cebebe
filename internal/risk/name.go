package risk

import "slices"

// Names of the risks that this package finds. They are stable: the rules of a
// gate refer to them.
const (
	SQL            = "destructive-sql"
	Command        = "destructive-command"
	Infrastructure = "destructive-infrastructure"
	Rollback       = "destructive-rollback"
	Protection     = "weaker-protection"
	Workload       = "privileged-workload"
	RemoteCode     = "remote-code"
	SecretPattern  = "secret-pattern"
)

// Names lists the risks that this package finds, the most dangerous first.
func Names() []string {
	return []string{SQL, Infrastructure, Command, Protection, SecretPattern, Workload, RemoteCode, Rollback}
}

// Level is how much a reviewer should care.
type Level int

// Levels, in the order in which they are shown.
const (
	Danger  Level = iota // it can destroy, or hides something
	Caution              // it changes what others run or rely on
	Note                 // worth knowing
)

// dangers, in the order in which they are shown.
var dangers = append(Names()[:5:5], "hidden-characters")

// notes are the risks of ordinary changes.
var notes = []string{"lock-file", "binary", "symlink", "executable", "lfs-pointer"}

// LevelOf is the level of a risk by its name; one that is not known is a [Caution].
func LevelOf(name string) Level {
	switch {
	case slices.Contains(dangers, name):
		return Danger
	case slices.Contains(notes, name):
		return Note
	}
	return Caution
}

// Order says where among all risks one of this name is shown: smaller is earlier.
func Order(name string) int {
	at := slices.Index(dangers, name)
	if at < 0 {
		at = len(dangers) + max(slices.Index(Names(), name), slices.Index(notes, name), 0)
	}
	return int(LevelOf(name))*100 + at
}
