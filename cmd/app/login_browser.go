package main

import (
	"io"
	"net/url"
	"os"
	"os/exec"
	"runtime"
)

// openBrowser opens an address in the person's own browser, if they sit at this
// machine: the command writes to a terminal and there is a display. The address
// is one argument, and an address of the web: nothing else is opened.
func openBrowser(progress io.Writer, address string) bool {
	terminal, isFile := progress.(*os.File)
	u, err := url.Parse(address)
	if !isFile || err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return false
	}
	if info, err := terminal.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	program := "xdg-open"
	switch {
	case runtime.GOOS == "darwin":
		program = "open"
	case os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "":
		return false
	}
	command := exec.Command(program, u.String())
	if command.Start() != nil {
		return false
	}
	go func() { _ = command.Wait() }() // what becomes of it, the person sees
	return true
}
