package docker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
	"github.com/coderflow/coderflow/internal/secret"
)

func secretValue(t *testing.T, name, content string) secret.Value {
	t.Helper()
	v, err := secret.NewValue(name, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A container reads its secrets as files that it cannot change, and that nothing
// but memory has: not the engine's description of it, not a disk.
func TestThreat53SecretsAreFilesInMemoryForTheContainersUserAlone(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	secretsFlow(t, world, 10001)
}

func TestSecretsWhereUsersAreRemapped(t *testing.T) {
	t.Parallel()
	host := dockertest.SecondEngine{Shift: shift}.Start(t)
	secretsFlow(t, dockertest.New(t, dockertest.On(host)), shift+10001)
}

func secretsFlow(t *testing.T, world *dockertest.World, owner uint32) {
	t.Helper()
	const password, other = "correct horse\nbattery staple", "another secret value"
	world.Workspace(t, "ws", map[string]dockertest.File{"a": {Content: "a"}})
	spec := dockertest.Spec("task", "ws", `
		ls -la /run/secrets | awk '{print $1, $3, $9}' | tail -n +2; cat /run/secrets/DB_PASSWORD; echo
		chmod 600 /run/secrets/DB_PASSWORD 2>&1; echo x > /run/secrets/DB_PASSWORD; rm -f /run/secrets/DB_PASSWORD; touch /run/secrets/new
		grep ' /run/secrets ' /proc/mounts | cut -d' ' -f3,4 | cut -d, -f1; env; cat /proc/self/environ`)
	spec.Secrets = []secret.Value{secretValue(t, "DB_PASSWORD", password), secretValue(t, "kube.config", other)}
	status, output := world.Run(t, spec)
	if status.Reason != sandbox.ReasonOK && status.Reason != sandbox.ReasonAgentFailed {
		t.Fatalf("%+v\n%s", status, output)
	}
	for _, want := range []string{"dr-x------ coder .\n", "-r-------- coder DB_PASSWORD\n", "-r-------- coder kube.config\n", password + "\n", "tmpfs ro\n", "Read-only file system"} {
		if !strings.Contains(output, want) {
			t.Errorf("%q is missing in\n%s", want, output)
		}
	}
	if strings.Count(output, password) != 1 {
		t.Errorf("the environment has the secret:\n%s", output)
	}
	if about := world.Describe(t, "task"); strings.Contains(about, "correct horse") || strings.Contains(about, other) {
		t.Errorf("the engine knows the secret:\n%s", about)
	}
	dirs := world.SecretDirs(t)
	if len(dirs) != 1 || dockertest.Owner(t, dirs[0]) != owner {
		t.Fatalf("directories of secrets: %q", dirs)
	}
	if err := world.ForgetSecrets("task"); err != nil {
		t.Fatal(err)
	}
	if left := world.SecretDirs(t); len(left) != 0 {
		t.Errorf("after the run there are %q", left)
	}
}

func TestASecretIsAFileAndNothingElse(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	world.Workspace(t, "ws", map[string]dockertest.File{"a": {Content: "a"}})
	for name, secrets := range map[string][]secret.Value{
		"a path": {secretValue(t, "../x", "12345678")}, "hidden": {secretValue(t, ".x", "12345678")},
		"twice": {secretValue(t, "X", "12345678"), secretValue(t, "X", "87654321")}, "none": {{}},
	} {
		spec := dockertest.Spec("task", "ws", "true")
		spec.Secrets = secrets
		if _, err := world.Start(world.Context(t), spec); err == nil || !strings.Contains(err.Error(), "secrets") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Where anybody can make directories, somebody could make ours.
func TestSecretsAreNotWrittenIntoSomebodyElsesDirectory(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	world.Workspace(t, "ws", map[string]dockertest.File{"a": {Content: "a"}})
	own := world.SecretsRoot()
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(own) })
	if err := os.Chown(own, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	spec := dockertest.Spec("task", "ws", "true")
	spec.Secrets = []secret.Value{secretValue(t, "X", "12345678")}
	if _, err := world.Start(world.Context(t), spec); err == nil || !strings.Contains(err.Error(), "somebody else made it") {
		t.Errorf("%v", err)
	}
	if found, err := filepath.Glob(filepath.Join(own, "*")); err != nil || len(found) != 0 {
		t.Errorf("written: %q", found)
	}
}
