// Command guest is CoderFlow's helper inside containers: a small static binary that is mounted read-only and
// is the fixed entrypoint of every container.
//
//	guest init       runs setup script, command and cleanup script as pid 1 (see init.go)
//	guest exec ARGV  what init starts: gives itself up to the OOM killer first, then becomes ARGV
//	guest checkout   fills the workspace with one commit of a git bundle, and prints its size
//	guest copy       fills the workspace with a copy of another one
//	guest collect    writes what differs between the base tree and the workspace to standard output
//	guest export     writes the workspace as a tar archive to standard output
//	guest hold       keeps the volumes of its container mounted
//	guest held DIR…  fails unless the directories are in memory
//	guest room       prints the free bytes and inodes of the disk that containers lie on
//	guest relay      carries a task's connections to its gateway in standard input and output
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/coderflow/coderflow/internal/guestproto"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: guest init|exec|checkout|copy|collect|export|hold|held|room|relay")
	}
	switch os.Args[1] {
	case "init":
		os.Exit(runInit())
	case "exec":
		fail("%v", become(os.Args[2:]))
	case "checkout":
		endSometime()
		exitWith(checkout())
	case "copy":
		endSometime()
		exitWith(copyWorkspace())
	case "collect":
		endSometime()
		exitWith(collect())
	case "export":
		endSometime()
		exitWith(export())
	case "hold":
		exitWith(hold())
	case "held":
		exitWith(held(os.Args[2:]))
	case "relay":
		exitWith(relay())
	case "room":
		exitWith(room())
	default:
		fail("unknown command %q", os.Args[1])
	}
}

// helperLifetime is longer than the host waits for a helper. A helper whose host was killed ends by itself.
const helperLifetime = 20 * time.Minute

func endSometime() {
	time.AfterFunc(helperLifetime, func() { fail("not done after %s", helperLifetime) })
}

func exitWith(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "coderflow guest: "+format+"\n", arguments...)
	os.Exit(guestproto.OutcomeBroken.ExitCode())
}
