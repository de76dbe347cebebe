// Command hostile tries what an agent must not be able to do, and prints one line for each attempt: its name, and
// "ok" if it worked or the error. Tests run it in a hardened container, and again in one with a defence taken away.
package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Println("usage: hostile network|privileges|syscalls|files|memory|trace [ARGUMENT…]")
		os.Exit(2)
	}
	switch os.Args[1] {
	case "network":
		network(os.Args[2:])
	case "privileges":
		privileges()
	case "syscalls":
		syscalls()
	case "trace":
		trace()
	case "euid":
		fmt.Printf("euid: %d\n", os.Geteuid())
	case "files":
		files(os.Args[2:])
	case "memory":
		memory()
	}
}

func say(name string, err error) {
	if err == nil {
		fmt.Printf("%s: ok\n", name)
		return
	}
	fmt.Printf("%s: %v\n", name, err)
}

// memory touches pages until something happens.
func memory() {
	var held [][]byte
	for range 1024 {
		block := make([]byte, 8<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		held = append(held, block)
		time.Sleep(time.Millisecond)
	}
	fmt.Println(len(held), "blocks held")
}

// files tries to change each path in every way there is.
func files(paths []string) {
	for _, path := range paths {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
		if err == nil {
			_ = file.Close()
		}
		say("write "+path, cause(err))
		say("chmod "+path, cause(os.Chmod(path, 0o777)))
		say("rename "+path, cause(os.Rename(path, path+".moved")))
		say("remove "+path, cause(os.Remove(path)))
	}
}
