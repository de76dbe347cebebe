package docker

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// SSH are the files with which an engine's machine and CoderFlow know each other. Nothing else is offered or believed:
// no agent, no password, no host key that is not listed.
type SSH struct {
	IdentityFile   string // a private key without a passphrase
	KnownHostsFile string // as of ssh, with a line for the machine
}

// defaultSocket is where an engine listens on its machine.
const defaultSocket = "/var/run/docker.sock"

// How soon it is found out that a machine does not answer any more.
const (
	pulse    = 15 * time.Second
	patience = 15 * time.Second
)

// tunnel is one connection of SSH, in which each connection to the engine is a channel to its socket
// (direct-streamlocal@openssh.com): no program is run on the engine's machine. It is opened again whenever it broke.
type tunnel struct {
	address, socket string
	config          *ssh.ClientConfig

	mu     sync.Mutex
	client *ssh.Client // nil: none is open
	closed bool
}

// tunnel reads the files and does not connect yet.
func (s SSH) tunnel(host string) (*tunnel, error) {
	u, err := url.Parse(host)
	if err != nil || u.Hostname() == "" || u.User.Username() == "" {
		return nil, errors.New("docker.host: want ssh://USER@HOST, with :PORT where it is not 22")
	}
	text, err := os.ReadFile(s.IdentityFile)
	if err != nil {
		return nil, fmt.Errorf("docker.ssh.identityFile: %w", err)
	}
	identity, err := ssh.ParsePrivateKey(text)
	var sealed *ssh.PassphraseMissingError
	if errors.As(err, &sealed) {
		return nil, fmt.Errorf("docker.ssh.identityFile: %s has a passphrase, which nobody is there to type: make a key of its own for CoderFlow (ssh-keygen -t ed25519 -N '')", s.IdentityFile)
	}
	if err != nil {
		return nil, fmt.Errorf("docker.ssh.identityFile: %s: %w", s.IdentityFile, err)
	}
	known, err := knownhosts.New(s.KnownHostsFile)
	if err != nil {
		return nil, fmt.Errorf("docker.ssh.knownHostsFile: %w", err)
	}
	t := &tunnel{address: net.JoinHostPort(u.Hostname(), "22"), socket: defaultSocket}
	if u.Port() != "" {
		t.address = u.Host
	}
	if u.Path != "" && u.Path != "/" {
		t.socket = u.Path
	}
	algorithms := keysOf(known, t.address)
	if len(algorithms) == 0 {
		return nil, fmt.Errorf("docker.ssh.knownHostsFile: %s has no key of %s: get it from the machine itself (/etc/ssh/ssh_host_ed25519_key.pub) or compare what ssh-keyscan prints with it", s.KnownHostsFile, t.address)
	}
	t.config = &ssh.ClientConfig{
		User: u.User.Username(), Auth: []ssh.AuthMethod{ssh.PublicKeys(identity)},
		HostKeyCallback: known, HostKeyAlgorithms: algorithms, Timeout: dialTime,
	}
	return t, nil
}

// keysOf are the algorithms of the keys that are known of an address. The machine has to show one of them: which of its
// keys it shows is otherwise up to the order in which they are asked for.
func keysOf(known ssh.HostKeyCallback, address string) []string {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil
	}
	nobodys, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil
	}
	var unknown *knownhosts.KeyError
	if !errors.As(known(address, &net.TCPAddr{}, nobodys), &unknown) {
		return nil
	}
	var list []string
	for _, key := range unknown.Want {
		if algorithm := key.Key.Type(); algorithm == ssh.KeyAlgoRSA {
			list = append(list, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			list = append(list, algorithm)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// DialContext opens a connection to the engine's socket. What it is asked to dial does not matter.
func (t *tunnel) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	for attempt := range 2 {
		machine, fresh, err := t.connected(ctx)
		if err != nil {
			return nil, err
		}
		conn, err := machine.DialContext(ctx, "unix", t.socket)
		var refused *ssh.OpenChannelError
		switch {
		case err == nil:
			return conn, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &refused):
			return nil, fmt.Errorf("%s does not lead to %s: %w; its sshd has to permit it (AllowStreamLocalForwarding) and the user to open it", t.address, t.socket, err)
		}
		t.drop(machine)
		if fresh || attempt > 0 {
			return nil, fmt.Errorf("the connection to %s broke: %w", t.address, err)
		}
	}
	return nil, net.ErrClosed
}

// connected returns the open connection, or a fresh one.
func (t *tunnel) connected(ctx context.Context) (machine *ssh.Client, fresh bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, false, net.ErrClosed
	}
	if t.client != nil {
		return t.client, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	dialer := &net.Dialer{KeepAliveConfig: liveness}
	conn, err := dialer.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, false, err
	}
	unhook := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer unhook()
	secured, channels, requests, err := ssh.NewClientConn(conn, t.address, t.config)
	if err != nil {
		_ = conn.Close()
		return nil, false, sshError(t.address, err)
	}
	t.client = ssh.NewClient(secured, channels, requests)
	go t.watch(t.client)
	return t.client, true, nil
}

func sshError(address string, err error) error {
	var wrong *knownhosts.KeyError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s shows a key that docker.ssh.knownHostsFile does not list: somebody may be in between; compare it with the machine's own: %w", address, err)
	}
	return fmt.Errorf("ssh to %s: %w", address, err)
}

// watch drops the connection when it ends or the machine does not answer any more.
func (t *tunnel) watch(machine *ssh.Client) {
	defer t.drop(machine)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = machine.Wait() }()
	for {
		select {
		case <-ended:
			return
		case <-time.After(pulse):
		}
		answered := make(chan error, 1)
		go func() {
			_, _, err := machine.SendRequest("keepalive@openssh.com", true, nil)
			answered <- err
		}()
		select {
		case err := <-answered:
			if err != nil {
				return
			}
		case <-time.After(patience):
			return
		}
	}
}

// drop closes a connection and forgets it, so that the next dial opens another.
func (t *tunnel) drop(machine *ssh.Client) {
	_ = machine.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.client == machine {
		t.client = nil
	}
}

// Close ends the tunnel for good.
func (t *tunnel) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.client != nil {
		_ = t.client.Close()
		t.client = nil
	}
	return nil
}
