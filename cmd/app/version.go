package main

import (
	"runtime"

	"github.com/coderflow/coderflow/internal/store"
)

// version, commit and date are set by the linker: the tag or what git describes, the full id of the commit, and the
// commit's time as RFC 3339 in UTC. The last two are empty in a build without the Makefile.
var (
	version = "dev"
	commit  string
	date    string
)

// buildFacts are what there is to know of a program that runs somewhere. Keys are added to it, never changed.
type buildFacts struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"` // of the commit, not of the build: a build is the same whenever it is made
	Go       string `json:"go"`
	Platform string `json:"platform"` // OS/ARCHITECTURE
	// Schema is the version of the database that this program brings; an older program refuses a database that has it.
	Schema int `json:"schema"`
}

type versionCmd struct {
	outputFlag
}

// Run prints the version.
func (c versionCmd) Run(s streams) error {
	schema, err := store.KnownSchema()
	if err != nil {
		return err
	}
	facts := buildFacts{version, commit, date, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, schema}
	return c.print(s, facts, func(t *table) { t.row("coderflow " + version) })
}
