package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/manifest"
)

const deployDir = "../../manifests/deploy"

// The configurations beside the manifests load as they are, but for where the secrets lie.
func TestConfigurationsForDeployingLoad(t *testing.T) {
	t.Parallel()
	secrets := t.TempDir()
	for _, name := range []string{"github.pem", "webhook-secret", "anthropic.key"} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte("x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"compose/coderflow.yaml", "kubernetes/overlays/example/coderflow.yaml"} {
		text := string(content(t, deployDir, path))
		text = regexp.MustCompile(`(File: )/run/secrets/(?:coderflow/)?`).ReplaceAllString(text, "${1}"+secrets+"/")
		local := filepath.Join(t.TempDir(), "coderflow.yaml")
		if err := os.WriteFile(local, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(local, []string{"CODERFLOW_DATABASE=postgres://coderflow@database/coderflow"})
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if c.DataDir != "/var/lib/coderflow" || c.GitHub == nil || c.Models["anthropic"].Key.Reveal() != "x" {
			t.Errorf("%s is read as %+v", path, c)
		}
	}
}

func TestManifestsOfTheOverlayApply(t *testing.T) {
	t.Parallel()
	if _, err := manifest.Load(filepath.Join(deployDir, "kubernetes/overlays/example/manifests.yaml")); err != nil {
		t.Error(err)
	}
}

// Every CODERFLOW_ variable in a manifest or unit is one that a key has.
func TestVariablesOfDeploymentsAreKeys(t *testing.T) {
	t.Parallel()
	var known []string
	for _, key := range config.Keys() {
		known = append(known, config.Variable(key))
	}
	found := 0
	for _, path := range deployFiles(t, ".yaml", ".service", ".conf", ".sample") {
		for _, name := range regexp.MustCompile(`\bCODERFLOW_[A-Z_]+\b`).FindAllString(string(content(t, path)), -1) {
			found++
			if name != "CODERFLOW_" && !slices.Contains(known, name) {
				t.Errorf("%s: there is no key for %s", path, name)
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d were found", found)
	}
}

func deployFiles(t *testing.T, extensions ...string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(deployDir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && slices.Contains(extensions, filepath.Ext(path)) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// systemd itself reads the units: it warns of what it does not know, and rates what a service may do.
func TestUnitsAreWhatSystemdUnderstands(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "coderflow")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil { //nolint:gosec // systemd asks whether it could run it
		t.Fatal(err)
	}
	for _, c := range []struct {
		unit, dropIn string
		exposure     string // at most, in tenths; 9.6 is a service without any of it
	}{
		{"coderflow.service", "", "20"},
		{"coderflow.service", "coderflow.service.d/no-worker.conf", "20"},
		{"coderflow-worker.service", "", "20"},
	} {
		dir := t.TempDir()
		install := func(name string) {
			t.Helper()
			text := strings.ReplaceAll(string(content(t, deployDir, "systemd", name)), "/usr/local/bin/coderflow", program)
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a unit is for everybody
				t.Fatal(err)
			}
		}
		install(c.unit)
		if c.dropIn != "" {
			install(c.dropIn)
		}
		for _, args := range [][]string{{"verify", "--man=no", "--recursive-errors=no"}, {"security", "--offline=true", "--no-pager", "--threshold=" + c.exposure}} {
			text, err := exec.CommandContext(t.Context(), "systemd-analyze", append(args, filepath.Join(dir, c.unit))...).CombinedOutput()
			if err != nil || args[0] == "verify" && len(text) > 0 {
				t.Errorf("%s %s: %s: %v (systemd-analyze is in Debian's package systemd)\n%s", c.unit, c.dropIn, args[0], err, text)
			}
		}
		if unit := string(content(t, dir, c.unit)); !strings.Contains(unit, "\nTimeoutStopSec=30\n") || !strings.Contains(unit, "\nNoNewPrivileges=yes\n") {
			t.Errorf("%s stops too soon, or may gain rights", c.unit)
		}
	}
}
