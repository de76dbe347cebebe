package dockertest

import (
	"bytes"
	"crypto/tls"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coderflow/coderflow/internal/sandbox/docker"
)

// Addresses of the engine with something that is not as it has to be.

// WithOtherCA believes another authority than the engine's.
func (e *Elsewhere) WithOtherCA(t testing.TB) docker.Endpoint {
	at := e.TLS
	dir := t.TempDir()
	NewPKI(t).Issue(t, dir, "x", "x", time.Hour)
	at.TLS.CAFile = filepath.Join(dir, "ca.pem")
	return at
}

// WithOtherClient has a certificate of another authority.
func (e *Elsewhere) WithOtherClient(t testing.TB) docker.Endpoint {
	at := e.client(t, NewPKI(t), time.Hour)
	at.TLS.CAFile = e.TLS.TLS.CAFile
	return at
}

// WithClient has a certificate for so long from now.
func (e *Elsewhere) WithClient(t testing.TB, life time.Duration) docker.Endpoint {
	return e.client(t, e.PKI, life)
}

func (e *Elsewhere) client(t testing.TB, pki PKI, life time.Duration) docker.Endpoint {
	at, dir := e.TLS, t.TempDir()
	pki.Issue(t, dir, "client", "coderflow", life)
	at.TLS = docker.TLS{
		CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "client.pem"), KeyFile: filepath.Join(dir, "client-key.pem"),
	}
	return at
}

// WithName calls the engine's machine by another name than its certificate does.
func (e *Elsewhere) WithName(name string) docker.Endpoint {
	at := e.TLS
	_, port, _ := net.SplitHostPort(e.wire.Address)
	at.Host = "tcp://" + net.JoinHostPort(name, port)
	return at
}

// WithSocket asks for another socket on the engine's machine.
func (e *Elsewhere) WithSocket(path string) docker.Endpoint {
	at := e.SSH
	at.Host = "ssh://root@" + e.sshWire.Address + path
	return at
}

// WithOtherIdentity has a key that the machine does not know.
func (e *Elsewhere) WithOtherIdentity(t testing.TB) docker.Endpoint {
	at := e.SSH
	at.SSH.IdentityFile = sshKey(t)
	return at
}

// WithOtherHostKey knows the machine by another key.
func (e *Elsewhere) WithOtherHostKey(t testing.TB) docker.Endpoint {
	at := e.SSH
	at.SSH.KnownHostsFile = e.known(t, e.sshWire.Address, sshKey(t))
	return at
}

// WithNoKnownHost knows another machine only.
func (e *Elsewhere) WithNoKnownHost(t testing.TB) docker.Endpoint {
	at := e.SSH
	at.SSH.KnownHostsFile = e.known(t, "192.0.2.1:22", sshKey(t))
	return at
}

func (e *Elsewhere) known(t testing.TB, address, key string) string {
	t.Helper()
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "known")
	if err := os.WriteFile(path, []byte("["+strings.Replace(address, ":", "]:", 1)+" "+string(public)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func sshKey(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if output, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path).CombinedOutput(); err != nil { //nolint:gosec // a test's
		t.Fatalf("making a key: %v\n%s", err, output)
	}
	return path
}

// WithExpiredServer is a machine that shows a certificate of the right authority that has expired.
func (e *Elsewhere) WithExpiredServer(t testing.TB) docker.Endpoint {
	t.Helper()
	dir := t.TempDir()
	e.PKI.Issue(t, dir, "server", "127.0.0.1", -time.Hour)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = conn.(*tls.Conn).Handshake(); _ = conn.Close() }()
		}
	}()
	at := e.TLS
	at.Host = "tcp://" + listener.Addr().String()
	return at
}

// OnDisk reports whether a file of the engine's, of any name, has the text. What the engine has in memory is not there.
func (e *Elsewhere) OnDisk(t testing.TB, text string) bool {
	t.Helper()
	var disk unix.Stat_t
	if err := unix.Lstat(e.data, &disk); err != nil {
		t.Fatal(err)
	}
	found := false
	err := filepath.WalkDir(e.data, func(path string, entry fs.DirEntry, err error) error {
		var about unix.Stat_t
		switch {
		case err != nil || found || unix.Lstat(path, &about) != nil: // gone meanwhile
			return nil //nolint:nilerr // see above
		case entry.IsDir() && (about.Dev != disk.Dev || entry.Name() == "usr"): // a mount; the image's programs
			return fs.SkipDir
		case entry.Type().IsRegular():
			content, err := os.ReadFile(path)
			found = err == nil && bytes.Contains(content, []byte(text))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
