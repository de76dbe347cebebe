package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/deploy"
)

// A deployment by a pipeline is shown with the pipeline's run, and claims no exit status.
func TestADeploymentByAPipelineIsShownWithItsRun(t *testing.T) {
	t.Parallel()
	w, c := signedIn(t)
	show := func(url string) {
		w.api.mu.Lock()
		defer w.api.mu.Unlock()
		for i := range w.api.runs {
			w.api.runs[i].Pipeline = deploy.PipelineRecord{
				Pipeline: deploy.Pipeline{Host: "azuredevops", Project: "Shop & <b>", Name: "release"}, Ref: "refs/heads/main", ID: "42", Run: "20260301.1", URL: url,
				Result: "failed",
			}
		}
	}
	show("https://dev.azure.com/acme/Shop/_build/results?buildId=42")
	_, page := w.get(c, w.server.URL+"/deployments/"+runHere)
	for _, want := range []string{"Shop &amp; &lt;b&gt; / release", `href="https://dev.azure.com/acme/Shop/_build/results?buildId=42"`, "20260301.1", "refs/heads/main"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(page, "exit status") {
		t.Error("the page has an exit status")
	}
	show("javascript:alert(1)")
	if _, page := w.get(c, w.server.URL+"/deployments/"+runHere); strings.Contains(page, "javascript:") {
		t.Error("a link that runs a script")
	}
	api, secret := newDeployWorld(t)
	api.runs[0].Pipeline = deploy.PipelineRecord{Pipeline: deploy.Pipeline{Host: "azuredevops", Project: "Shop", Name: "release"}, Ref: "refs/heads/main", ID: "42"}
	answer := api.ask(http.MethodGet, "/deployments/"+api.runs[0].ID, secret)
	v := decoded[deploymentView](t, answer)
	if answer.Code != http.StatusOK || v.ExitCode != nil || v.Pipeline == nil || v.Pipeline.Run != "42" || v.Pipeline.Result != "" {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}
