package agenttest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/gateway/modeltest"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// record writes the outputs of the agents where internal/agent/activity tests with them.
var record = flag.Bool("record", false, "record the agents' outputs in ../activity/testdata")

// each runs a test with every selected agent, one after the other: they are large, and some are slow to start when
// they have to share a machine.
func each(t *testing.T, test func(t *testing.T, name string)) {
	t.Helper()
	for _, name := range Selected(t) {
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

func start(t *testing.T, name string, script modeltest.Script, prompt string) (*dockertest.World, *Gateway, sandbox.Spec) {
	t.Helper()
	world := dockertest.New(t)
	world.Workspace(t, "task-"+name, map[string]dockertest.File{"README.md": {Content: "hello\n"}})
	g := NewGateway(t, script)
	return world, g, Spec(t, "task-"+name, Config(name, prompt), g)
}

// allowed are the paths that the gateway lets through.
var allowed = regexp.MustCompile(`^POST /v1/(messages(/count_tokens)?(\?beta=true)?|responses|chat/completions)$|` +
	`^POST /v1beta/models/[^/:]+:(generateContent|streamGenerateContent\?alt=sse|countTokens)$`)

// webTool finds tools that need what is not there, or that a provider would run outside.
var webTool = regexp.MustCompile(`"(?:name|type)":\s*"(?i:web_?search|web_?fetch|google_web_search|websearch)[^"]*"`)

// checkRequests holds what the agent asked the gateway for against what the gateway allows, and its keys against the
// dummy.
func checkRequests(t *testing.T, g *Gateway) {
	t.Helper()
	requests := g.Model.Requests()
	if len(requests) == 0 {
		t.Error("no model was asked")
	}
	for _, r := range requests {
		if asked := r.Method + " " + r.Path; !allowed.MatchString(asked) {
			t.Errorf("asked for %s", asked)
		}
	}
	for _, r := range requests {
		if tool := webTool.Find(r.Body); tool != nil {
			t.Errorf("offered its model a tool of the web: %s", tool)
		}
	}
	for _, key := range g.Keys() {
		if key != agent.DummyKey {
			t.Errorf("sent the key %q", key)
		}
	}
	for _, problem := range g.Model.Problems() {
		t.Errorf("the model did not understand: %s", problem)
	}
}

func events(t *testing.T, name, output string) []activity.Event {
	t.Helper()
	preset, err := agent.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	all, err := activity.Parse(preset.Output, strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func keep(t *testing.T, name, output string) {
	t.Helper()
	if !*record {
		return
	}
	if err := os.WriteFile(filepath.Join("..", "activity", "testdata", name+".jsonl"), []byte(output), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestARealAgentWorksInAContainerWithoutANetwork(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		world, g, spec := start(t, name, modeltest.Script{
			Turns: []modeltest.Turn{
				{Say: "I look around first.", Run: "ls -la && cat README.md && sleep 0.5"}, // qwen loses output at exit
				{Say: "Now I write the file.", Run: "echo made > made.txt"},
				{Run: "cat made.txt; sleep 0.3; echo oops >&2; sleep 0.5; exit 3"}, // agents read the two streams apart
			},
			Final: "I made made.txt.\n\nIt holds one line.",
		}, "Make made.txt.")
		spec.Inputs.Cleanup = []byte(countersScript)
		status, output := Run(t, world, spec)
		output, tried := counters(t, output)
		keep(t, name, output)
		if status.Reason != sandbox.ReasonOK || status.ExitCode != 0 {
			t.Fatalf("it ended badly:\n%s", Describe(status, output, g))
		}
		t.Logf("%s: first request %d ms after the container's start, %d requests, ended after %d ms", name,
			g.Model.Requests()[0].At.Sub(status.StartedAt).Milliseconds(), len(g.Model.Requests()),
			status.FinishedAt.Sub(status.StartedAt).Milliseconds())
		if got := changes(t, world, spec, g); got["made.txt"] != "made\n" || len(got) != 1 {
			t.Errorf("the workspace holds %q\n%s", got, Describe(status, output, g))
		}
		checkRequests(t, g)
		if len(tried) > 0 {
			t.Errorf("it tried to reach something else: %v", tried)
		}
		all := events(t, name, output)
		if summary := activity.Summary(all); summary != "I made made.txt.\n\nIt holds one line." {
			t.Errorf("summary %q", summary)
		}
		if outcome := activity.Conclude(all); outcome.Verdict != activity.Done {
			t.Errorf("%+v", outcome)
		}
		for _, want := range []activity.Event{
			{Kind: activity.Message, Text: "I look around first."},
			{Kind: activity.ToolUse, Text: "echo made > made.txt"},
			{Kind: activity.Result, Text: "README.md"},
			{Kind: activity.Result, Text: "made\noops"},
		} {
			if !slices.ContainsFunc(all, func(e activity.Event) bool { return e.Kind == want.Kind && strings.Contains(e.Text, want.Text) }) {
				t.Errorf("the feed has no %s with %q: %+v", want.Kind, want.Text, all)
			}
		}
	})
}

// changes returns the files that differ from the base, with their content.
func changes(t *testing.T, world *dockertest.World, spec sandbox.Spec, g *Gateway) map[string]string {
	t.Helper()
	inspect := spec
	inspect.Name, inspect.Image, inspect.SocketDir = spec.Name+"-look", dockertest.Image, ""
	inspect.Inputs, inspect.Env = sandbox.Inputs{}, nil
	inspect.Argv = []string{"/bin/sh", "-c", `git status --porcelain -z --untracked-files=all | while IFS= read -r -d "" line; do
		printf '%s %s\n' "${line#???}" "$(base64 -w 0 <"${line#???}")"; done`}
	inspect.Argv[0] = "/bin/bash"
	status, output := world.Run(t, inspect)
	if status.Reason != sandbox.ReasonOK {
		t.Fatalf("looking at the workspace:\n%s", Describe(status, output, g))
	}
	found := map[string]string{}
	for line := range strings.Lines(output) {
		name, content, _ := strings.Cut(strings.TrimSpace(line), " ")
		found[name] = decode64(t, content)
	}
	return found
}

func TestARealAgentReportsThatItsModelRefuses(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		// A prompt that looks like an option is a prompt.
		const prompt = "--help \"me\" please\nwith {model} and $(id)"
		world, g, spec := start(t, name, modeltest.Script{Turns: []modeltest.Turn{
			{Say: "I look around first.", Run: "ls -la && cat README.md"},
			{Status: 403, Error: "coderflow: the budget of this task is spent"},
		}}, prompt)
		status, output := Run(t, world, spec)
		keep(t, name+"-refused", output)
		if took := status.FinishedAt.Sub(status.StartedAt); took > time.Minute {
			t.Errorf("it went on for %s", took)
		}
		checkRequests(t, g)
		outcome := activity.Conclude(events(t, name, output))
		if outcome.Verdict != activity.Failed || !strings.Contains(outcome.Reason, "the budget of this task is spent") {
			t.Errorf("%+v\n%s", outcome, Describe(status, output, g))
		}
		sent, err := json.Marshal(`please` + "\n" + `with {model} and $(id)`)
		if err != nil {
			t.Fatal(err)
		}
		if body := g.Model.Requests()[0].Body; !bytes.Contains(body, bytes.Trim(sent, `"`)) || !bytes.Contains(body, []byte("--help")) {
			t.Errorf("the prompt did not arrive")
		}
	})
}

// THREATS.md row 22: neither the agent's environment nor its HOME holds anything but dummies.
func TestThreat22ARealAgentsShellFindsNoKey(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		world, g, spec := start(t, name, modeltest.Script{Turns: modeltest.Shell(
			"{ env; cat /proc/[0-9]*/environ | tr '\\0' '\\n'; grep -r -a -i -h -E 'key|token' /home/coder; } >seen.txt 2>/dev/null; true",
			"id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status; touch /opt/coderflow/agent/x || echo read-only",
		)}, "Look for keys.")
		status, output := Run(t, world, spec)
		if status.Reason != sandbox.ReasonOK {
			t.Fatalf("it ended badly:\n%s", Describe(status, output, g))
		}
		checkRequests(t, g)
		seen := changes(t, world, spec, g)["seen.txt"]
		if strings.Contains(seen, modeltest.Key) || !strings.Contains(seen, agent.PromptFileVariable) {
			t.Errorf("the agent's shell saw the model's key, or nothing: %.2000q", seen)
		}
		for _, found := range regexp.MustCompile(`(?m)^\w*(?:API_KEY|MODEL_KEY|AUTH_TOKEN|ACCESS_TOKEN|SECRET)=(.*)$`).FindAllStringSubmatch(seen, -1) {
			if found[1] != agent.DummyKey {
				t.Errorf("the agent's shell saw %s", found[0])
			}
		}
		requests := g.Model.Requests()
		answer := string(requests[len(requests)-1].Body)
		for _, want := range []string{"10001", `CapEff:\t0000000000000000`, `NoNewPrivs:\t1`, "read-only"} {
			if !strings.Contains(answer, want) {
				t.Errorf("the tool's answer lacks %s", want)
			}
		}
	})
}

// The programs of an image belong to root and have no way to gain rights; nothing of npm is left in it.
func TestAnImageHoldsItsAgentAndNothingWritable(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		world := dockertest.New(t)
		world.Workspace(t, "image-"+name, map[string]dockertest.File{"README.md": {Content: "hello\n"}})
		spec := dockertest.Spec("image-"+name, "image-"+name, `set -e
			command -v `+name+`
			echo "bad: $(find /opt /usr/local -xdev \( ! -user root -o -perm /022 ! -type l -o -perm /6000 \) | head -5 | tr '\n' ' ')"
			echo "npm: $(find / -xdev \( -name .npmrc -o -name package-lock.json -o -name .package-lock.json \) 2>/dev/null | head -5 | tr '\n' ' ')"
			if [ -e /opt/coderflow/agent/app ]; then /opt/coderflow/agent/node --version; fi`)
		spec.Image = Image(t, name)
		status, output := world.Run(t, spec)
		if status.Reason != sandbox.ReasonOK || !strings.Contains(output, "/usr/local/bin/"+name+"\n") ||
			!strings.Contains(output, "bad: \n") || !strings.Contains(output, "npm: \n") {
			t.Errorf("%+v\n%s", status, output)
		}
	})
}

func decode64(t *testing.T, text string) string {
	t.Helper()
	content, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatalf("%.100q: %v", text, err)
	}
	return string(content)
}
