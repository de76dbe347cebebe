package validate

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// project is what `docker compose config` shows, of the loader and the schema that it has.
func project(t *testing.T, files ...string) *types.Project {
	t.Helper()
	for i := range files {
		files[i] = filepath.Join("../compose", files[i])
	}
	options, err := cli.NewProjectOptions(files, cli.WithEnvFiles("../compose/env.sample"), cli.WithDotEnv, cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestServicesHaveTheLeastRights(t *testing.T) {
	t.Parallel()
	p := project(t, "compose.yaml")
	for _, name := range []string{"server", "worker", "keys", "postgres"} {
		s, err := p.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		if user, _, _ := strings.Cut(s.User, ":"); user == "" || user == "0" || !s.ReadOnly || s.Privileged || len(s.CapAdd) > 0 ||
			!slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) || s.PidsLimit == 0 {
			t.Errorf("%s: user %s, read only %v, capabilities +%v -%v, %v", name, s.User, s.ReadOnly, s.CapAdd, s.CapDrop, s.SecurityOpt)
		}
		for key := range s.Environment {
			if strings.Contains(key, "PASSWORD") && !strings.HasSuffix(key, "_FILE") {
				t.Errorf("%s: %s is a secret in a variable", name, key)
			}
		}
		socket := slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return strings.HasSuffix(v.Source, "docker.sock") })
		if socket != (name == "worker") {
			t.Errorf("%s has the engine's socket: %v", name, socket)
		}
		if slices.ContainsFunc(s.Tmpfs, func(at string) bool { return at == "/run" || strings.HasPrefix(at, "/run:") }) {
			t.Errorf("%s: the engine does not see its /run", name)
		}
	}
	if server := p.Services["server"]; len(server.Ports) != 1 || server.Ports[0].HostIP != "127.0.0.1" {
		t.Errorf("the server is open to %+v", server.Ports)
	}
	if !p.Networks["database"].Internal || len(p.Services["postgres"].Networks) != 1 {
		t.Error("the database is not in a network of its own")
	}
}

// The engine is on the machine: what the worker tells it to mount is at the same path there.
func TestTheWorkersFilesAreWhereTheEngineFindsThem(t *testing.T) {
	t.Parallel()
	found := 0
	for _, v := range project(t, "compose.yaml").Services["worker"].Volumes {
		if v.Target == "/var/lib/coderflow" || v.Target == "/dev/shm" {
			found++
			if v.Type != types.VolumeTypeBind || v.Source != v.Target || v.ReadOnly {
				t.Errorf("%s is %s %s", v.Target, v.Type, v.Source)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 directories are there", found)
	}
}

func TestTheWorkerCanHaveOneCapability(t *testing.T) {
	t.Parallel()
	s := project(t, "compose.yaml", "compose.secrets.yaml").Services["worker"]
	if s.User != "0:0" || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.Entrypoint, "--bounding-set=-all,+chown") ||
		!slices.Contains(s.Entrypoint, "--groups=999") || s.Command[0] != "worker" {
		t.Errorf("%+v", s)
	}
}
