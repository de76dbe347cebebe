package dockertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"
)

// SecondEngine says what is special about another Docker engine on this machine.
type SecondEngine struct {
	// Shift is the host's first user id of the engine's user namespace (userns-remap); 0 for none.
	Shift int
	// Runtimes are OCI runtimes by name, each a program with its arguments.
	Runtimes map[string][]string
	// Elsewhere gives it a view of files of its own, as on another machine: of what is in memory and of temporary
	// files it sees none but its own data.
	Elsewhere bool
	// listen is a listener of this process for the engine to take over, with the files in tls.
	listen *os.File
	tls    string // directory
}

// Start runs the engine with everything of its own (data, containerd, socket) for the length of a test, with the
// sandbox image, and returns its address. It needs root, as the machine's own engine did, and has no network: the
// containers have none either. Its mounts and its network are in namespaces that end with it.
func (e SecondEngine) Start(t testing.TB) (host string) {
	t.Helper()
	dir := engineDir(t)
	process, said := e.launch(t, dir)
	host = "unix://" + filepath.Join(dir, "sock")
	e.await(t, host, process, said)
	return host
}

func engineDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cf-engine-") // short: the path of a socket has 107 bytes at the most
	if err != nil {
		t.Fatal(err)
	}
	// A remapped root has to reach its data, as it does below /var/lib.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // search only
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing the second engine's files: %v", err)
		}
	})
	return dir
}

// await returns when the engine answers and has the sandbox image.
func (e SecondEngine) await(t testing.TB, host string, process *daemon, said *bytes.Buffer) {
	t.Helper()
	engine, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, err = engine.Info(t.Context()); err == nil {
			break
		}
		if time.Now().After(end) || process.exited() {
			t.Fatalf("the second engine does not answer: %v\n%s", err, said.String())
		}
	}
	copyImage(t, engine)
}

// launch starts dockerd in a mount namespace of its own, where /etc/subuid and /etc/subgid are the test's.
func (e SecondEngine) launch(t testing.TB, dir string) (*daemon, *bytes.Buffer) {
	t.Helper()
	program, err := exec.LookPath("dockerd")
	if err != nil {
		t.Fatalf("the tests of other engines need dockerd on this machine (%v): run 'make setup'", err)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	arguments := []string{
		program, "--config-file", path("daemon.json"), "--data-root", path("data"), "--exec-root", path("exec"),
		"--pidfile", path("pid"), "--host", "unix://" + path("sock"), "--bridge", "none", "--iptables=false", "--ip6tables=false",
	}
	prepare := "mount --make-rprivate / && "
	if e.Shift > 0 {
		write("subid", "nobody:"+strconv.Itoa(e.Shift)+":65536\n")
		prepare += "mount --bind " + path("subid") + " /etc/subuid && mount --bind " + path("subid") + " /etc/subgid && "
		arguments = append(arguments, "--userns-remap", "nobody:nogroup")
		for _, file := range []string{"/etc/subuid", "/etc/subgid"} { // the places to mount on
			if handle, err := os.OpenFile(file, os.O_CREATE|os.O_RDONLY, 0o644); err == nil {
				_ = handle.Close()
			}
		}
	}
	if e.Elsewhere {
		temporary := os.TempDir()
		prepare += "mount -t tmpfs tmpfs /run && mkdir /run/own && mount --bind " + dir + " /run/own && mount -t tmpfs tmpfs " + temporary +
			" && mkdir -p " + dir + " && mount --bind /run/own " + dir + " && mount -t tmpfs tmpfs /dev/shm && " +
			// A disk of its own, too: how full this machine's is does not matter there.
			"mkdir -p " + path("data") + " && mount -t tmpfs -o size=8g,mode=0711 tmpfs " + path("data") + " && "
	}
	if e.listen != nil {
		prepare += "export LISTEN_FDS=1 LISTEN_PID=$$ && "
		arguments = append(arguments, "--host", "fd://", "--tlsverify", "--tlscacert", filepath.Join(e.tls, "ca.pem"),
			"--tlscert", filepath.Join(e.tls, "server.pem"), "--tlskey", filepath.Join(e.tls, "server-key.pem"))
	}
	write("daemon.json", e.config(t))
	var said bytes.Buffer
	command := exec.Command("sh", append([]string{"-c", prepare + `exec "$@"`, "sh"}, arguments...)...)
	command.Stdout, command.Stderr = &said, &said
	if e.listen != nil {
		command.ExtraFiles = []*os.File{e.listen}
	}
	// Without a network namespace of its own, an engine without a bridge removes that of the machine's engine.
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Setsid: true}
	if err := command.Start(); err != nil {
		t.Fatalf("starting a second engine, which needs root: %v", err)
	}
	d := &daemon{command: command, done: make(chan struct{}), containerd: path("exec/containerd/containerd.pid")}
	go func() { _ = command.Wait(); close(d.done) }()
	t.Cleanup(func() { d.stop(t) })
	return d, &said
}

func (e SecondEngine) config(t testing.TB) string {
	t.Helper()
	type runtime struct {
		Path string   `json:"path"`
		Args []string `json:"runtimeArgs,omitempty"`
	}
	runtimes := map[string]runtime{}
	for name, argv := range e.Runtimes {
		runtimes[name] = runtime{argv[0], argv[1:]}
	}
	text, err := json.Marshal(map[string]any{"runtimes": runtimes})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// daemon is a running dockerd.
type daemon struct {
	command    *exec.Cmd
	done       chan struct{}
	containerd string // the file with the number of its containerd
}

func (d *daemon) exited() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// stop ends the daemon, which ends its containerd. One that does not is killed, both by their numbers.
func (d *daemon) stop(t testing.TB) {
	number, _ := os.ReadFile(d.containerd)
	_ = d.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
		return
	case <-time.After(25 * time.Second):
	}
	t.Error("the second engine had to be killed")
	_ = d.command.Process.Kill()
	<-d.done
	if pid, err := strconv.Atoi(strings.TrimSpace(string(number))); err == nil && pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// copyImage brings the sandbox image from the machine's own engine.
func copyImage(t testing.TB, to *client.Client) {
	t.Helper()
	from, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	image, err := from.ImageSave(ctx, []string{Image})
	if err != nil {
		t.Fatalf("reading image %s: %v", Image, err)
	}
	defer image.Close()
	loaded, err := to.ImageLoad(ctx, image)
	if err != nil {
		t.Fatalf("loading image %s into the second engine: %v", Image, err)
	}
	_, err = io.Copy(io.Discard, loaded.Body)
	if err = errors.Join(err, loaded.Body.Close()); err != nil {
		t.Fatalf("loading image %s into the second engine: %v", Image, err)
	}
}
