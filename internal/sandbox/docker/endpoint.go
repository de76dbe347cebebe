package docker

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/docker/docker/client"
)

// Endpoint is how a Docker engine is reached.
type Endpoint struct {
	Host string // unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST[:PORT][/SOCKET]; empty for the environment's, as in DOCKER_HOST
	TLS  TLS    // for tcp://
	SSH  SSH    // for ssh://
}

// Elsewhere reports that the engine is on another machine, as its address says: not a Unix socket, and not a port of
// this machine. An address that leads elsewhere all the same, such as a tunnel's, does not show it.
func (e Endpoint) Elsewhere() bool {
	u, err := url.Parse(e.Host)
	if err != nil || e.Host == "" {
		return false
	}
	switch u.Scheme {
	case "ssh":
		return true
	case "tcp":
		return !loopback(u.Hostname())
	}
	return false
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// client makes a client of the engine and does not talk to it yet. close ends what the client's own Close leaves open.
func (e Endpoint) client() (engine *client.Client, closeAll func() error, err error) {
	options := []client.Opt{client.FromEnv, client.WithHost(e.Host)}
	closeAll = func() error { return engine.Close() }
	switch {
	case e.Host == "":
		options = options[:1]
	case strings.HasPrefix(e.Host, "ssh://"):
		tunnel, err := e.SSH.tunnel(e.Host)
		if err != nil {
			return nil, nil, err
		}
		// Of the address only the way matters, which is the tunnel's: there is no name to look up and no TLS inside.
		options = []client.Opt{client.WithHost("http://engine.invalid"), client.WithDialContext(tunnel.DialContext)}
		closeAll = func() error { return errors.Join(engine.Close(), tunnel.Close()) }
	case e.TLS.given():
		transport, err := e.TLS.transport()
		if err != nil {
			return nil, nil, err
		}
		options = []client.Opt{client.WithHTTPClient(transport), client.WithHost(e.Host), client.WithScheme("https")}
	case e.Elsewhere():
		return nil, nil, fmt.Errorf("the engine at %s is on another machine and there are no certificates for it: set docker.tls", e.Host)
	}
	engine, err = client.NewClientWithOpts(append(options, client.WithAPIVersionNegotiation())...)
	return engine, closeAll, err
}
