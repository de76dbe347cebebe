package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/coderflow/coderflow/internal/guestproto"
)

const (
	// maxConnections bounds what the task can make pid 1 hold open.
	maxConnections = 64
	// gatewayPatience is how long a connection waits for a gateway that is away: its server restarts. Agents take a
	// slow answer for what it is; a refused connection makes some of them give up.
	gatewayPatience = 45 * time.Second
	gatewayRetry    = 200 * time.Millisecond
)

// forwardGateway makes the gateway's Unix socket reachable for programs that can speak HTTP to a TCP port only. It
// listens before anything of the task runs, so that nobody can take the port first, and it passes bytes on without
// looking at them: who speaks is known by the socket, and what may be said is decided outside.
func forwardGateway() error {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", guestproto.GatewayAddress)
	if err != nil {
		return fmt.Errorf("listening for the model gateway: %w", err)
	}
	go accept(listener)
	return nil
}

func accept(listener net.Listener) {
	places := make(chan struct{}, maxConnections)
	for {
		places <- struct{}{}
		client, err := listener.Accept()
		if err != nil {
			<-places
			time.Sleep(gatewayRetry) // out of descriptors, or of memory: it passes
			continue
		}
		go func() {
			defer func() { <-places }()
			forward(client)
		}()
	}
}

func forward(client net.Conn) {
	defer client.Close()
	gateway, err := dialGateway()
	if err != nil {
		return
	}
	defer gateway.Close()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		pass(client, gateway)
	}()
	pass(gateway, client)
	<-answered
}

// pass copies one direction to its end and says that it ended, so that the other direction can go on.
func pass(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		_ = to.Close()
		_ = from.Close()
	}
}

func dialGateway() (net.Conn, error) {
	deadline := time.Now().Add(gatewayPatience)
	for {
		gateway, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "unix", guestproto.GatewaySocket)
		if err == nil || time.Now().After(deadline) {
			return gateway, err
		}
		time.Sleep(gatewayRetry)
	}
}
