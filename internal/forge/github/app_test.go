package github_test

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/coderflow/coderflow/internal/forge/github"
)

type manifest struct {
	Name        string            `yaml:"name"`
	Description string            `yaml:"description"`
	URL         string            `yaml:"url"`
	Public      *bool             `yaml:"public"`
	Hook        map[string]any    `yaml:"hook_attributes"`
	Redirect    string            `yaml:"redirect_url"`
	Callbacks   []string          `yaml:"callback_urls"`
	Permissions map[string]string `yaml:"default_permissions"`
	Events      []string          `yaml:"default_events"`
}

func readManifest(t *testing.T) manifest {
	t.Helper()
	text, err := os.ReadFile("../../../app.yml")
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := yaml.UnmarshalWithOptions(text, &m, yaml.DisallowUnknownField()); err != nil {
		t.Fatalf("app.yml: %v", err)
	}
	return m
}

func TestAppManifestAsksForExactlyWhatTheCodeUses(t *testing.T) {
	t.Parallel()
	m := readManifest(t)
	if want := github.AppPermissions(); !maps.Equal(m.Permissions, want) {
		t.Errorf("app.yml asks for %v, the operations need %v", m.Permissions, want)
	}
	if want := github.AppEvents(); !slices.Equal(slices.Sorted(slices.Values(m.Events)), want) {
		t.Errorf("app.yml subscribes to %v, the decoder handles %v", m.Events, want)
	}
	if m.Public == nil || *m.Public {
		t.Error("app.yml: the App has to be private")
	}
	if m.Name == "" || m.URL == "" || m.Redirect == "" || m.Hook["url"] == "" {
		t.Errorf("app.yml lacks a name or an address: %+v", m)
	}
}

// Threat 36: no permission that would let agent code change what runs in CI or what guards a branch.
func TestThreat36AppHasNoPermissionOverWorkflowsOrProtection(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"workflows", "administration", "actions", "secrets", "organization_administration"} {
		if level, asked := readManifest(t).Permissions[name]; asked {
			t.Errorf("app.yml asks for %s: %s", name, level)
		}
	}
	if level := readManifest(t).Permissions["members"]; level != "read" {
		t.Errorf("app.yml asks for members: %s, which lets it put people into teams", level)
	}
}
