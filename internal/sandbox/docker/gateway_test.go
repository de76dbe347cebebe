package docker_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// gatewaySocket is the host's end of what a container sees at /run/coderflow.
type gatewaySocket struct{ dir string }

func newGatewaySocket(t *testing.T) gatewaySocket {
	t.Helper()
	dir, err := os.MkdirTemp("", "cf") // short: sun_path takes 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return gatewaySocket{dir}
}

// answer listens and answers every connection's first bytes with the word and those bytes.
func (g gatewaySocket) answer(t *testing.T, word string) net.Listener {
	t.Helper()
	path := filepath.Join(g.dir, "gateway.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			go func() {
				defer conn.Close()
				said := make([]byte, 64)
				n, _ := conn.Read(said)
				_, _ = io.WriteString(conn, word+" "+string(said[:n]))
			}()
		}
	}()
	return listener
}

// ask says something on the gateway's port and prints the answer.
const ask = `ask() { exec 3<>/dev/tcp/127.0.0.1/8787; printf %s "$1" >&3; timeout 20 cat <&3; exec 3>&-; echo; }
`

func gatewaySpec(name, socketDir, script string) sandbox.Spec {
	spec := dockertest.Spec(name, "ws", "")
	spec.Argv = []string{"/bin/bash", "-c", ask + script}
	spec.SocketDir = socketDir
	return spec
}

func TestTheGatewayIsReachedAtItsPort(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	world.Workspace(t, "ws", map[string]dockertest.File{"README": {Content: "hello\n"}})
	gateway := newGatewaySocket(t)
	gateway.answer(t, "heard")
	status, output := world.Run(t, gatewaySpec("ask", gateway.dir, `ask one; ask two; touch /run/coderflow/x || true`))
	if status.Reason != sandbox.ReasonOK || !strings.Contains(output, "heard one\nheard two\n") || !strings.Contains(output, "Read-only file system") {
		t.Errorf("%+v\n%s", status, output)
	}
	_, output = world.Run(t, gatewaySpec("none", "", `ask one`))
	if !strings.Contains(output, "Connection refused") {
		t.Errorf("a container without a gateway has something on its port: %s", output)
	}
}

// Fault 29: the gateway goes and comes back under the same directory. The container has no other way out meanwhile,
// and what it asks is answered after the restart.
func TestFault29AGatewayThatComesBackIsFoundAgain(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	world.Workspace(t, "ws", map[string]dockertest.File{"README": {Content: "hello\n"}})
	gateway := newGatewaySocket(t)
	first := gateway.answer(t, "first")
	ctx := world.Context(t)
	spec := gatewaySpec("ask", gateway.dir, `ask a; until [ -e /run/coderflow/away ]; do sleep .05; done; ask b`)
	if _, err := world.Start(ctx, spec); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(world.Output(t, "ask"), "first a") {
		if ctx.Err() != nil {
			t.Fatal("the first question was not answered")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(gateway.dir, "away"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // the second question is asked while nobody listens
	gateway.answer(t, "second")
	status, err := world.Wait(ctx, "ask")
	if err != nil {
		t.Fatal(err)
	}
	if output := world.Output(t, "ask"); status.Reason != sandbox.ReasonOK || !strings.Contains(output, "second b") {
		t.Errorf("%+v\n%s", status, output)
	}
}

func TestFilesOfHomeAreThereAndItsOwners(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	world.Workspace(t, "ws", map[string]dockertest.File{"README": {Content: "hello\n"}})
	spec := dockertest.Spec("home", "ws", `cd; cat .agent/settings.json; stat -c '%U %a' .agent .agent/settings.json; echo more >> .agent/settings.json && echo own`)
	spec.Inputs.Home = map[string][]byte{".agent/settings.json": []byte("{}\n")}
	status, output := world.Run(t, spec)
	if status.Reason != sandbox.ReasonOK || output != "{}\ncoder 700\ncoder 600\nown\n" {
		t.Errorf("%+v\n%s", status, output)
	}
}
