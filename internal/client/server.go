// Package client talks to a server's API, and keeps the contexts: servers under
// names, each with its token. A token goes to its server alone. What a server
// answers is bounded and is data: whoever prints it makes it inert first.
package client

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// ParseServer reads the address of a server. Plain HTTP is for this machine
// alone: anybody on the way could read the token.
func ParseServer(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	if err != nil || base.Hostname() == "" || base.User != nil || base.RawQuery != "" || base.ForceQuery || base.Fragment != "" ||
		(base.Scheme != "https" && base.Scheme != "http") {
		return nil, errors.New("the server: want an address like https://coderflow.example.com")
	}
	if host := base.Hostname(); base.Scheme == "http" && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		return nil, fmt.Errorf("the server %q would get the token in the clear; use https", host)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = ""
	return base, nil
}
