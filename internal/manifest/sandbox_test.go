package manifest

import (
	"fmt"
	"strings"
	"testing"
)

func TestAnEnvironmentMayNameTheRuntimeOfItsContainers(t *testing.T) {
	t.Parallel()
	set, err := Parse(map[string][]byte{"a.yaml": []byte(minimalEnvironment + "  sandbox: {runtime: runsc}\n")})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Parse(map[string][]byte{"a.yaml": []byte(minimalEnvironment)})
	if err != nil {
		t.Fatal(err)
	}
	if set.Environments["staging"].Sandbox.Runtime != "runsc" || set.Version == plain.Version {
		t.Errorf("%+v", set.Environments)
	}
	stored, err := ParseCanonical(set.Canonical())
	if err != nil || stored.Environments["staging"].Sandbox.Runtime != "runsc" {
		t.Errorf("it is lost in the database: %v", err)
	}
	for value, want := range map[string]string{
		"--privileged": "spec.sandbox.runtime", "a b": "spec.sandbox.runtime", "runsc, privileged: true": "privileged",
	} {
		_, err := Parse(map[string][]byte{"a.yaml": []byte(minimalEnvironment + "  sandbox: {runtime: " + value + "}\n")})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// Every limit has a lower and an upper end, each named by the manifest's own key, and none means "unlimited".
func TestEveryLimitHasItsRange(t *testing.T) {
	t.Parallel()
	for key, values := range map[string][]string{
		"memory": {"1MiB", "2048GiB", "-1"}, "cpus": {"0.01", "5000", "-1"}, "pids": {"1", "1000000", "-1"},
		"openFiles": {"1", "100000000", "-1"}, "fileSize": {"1KiB", "100000GiB"}, "tmp": {"1KiB", "10000GiB"},
		"home": {"1KiB", "10000GiB"}, "outputBytes": {"1", "100GiB"}, "wallTime": {"1ms", "1000h", "-1s"},
		"grace": {"1ms", "2h"}, "cleanupTime": {"1ms", "5h"}, "workspace": {"1KiB", "1000000GiB"}, "workspaceFiles": {"1", "100000000000"},
	} {
		for _, value := range values {
			text := fmt.Sprintf("%s  limits: {%s: %s}\n", minimalEnvironment, key, value)
			if _, err := Parse(map[string][]byte{"a.yaml": []byte(text)}); err == nil || !strings.Contains(err.Error(), "spec.limits."+key) {
				t.Errorf("%s: %s is accepted, or refused under another name: %v", key, value, err)
			}
		}
	}
}
