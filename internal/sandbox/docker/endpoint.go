package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

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

// client makes a client of the engine and does not talk to it yet, and what closes it.
func (e Endpoint) client() (engine *client.Client, closeEngine func() error, err error) {
	switch {
	case strings.HasPrefix(e.Host, "ssh://"):
		tunnel, err := e.SSH.tunnel(e.Host)
		if err != nil {
			return nil, nil, err
		}
		engine, err = through("tcp://"+tunnel.address, tunnel.DialContext)
		return engine, func() error { return errors.Join(engine.Close(), tunnel.Close()) }, err
	case e.TLS.given():
		dial, err := e.TLS.dialer()
		if err != nil {
			return nil, nil, err
		}
		engine, err = through(e.Host, dial)
		return engine, func() error { return engine.Close() }, err
	case e.Elsewhere():
		return nil, nil, fmt.Errorf("the engine at %s is on another machine and there are no certificates for it: set docker.tls", e.Host)
	}
	options := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if e.Host != "" {
		options = append(options, client.WithHost(e.Host))
	}
	engine, err = client.NewClientWithOpts(options...)
	return engine, func() error { return engine.Close() }, err
}

// dialer opens connections. What is spoken in them is HTTP without TLS: it is the connection that is protected.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// through makes a client whose connections all come from dial, those of streams and requests alike, whatever the
// environment says about proxies.
func through(host string, dial dialer) (*client.Client, error) {
	transport := &http.Transport{MaxIdleConns: 6, IdleConnTimeout: 30 * time.Second}
	engine, err := client.NewClientWithOpts(
		client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}),
		client.WithHost(host), client.WithDialContext(dial), client.WithAPIVersionNegotiation())
	transport.Proxy = nil // WithHost has set the environment's
	return engine, err
}
