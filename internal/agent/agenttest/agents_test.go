package agenttest

import (
	"os"
	"testing"

	"github.com/coderflow/coderflow/internal/gateway/modeltest"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

func TestRec(t *testing.T) {
	for _, name := range Selected(t) {
		t.Run(name, func(t *testing.T) {
			world := dockertest.New(t)
			world.Workspace(t, "task-"+name, map[string]dockertest.File{"README.md": {Content: "hello\n"}})
			g := NewGateway(t, modeltest.Script{
				Turns: []modeltest.Turn{{Say: "I look around first.", Run: "ls -la && cat README.md"}, {Status: 403, Error: "coderflow: the budget of this task is spent"}},
			})
			spec := Spec(t, "task-"+name, Config(name, "--help \"me\" please\nwith {model}"), g)
			status, output := Run(t, world, spec)
			os.WriteFile("/tmp/ag/err-"+name+".jsonl", []byte(output), 0o644)
			t.Log(Describe(status, output, g), g.Keys())
			t.Log(string(g.Model.Requests()[0].Body[len(g.Model.Requests()[0].Body)-3000:]))
		})
	}
}
