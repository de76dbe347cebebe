package main

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/forge/github"
)

// demoFiles are the sample project, the demo's agent and its deployment script.
//
//go:embed all:demo
var demoFiles embed.FS

// The people of the playground. Each file of the story names them the same.
const (
	maria = "maria" // developer: may start tasks, may not approve
	tom   = "tom"   // environment-admin: may approve and deploy
	eve   = "eve"   // may read the repository, has no role in CoderFlow
)

// samplePeople are in the order in which they are made, so that their ids are the same every time.
var samplePeople = []struct{ login, name, access string }{
	{maria, "Maria Okafor", "write"}, {tom, "Tom Lindqvist", "write"}, {eve, "Eve Adams", "read"},
}

const (
	sampleOwner = "acme"
	sampleName  = "receipts"
	sampleRepo  = sampleOwner + "/" + sampleName
)

// startForge starts a local forge with the sample people and project.
//
// Its App has what app.yml asks for and nothing more (a test holds app.yml to the
// same two functions), so that the flow is always played with the least permissions.
func startForge(ctx context.Context, o emulator.Options) (*emulator.Forge, error) {
	if o.Kind != forge.AzureDevOps {
		o.App = &emulator.AppManifest{
			// Where people come back to after signing in; on this machine the port is free.
			CallbackURLs: []string{"http://127.0.0.1/auth/github/callback"},
			Name:         "CoderFlow", URL: "https://coderflow.dev", Events: github.AppEvents(), Permissions: github.AppPermissions(),
		}
	}
	hub, err := emulator.New(o)
	if err != nil {
		return nil, fmt.Errorf("make the local forge: %w", err)
	}
	if err := hub.Start(ctx); err != nil {
		return nil, fmt.Errorf("start the local forge on %s: %w", o.Listen, err)
	}
	if err := seed(hub); err != nil {
		return nil, fmt.Errorf("fill the local forge: %w", err)
	}
	return hub, nil
}

func seed(hub *emulator.Forge) error {
	if _, err := hub.CreateUser(sampleOwner, emulator.UserOptions{Organization: true}); err != nil {
		return err
	}
	for _, person := range samplePeople {
		if _, err := hub.CreateUser(person.login, emulator.UserOptions{Name: person.name}); err != nil {
			return err
		}
	}
	files, err := sampleProject()
	if err != nil {
		return err
	}
	if _, err := hub.CreateRepository(sampleOwner, sampleName, files, emulator.RepositoryOptions{
		Description: "Prints the total of a receipt",
	}); err != nil {
		return err
	}
	for _, person := range samplePeople {
		if err := hub.AddCollaborator(sampleRepo, person.login, person.access); err != nil {
			return err
		}
	}
	_, err = hub.Install(sampleRepo)
	return err
}

func sampleProject() (map[string]string, error) {
	const root = "demo/project"
	files := map[string]string{}
	err := fs.WalkDir(demoFiles, root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := demoFiles.ReadFile(path)
		files[strings.TrimPrefix(path, root+"/")] = string(content)
		return err
	})
	return files, err
}

var demoManifests = template.Must(template.New("manifests").Funcs(template.FuncMap{
	"indent": func(n int, text string) string {
		return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+strings.Repeat(" ", n))
	},
}).Parse(`apiVersion: coderflow.dev/v1
kind: Environment
metadata:
  name: staging
spec:
  description: The sample project on the local forge
  repositories:
    - {{.Repository}}
  agent:
{{- if .Preset}}
    preset: {{.Preset}}
{{- else}}
    preset: exec
    command:
      - /bin/sh
      - -c
      - |
        {{indent 8 .Agent}}
{{- end}}
  limits: {memory: {{.Memory}}, cpus: 1, pids: 128, wallTime: 5m{{.Limits}}}
{{- if .Spec}}
  {{indent 2 .Spec}}
{{- end}}
---
apiVersion: coderflow.dev/v1
kind: DeploymentProfile
metadata:
  name: publish
  environment: staging
spec:
  description: Publishes the landed commit
  timeout: 2m
{{- if .Secrets}}
  secrets: [{{.Secrets}}]
{{- end}}
{{- if .Network}}
  network: {{.Network}}
{{- end}}
  parameters:
    - {name: channel, description: Where it goes, type: select, options: [beta, stable], default: beta}
  script: |
    {{indent 4 .Script}}
---
apiVersion: coderflow.dev/v1
kind: RoleBinding
metadata:
  name: maria-develops
spec: {subject: "{{.Maria}} (maria)", role: developer, resource: environment/staging}
---
apiVersion: coderflow.dev/v1
kind: RoleBinding
metadata:
  name: tom-approves
spec: {subject: "{{.Tom}} (tom)", role: environment-admin, resource: environment/staging}
`))

// installation is a configuration for the local forge in a directory of its own.
type installation struct {
	dir    string
	config string // path of coderflow.yaml
}

// settings are what an installation can differ in.
type settings struct {
	Agent   string // shell text of the agent; empty: the demo's
	Preset  string // of an agent with a command of its own, instead of Agent
	Memory  string // of the agent's container; empty: 512MiB
	Limits  string // more limits of it, each after a comma
	Spec    string // more lines for the environment's spec
	Secrets string // names of the profile's secrets
	Network string // of the profile; empty: none
	Script  string // shell text of the profile publish; empty: the demo's
	Listen  string // of the server
	Extra   string // more lines for coderflow.yaml
}

func (s settings) withDefaults() (settings, error) {
	for text, fallback := range map[*string]string{&s.Agent: "demo/agent.sh", &s.Script: "demo/publish.sh"} {
		if *text == "" {
			content, err := demoFiles.ReadFile(fallback)
			if err != nil {
				return s, err
			}
			*text = string(content)
		}
	}
	if s.Listen == "" {
		s.Listen = "127.0.0.1:0"
	}
	if s.Extra == "" {
		s.Extra = "reconcile: {interval: 30s}"
	}
	return s, nil
}

// publicURL is where people reach the server; of a port that is not known yet it
// is the usual one.
func (s settings) publicURL() string {
	if strings.HasSuffix(s.Listen, ":0") {
		return "http://127.0.0.1:8080"
	}
	return "http://" + s.Listen
}

// install writes configuration and manifests for a server on the local forge.
func install(dir string, info emulator.Info, s settings) (installation, error) {
	s, err := s.withDefaults()
	if err != nil {
		return installation{}, err
	}
	var manifests strings.Builder
	err = demoManifests.Execute(&manifests, map[string]any{
		"Repository": sampleEntry(info), "Script": s.Script,
		"Agent": s.Agent, "Preset": s.Preset, "Memory": cmp.Or(s.Memory, "512MiB"), "Spec": s.Spec, "Limits": s.Limits, "Secrets": s.Secrets, "Network": s.Network,
		"Maria": sampleSubject(info, maria), "Tom": sampleSubject(info, tom),
	})
	if err != nil {
		return installation{}, fmt.Errorf("write the demo's manifests: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "manifests"), 0o700); err != nil {
		return installation{}, err
	}
	in := installation{dir: dir, config: filepath.Join(dir, "coderflow.yaml")}
	text := fmt.Sprintf(`listen: %s
publicURL: %s
dataDir: %s
bootstrap: manifests
%s
%s
`, s.Listen, s.publicURL(), filepath.Join(dir, "data"), forgeSection(info), s.Extra)
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		text += fmt.Sprintf("docker: {host: %q}\n", host)
	}
	for path, content := range map[string]string{in.config: text, filepath.Join(dir, "manifests", "demo.yaml"): manifests.String()} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return installation{}, fmt.Errorf("write the demo's configuration: %w", err)
		}
	}
	return in, nil
}

func (in installation) load() (config.Config, error) { return config.Load(in.config, nil) }
