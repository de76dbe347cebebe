package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/mux"
)

const (
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
	go relayAll(listener, dialGateway)
	return nil
}

// relayAll passes every connection on to one that connect makes for it.
func relayAll(listener net.Listener, connect func() (net.Conn, error)) {
	places := make(chan struct{}, mux.MaxStreams)
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
			to, err := connect()
			if err != nil {
				_ = client.Close()
				return
			}
			mux.Join(client, to)
		}()
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
