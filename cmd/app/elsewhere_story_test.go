package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/gateway/modeltest"
	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
	"github.com/coderflow/coderflow/internal/task"
)

// The whole story on an engine that does not see the server's files, over TLS: the agent asks a model through the
// relay, before the server is killed and after another one has begun; a check looks at the result; a person approves;
// the commit lands and is deployed with a secret.
func TestTheStoryOnAnEngineElsewhere(t *testing.T) {
	t.Parallel()
	engine := dockertest.StartElsewhere(t)
	model := startModel(t, modeltest.Script{})
	w := newWorld(t, withModel(t, model, "checks:\n  - {name: sums, command: [grep, -q, 'total += $2', receipt.awk]}\n"), bashAgent(`
		post /v1/messages "$hello"
		until [ -s .git/go-on ]; do sleep .2; done
		within=280 post /v1/messages "$hello"
		`+quickAgent+`
	`), onEngine(engine), func(_ *emulator.Options, s *settings) {
		s.Secrets, s.Script = "TOKEN", `test "$(cat /run/secrets/TOKEN)" = "token of the shop" && echo "deployed with its secret"; cat receipt.awk`
	})
	w.setSecret("staging/TOKEN", "deploy", "token of the shop")
	issue := w.run(maria)
	running := w.taskOf(issue.Number, task.Running)
	w.wait("the first answer of the model", func(context.Context) (bool, error) { return len(model.Requests()) == 1, nil })
	w.server.kill()
	w.start()
	engine.Exec(t, string(running.ID), "echo now > .git/go-on")
	proposed := w.taskOf(issue.Number, task.Proposed)
	if said := w.output("task/" + string(proposed.ID)); strings.Count(said, "HTTP/1.1 200 OK") != 2 {
		t.Errorf("the model was not reached twice:\n%s", said)
	}
	w.approve(tom, proposed.PullRequest, "ship it\n\n/coderflow deploy publish")
	done := w.taskOf(issue.Number, task.Done)
	runs, err := w.db().DeployRuns(t.Context(), done.ID)
	if err != nil || len(runs) != 1 || runs[0].State != deploy.Succeeded {
		t.Fatalf("deployments: %+v, %v", runs, err)
	}
	if said := w.output("deploy/" + runs[0].ID); !strings.Contains(said, "deployed with its secret") || !strings.Contains(said, "total += $2 * $3") {
		t.Errorf("the deployment said\n%s", said)
	}
	if found := engine.Holders(t); len(found) > 0 {
		t.Errorf("containers ended, and what they needed beside them is left: %q", found)
	}
}

// onEngine has the server use an engine elsewhere over TLS.
func onEngine(e *dockertest.Elsewhere) worldOption {
	return func(_ *emulator.Options, s *settings) {
		s.Extra += fmt.Sprintf("docker:\n  host: %s\n  files: copy\n  tls: {caFile: %s, certFile: %s, keyFile: %s}\n",
			e.TLS.Host, e.TLS.TLS.CAFile, e.TLS.TLS.CertFile, e.TLS.TLS.KeyFile)
	}
}
