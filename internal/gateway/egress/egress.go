// Package egress decides which hosts a container may reach through the gateway,
// by name only: a name is looked up here, outside of the container, every address
// it has must be a public one, and exactly the checked address is dialed.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Errors of a target.
var (
	ErrTarget  = errors.New("a target is a host name with a port, as example.com:443; addresses are not allowed")
	ErrHost    = errors.New("the host is not on the list of allowed hosts")
	ErrAddress = errors.New("the host has an address that is not public")
)

// Hosts is a list of allowed targets. The zero Hosts allows none.
type Hosts struct{ rules []rule }

type rule struct {
	name string // in lower case
	sub  bool   // its subdomains instead of itself
	port uint16
}

// label and top are the parts of a host name. The last one begins with a letter,
// so that no spelling of an address is a name: decimal, octal, hexadecimal.
var (
	label = `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`
	names = regexp.MustCompile(`^(` + label + `\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$`)
	ports = regexp.MustCompile(`^[1-9][0-9]{0,4}$`)
)

// ParseHosts reads "example.com", "example.com:8443" and "*.example.com", which
// stands for all names below example.com. The port is 443 where none is given.
func ParseHosts(list []string) (Hosts, error) {
	var h Hosts
	for _, entry := range list {
		name, sub := strings.CutPrefix(strings.ToLower(entry), "*.")
		r := rule{name: name, sub: sub, port: 443}
		if host, port, found := strings.Cut(name, ":"); found {
			n, err := number(port)
			if err != nil {
				return Hosts{}, fmt.Errorf("allowed host %q: %w", entry, err)
			}
			r.name, r.port = host, n
		}
		if len(r.name) > 253 || !names.MatchString(r.name) {
			return Hosts{}, fmt.Errorf("allowed host %q: %w", entry, ErrTarget)
		}
		h.rules = append(h.rules, r)
	}
	return h, nil
}

func number(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || !ports.MatchString(s) {
		return 0, ErrTarget
	}
	return uint16(n), nil
}

// Target is a host that was found on a list.
type Target struct {
	host string
	port uint16
}

// String is host and port.
func (t Target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// Host is the name.
func (t Target) Host() string { return t.host }

// Allow finds the target of a CONNECT on the list.
func (h Hosts) Allow(target string) (Target, error) {
	host, port, _ := strings.Cut(strings.ToLower(target), ":")
	n, err := number(port)
	if err != nil || len(host) > 253 || !names.MatchString(host) {
		return Target{}, ErrTarget
	}
	for _, r := range h.rules {
		if r.port == n && (!r.sub && host == r.name || r.sub && strings.HasSuffix(host, "."+r.name)) {
			return Target{host: host, port: n}, nil
		}
	}
	return Target{}, ErrHost
}

// Resolver looks names up; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Dialer opens a connection to an address that was checked.
type Dialer func(ctx context.Context, to netip.AddrPort) (net.Conn, error)

// Dial connects to a target. One address that is not public refuses the name:
// whoever controls the name must not choose which of them is taken.
func Dial(ctx context.Context, r Resolver, dial Dialer, t Target) (net.Conn, error) {
	addresses, err := r.LookupNetIP(ctx, "ip", t.host+".")
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", t.host, err)
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("look up %s: no address", t.host)
	}
	for _, a := range addresses {
		if !Public(a) {
			return nil, fmt.Errorf("connect to %s: %w", t.host, ErrAddress)
		}
	}
	var problems []error
	for _, a := range addresses[:min(len(addresses), 4)] {
		conn, err := dial(ctx, netip.AddrPortFrom(a.Unmap(), t.port))
		if err == nil {
			return conn, nil
		}
		problems = append(problems, err)
	}
	return nil, fmt.Errorf("connect to %s: %w", t.host, errors.Join(problems...))
}

// System dials with the operating system.
func System(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", to.String())
}
