package dockertest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/sandbox/docker"
)

// Elsewhere is a Docker engine that does not see this machine's files, and that is reached over TLS and SSH through a
// wire that can be cut.
type Elsewhere struct {
	TLS, SSH docker.Endpoint
	PKI      PKI
	wire     *Wire  // to the engine's TLS port
	sshWire  *Wire  // to the machine's sshd
	hostKey  string // path of the machine's key
	behind   string // the engine's own socket
	data     string // of everything that is on the engine's disk, as this machine can see it
}

// StartElsewhere runs one for the length of a test.
func StartElsewhere(t testing.TB) *Elsewhere {
	t.Helper()
	dir := engineDir(t)
	pki := NewPKI(t)
	files := filepath.Join(dir, "tls")
	if err := os.Mkdir(files, 0o700); err != nil {
		t.Fatal(err)
	}
	pki.Issue(t, files, "server", "127.0.0.1", time.Hour)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	engine := SecondEngine{Elsewhere: true, listen: file, tls: files}
	process, said := engine.launch(t, dir)
	_, _ = file.Close(), listener.Close()
	e := &Elsewhere{PKI: pki, behind: "unix://" + filepath.Join(dir, "sock"), data: fmt.Sprintf("/proc/%d/root%s/data", process.command.Process.Pid, dir)}
	engine.await(t, e.behind, process, said)
	e.wire = newWire(t, listener.Addr().String())
	own := t.TempDir()
	pki.Issue(t, own, "client", "coderflow", time.Hour)
	e.TLS = docker.Endpoint{Host: "tcp://" + e.wire.Address, TLS: docker.TLS{
		CAFile: filepath.Join(own, "ca.pem"), CertFile: filepath.Join(own, "client.pem"), KeyFile: filepath.Join(own, "client-key.pem"),
	}}
	e.startSSH(t, own, filepath.Join(dir, "sock"))
	return e
}

// Apart is an address over TLS and one over SSH, each with a wire of its own to cut.
func (e *Elsewhere) Apart(t testing.TB) (overTLS, overSSH docker.Endpoint, wireTLS, wireSSH *Wire) {
	t.Helper()
	overTLS, overSSH, wireTLS, wireSSH = e.TLS, e.SSH, newWire(t, e.wire.to), newWire(t, e.sshWire.to)
	overTLS.Host = "tcp://" + wireTLS.Address
	overSSH.Host = strings.Replace(e.SSH.Host, e.sshWire.Address, wireSSH.Address, 1)
	overSSH.SSH.KnownHostsFile = e.known(t, wireSSH.Address, e.hostKey)
	return overTLS, overSSH, wireTLS, wireSSH
}

// World is one whose runner reaches the engine so.
func (e *Elsewhere) World(t testing.TB, at docker.Endpoint, options ...func(*docker.Config)) *World {
	t.Helper()
	return newWorld(t, e.behind, append([]func(*docker.Config){func(c *docker.Config) {
		c.Endpoint, c.Files = at, "copy" // the address is this machine's, the files are not
	}}, options...)...)
}

// startSSH runs sshd, with a key of its own and one user: who runs the test.
func (e *Elsewhere) startSSH(t testing.TB, dir, socket string) {
	t.Helper()
	program, err := exec.LookPath("sshd")
	if err != nil {
		program = "/usr/sbin/sshd"
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("the tests of engines behind ssh need sshd (%v): run 'make setup' with --test", err)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, key := range []string{"host", "identity"} {
		if output, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path(key)).CombinedOutput(); err != nil { //nolint:gosec // a test's
			t.Fatalf("making a key: %v\n%s", err, output)
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(path("identity.pub"))
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := os.ReadFile(path("host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	e.sshWire, e.hostKey = newWire(t, listener.Addr().String()), path("host")
	write := func(name, text string) {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("authorized", "restrict,port-forwarding "+string(public))
	write("known", "["+strings.Replace(e.sshWire.Address, ":", "]:", 1)+" "+string(hostKey))
	write("sshd_config", "HostKey "+path("host")+"\nAuthorizedKeysFile "+path("authorized")+"\nStrictModes no\nUsePAM no\n"+
		"PermitRootLogin prohibit-password\nPasswordAuthentication no\nAllowStreamLocalForwarding yes\nPidFile none\n")
	_ = os.MkdirAll("/run/sshd", 0o755) // where it confines itself
	serveSSH(t, listener, program, path("sshd_config"))
	e.SSH = docker.Endpoint{Host: "ssh://root@" + e.sshWire.Address + socket, SSH: docker.SSH{
		IdentityFile: path("identity"), KnownHostsFile: path("known"),
	}}
}

// serveSSH runs one sshd for each connection, as inetd does.
func serveSSH(t testing.TB, listener net.Listener, program, config string) {
	var all sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			file, err := conn.(*net.TCPConn).File()
			_ = conn.Close()
			if err != nil {
				continue
			}
			command := exec.Command(program, "-i", "-e", "-f", config)
			command.Stdin, command.Stdout = file, file
			if command.Start() == nil {
				all.Go(func() { _ = command.Wait() })
			}
			_ = file.Close()
		}
	})
}

// Wire passes connections on to an address, until it is cut.
type Wire struct {
	Address string
	to      string
	mu      sync.Mutex
	cut     bool
	conns   map[net.Conn]bool
}

func newWire(t testing.TB, to string) *Wire {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{Address: listener.Addr().String(), to: to, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = listener.Close(); w.Cut() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.pass(conn)
		}
	}()
	return w
}

// Cut ends all connections and lets none through.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for conn := range w.conns {
		_ = conn.Close()
	}
}

// Mend lets connections through again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

func (w *Wire) hold(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range conns {
		w.conns[conn] = true
	}
	return !w.cut
}

func (w *Wire) pass(from net.Conn) {
	defer from.Close()
	to, err := net.DialTimeout("tcp4", w.to, 5*time.Second)
	if err != nil {
		return
	}
	defer to.Close()
	if !w.hold(from, to) {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(from, to)
	_ = from.(*net.TCPConn).CloseWrite()
	<-done
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, from)
	delete(w.conns, to)
}

// Exec runs shell text in the running container whose name has a part, in its workspace, as its user.
func (e *Elsewhere) Exec(t testing.TB, part, script string) {
	t.Helper()
	output, err := e.docker("ps", "-q", "--filter", "name="+part, "--filter", "label=dev.coderflow.purpose=task").Output()
	id := strings.TrimSpace(string(output))
	if err != nil || id == "" || strings.Contains(id, "\n") {
		t.Fatalf("the container of %s: %q, %v", part, output, err)
	}
	if output, err := e.docker("exec", "-w", "/workspace", id, "sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}

// Holders are the containers that hold something for another one.
func (e *Elsewhere) Holders(t testing.TB) []string {
	t.Helper()
	output, err := e.docker("ps", "-a", "--format", "{{.Names}}", "--filter", "label=dev.coderflow.purpose=hold").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(output))
}

func (e *Elsewhere) docker(arguments ...string) *exec.Cmd {
	return exec.Command("docker", append([]string{"--host", e.behind}, arguments...)...)
}
