package world

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// OneLine is an agent that writes one line and ends.
const OneLine = "echo '// measured' >> main.go"

func (w *World) config() string { return filepath.Join(w.Dir, "coderflow.yaml") }

// configure writes the server's configuration and its one environment, "bench".
func (w *World) configure() {
	w.b.Helper()
	info := w.Forge.Info()
	text := fmt.Sprintf(`listen: %s
publicURL: http://%s
dataDir: %s
bootstrap: manifests
worker: {concurrency: %d}
github:
  apiURL: %s
  graphqlURL: %s
  gitURL: %s
  appID: %d
  privateKeyFile: %s
  webhookSecretFile: %s
`, w.Address, w.Address, filepath.Join(w.Dir, "data"), cmp.Or(w.options.Concurrency, 2),
		info.APIURL, info.GraphQLURL, info.GitURL, info.AppID, info.PrivateKeyFile, info.WebhookSecretFile)
	text += w.options.Extra
	if w.options.Postgres != "" {
		text += fmt.Sprintf("database: %q\n", w.options.Postgres)
	}
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		text += fmt.Sprintf("docker: {host: %q}\n", host)
	}
	for path, content := range map[string]string{"coderflow.yaml": text, "manifests/bench.yaml": w.Manifests()} {
		path = filepath.Join(w.Dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			w.b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			w.b.Fatal(err)
		}
	}
}

// Manifests are those of the environment.
func (w *World) Manifests() string {
	info := w.Forge.Info()
	var repositories strings.Builder
	for _, r := range info.Repositories {
		fmt.Fprintf(&repositories, "    - {name: %s, id: %d}\n", r.FullName, r.ID)
	}
	text := fmt.Sprintf(`apiVersion: coderflow.dev/v1
kind: Environment
metadata: {name: bench}
spec:
  description: Measured
  repositories:
%s  agent:
    preset: exec
    image: `+image+`
    command: [/bin/sh, -c, %q]
  limits: {memory: 256MiB, cpus: 1, pids: 64, wallTime: 10m}
`, repositories.String(), cmp.Or(w.options.Agent, OneLine))
	for _, u := range info.Users {
		role, known := map[string]string{Developer: "developer", Approver: "environment-admin"}[u.Login]
		if !known {
			continue
		}
		text += fmt.Sprintf(`---
apiVersion: coderflow.dev/v1
kind: RoleBinding
metadata: {name: %s}
spec: {subject: "github:%d (%s)", role: %s, resource: environment/bench}
`, u.Login, u.ID, u.Login, role)
	}
	return text
}
