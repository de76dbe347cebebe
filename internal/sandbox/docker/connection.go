package docker

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// Connection looks at the way to the engine.
func (e *Engine) Connection(caller context.Context) (sandbox.Connection, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	var c sandbox.Connection
	var err error
	switch {
	case strings.HasPrefix(e.at.Host, "ssh://"):
		c.Way = "SSH to a machine that is known by its key"
	case e.at.TLS.given():
		if c, err = e.certificates(ctx); err != nil {
			return c, engineError(caller, "looking at the engine's certificate", err)
		}
	default:
		c.Way = "a way within this machine"
	}
	var took []time.Duration
	for range 3 {
		began := time.Now()
		if _, err := e.engine.Ping(ctx); err != nil {
			return c, engineError(caller, "asking the Docker engine", err)
		}
		took = append(took, time.Since(began))
	}
	c.Latency = slices.Min(took)
	return c, nil
}

// certificates opens a connection to read what both sides show.
func (e *Engine) certificates(ctx context.Context) (c sandbox.Connection, err error) {
	dial, err := e.at.TLS.dialer()
	if err != nil {
		return c, err
	}
	own, err := e.at.TLS.own()
	if err != nil {
		return c, err
	}
	u, err := url.Parse(e.at.Host)
	if err != nil {
		return c, fmt.Errorf("docker.host: %w", err)
	}
	conn, err := dial(ctx, "tcp", u.Host)
	if err != nil {
		return c, err
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	c.Way = tls.VersionName(state.Version) + " with certificates on both sides"
	c.Engine, c.Own = state.PeerCertificates[0].NotAfter, own.Leaf.NotAfter
	return c, nil
}
