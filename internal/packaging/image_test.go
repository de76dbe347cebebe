package packaging_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The base that `make setup` makes; nothing is fetched for the image.
const baseImage = "coderflow/sandbox-base:bookworm"

// imageUser is the user of the image.
const imageUser = 10002

func docker(t *testing.T, args ...string) (string, error) {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
	return strings.TrimSpace(string(text)), err
}

func mustDocker(t *testing.T, args ...string) string {
	t.Helper()
	text, err := docker(t, args...)
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return text
}

// builtImage is Dockerfile's, of programs built here.
func builtImage(t *testing.T) (tag string) {
	t.Helper()
	context := t.TempDir()
	for name, pkg := range map[string]string{"coderflow": "./cmd/app", "coderflow-guest": "./cmd/guest"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=v1.2.3", "-o", filepath.Join(context, "bin", name), pkg)
		build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
		if text, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	tag = "coderflow/image-test:" + unique(t)
	t.Cleanup(func() { _ = exec.Command("docker", "image", "rm", "--force", tag).Run() })
	mustDocker(t, "build", "--quiet", "--network", "none", "--pull=false", "--file", "../../Dockerfile", "--tag", tag, "--build-arg", "BASE="+baseImage,
		"--build-arg", "VERSION=v1.2.3", "--build-arg", "REVISION=0123456789abcdef", "--build-arg", "CREATED="+commitTime, context)
	return tag
}

func unique(t *testing.T) string {
	t.Helper()
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(random[:])
}

// confined is how every manifest runs the image.
func confined(more ...string) []string {
	return append([]string{"--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"}, more...)
}

func TestTheImage(t *testing.T) {
	t.Parallel()
	tag := builtImage(t)
	t.Run("says what it is and has nothing that gives rights", func(t *testing.T) {
		t.Parallel()
		inspectImage(t, tag)
	})
	t.Run("serves as a user without rights", func(t *testing.T) {
		t.Parallel()
		serveFrom(t, tag)
	})
	t.Run("plays the whole story as a user without rights", func(t *testing.T) {
		t.Parallel()
		demoFrom(t, tag)
	})
}

func inspectImage(t *testing.T, tag string) {
	var all []struct {
		Size   int64
		Config struct {
			User       string
			Labels     map[string]string
			Env        []string
			Entrypoint []string
		}
	}
	if err := json.Unmarshal([]byte(mustDocker(t, "image", "inspect", tag, baseImage)), &all); err != nil {
		t.Fatal(err)
	}
	image, base := all[0], all[1]
	for name, want := range map[string]string{"version": "v1.2.3", "revision": "0123456789abcdef", "created": commitTime, "licenses": "Apache-2.0", "title": "CoderFlow"} {
		if got := image.Config.Labels["org.opencontainers.image."+name]; got != want {
			t.Errorf("the label %s is %q", name, got)
		}
	}
	if added := image.Size - base.Size; added > 80<<20 {
		t.Errorf("it adds %d MiB to its base", added>>20)
	}
	if image.Config.User != "10002:10002" || !strings.Contains(strings.Join(image.Config.Env, "\n"), "CODERFLOW_LISTEN=0.0.0.0:8080") {
		t.Errorf("%+v", image.Config)
	}
	shell := func(script string) string {
		t.Helper()
		return mustDocker(t, "run", "--rm", "--network", "none", "--entrypoint", "/bin/bash", tag, "-c", script)
	}
	if found := mustDocker(t, "run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "/usr/bin/find", tag, "/", "-xdev", "-perm", "/6000", "-type", "f"); found != "" {
		t.Errorf("setuid or setgid: %s", found)
	}
	if found := strings.Fields(shell("find / -xdev -writable -not -type l 2>/dev/null | sort")); !slices.Equal(found, []string{"/run/lock", "/tmp", "/var/lib/coderflow", "/var/tmp"}) {
		t.Errorf("its user can write to %v", found)
	}
	if said := shell("id -u; git --version; test -s /etc/ssl/certs/ca-certificates.crt && echo certificates"); !strings.HasPrefix(said, "10002\ngit version ") || !strings.HasSuffix(said, "certificates") {
		t.Errorf("it says %s", said)
	}
	if said := mustDocker(t, append([]string{"run", "--rm"}, append(confined(), tag, "version")...)...); said != "coderflow v1.2.3" {
		t.Errorf("version says %s", said)
	}
}

// ownedDir is a directory of the image's user.
func ownedDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "coderflow-image-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	own(t, dir)
	return dir
}

func own(t *testing.T, path string) {
	t.Helper()
	if err := os.Chown(path, imageUser, imageUser); err != nil {
		t.Fatalf("%v; the tests of the image need root, as make setup does", err)
	}
}

const serverConfig = `dataDir: /var/lib/coderflow
github: {appID: 1, privateKeyFile: github.pem, webhookSecretFile: webhook-secret}
admins: ["github:1"]
`

func serveFrom(t *testing.T, tag string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	config, data := ownedDir(t), ownedDir(t)
	for name, text := range map[string]string{
		"coderflow.yaml": serverConfig, "webhook-secret": "a webhook's secret\n",
		"github.pem": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	} {
		if err := os.WriteFile(filepath.Join(config, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		own(t, filepath.Join(config, name))
	}
	name := "coderflow-image-test-" + unique(t)
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", "--volumes", name).Run() })
	mustDocker(t, append([]string{"run", "--detach", "--name", name}, confined("--volume", config+":/etc/coderflow:ro", "--volume", data+":/var/lib/coderflow", tag)...)...)
	// The image's own health check asks /healthz.
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		state := mustDocker(t, "inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", name)
		if state == "running healthy" {
			break
		}
		if !strings.HasPrefix(state, "running") || time.Now().After(deadline) {
			logs, _ := docker(t, "logs", name)
			t.Fatalf("it is %s: %s", state, logs)
		}
	}
	mustDocker(t, "stop", "--time", "30", name)
	if status := mustDocker(t, "inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", name); status != "0 false" {
		t.Errorf("it ended with %s", status)
	}
}

// demoFrom has the image's server start containers on this machine's engine, land and deploy a change.
func demoFrom(t *testing.T, tag string) {
	const socket = "/var/run/docker.sock"
	info, err := os.Stat(socket)
	if err != nil {
		t.Fatalf("%v; the test needs the engine that `make setup` starts", err)
	}
	group := strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Gid))
	dir := ownedDir(t) // at the same path for the engine
	said, err := docker(t, append([]string{"run", "--rm"}, confined("--group-add", group, "--volume", socket+":"+socket, "--volume", dir+":"+dir,
		"--volume", "/dev/shm:/dev/shm", tag, "demo", "--exit", "--dir", dir)...)...)
	if err != nil || !strings.Contains(said, "✓ VERIFIED") || !strings.Contains(said, "exit status 0") {
		t.Errorf("%v: %s", err, said)
	}
}
