package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/coderflow/coderflow/internal/forge"
)

// The pipeline that CoderFlow runs declares what it is given, is run by nothing else, and
// puts no value into a script.
func TestTheTemplateOfAPipelineThatIsRunTakesValuesLiterally(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../manifests/pipelines/azure-pipelines-deployment.yml")
	if err != nil {
		t.Fatal(err)
	}
	var in struct {
		Parameters []struct {
			Name    string
			Default any
		}
		Trigger, PR, Name string
	}
	if err := yaml.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	if in.Trigger != "none" || in.PR != "none" || !strings.Contains(in.Name, "${{ parameters."+forge.PipelineKey+" }}") {
		t.Errorf("%+v", in)
	}
	if len(in.Parameters) != 3 || in.Parameters[0].Name != forge.PipelineKey || in.Parameters[0].Default != nil {
		t.Errorf("parameters %+v", in.Parameters)
	}
	steps, err := azureSteps(text)
	if err == nil || len(steps) > 0 { // it checks the repository out, which the other templates do not
		t.Errorf("%+v, %v", steps, err)
	}
	script := string(text[strings.Index(string(text), "- bash: |"):strings.Index(string(text), "displayName: release")])
	if strings.Contains(script, "$(") || strings.Contains(script, "${{") {
		t.Errorf("values are put into the script:\n%s", script)
	}
	for _, p := range in.Parameters[1:] {
		if !strings.Contains(string(text), ": ${{ parameters."+p.Name+" }}\n") {
			t.Errorf("%s is not passed as a variable", p.Name)
		}
	}
}

// Every flag that a template gives to the program is one that it has.
func TestTheFlagsOfTheTemplatesExist(t *testing.T) {
	t.Parallel()
	var help strings.Builder
	if code := run(t.Context(), []string{"deploy", "--help"}, streams{&help, &help}); code != 0 {
		t.Fatalf("no help: %d\n%s", code, help.String())
	}
	for _, name := range []string{"azure-pipelines.yml", "github-actions.yml"} {
		text, err := os.ReadFile("../../manifests/pipelines/" + name)
		if err != nil {
			t.Fatal(err)
		}
		command := regexp.MustCompile(`(?s)coderflow deploy production/publish.*?--reason \S+`).FindString(string(text))
		flags := regexp.MustCompile(`--[a-z-]+`).FindAllString(command, -1)
		if !slices.Contains(flags, "--wait") || !slices.Contains(flags, "--token-file") {
			t.Errorf("%s: flags %q of %q", name, flags, command)
		}
		for _, flag := range flags {
			if !regexp.MustCompile(regexp.QuoteMeta(flag) + `\b`).MatchString(help.String()) {
				t.Errorf("%s: deploy has no %s", name, flag)
			}
		}
	}
}
