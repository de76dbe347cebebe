package main

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/coderflow/coderflow/internal/task"
)

// noisyScript writes what a page must not act on, and ends badly.
const noisyScript = `echo "publishing $CODERFLOW_COMMIT to $PARAM_CHANNEL"
printf '\033[31m<script>document.title="owned"</script>\033[0m\n'
echo "the disk is full" >&2
exit 7`

// A person reads the history of deployments in a real browser, without a script,
// in the light and in the dark, and how it came to one: the approval chain and the log.
func TestPeopleReadTheHistoryOfDeploymentsInARealBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withScript(noisyScript))
	issue := w.run(maria)
	proposed := w.taskOf(issue.GetNumber(), task.Proposed)
	w.approve(tom, proposed.PullRequest, "Count every item\n\n/coderflow deploy publish channel=stable")
	w.taskOf(issue.GetNumber(), task.Done)

	p := newPage(t)
	history := "http://" + w.address + "/deployments"
	p.do(chromedp.Navigate(history), chromedp.WaitVisible("a.button", chromedp.ByQuery), chromedp.Click("a.button", chromedp.ByQuery), chromedp.WaitVisible(`button[value="authorize"]`, chromedp.ByQuery))
	p.do(chromedp.SetValue(`[name="as"]`, tom, chromedp.ByQuery), chromedp.Click(`button[value="authorize"]`, chromedp.ByQuery), chromedp.WaitVisible("table", chromedp.ByQuery))
	p.shot("deployments")
	p.says("staging/publish", "Failed with exit status 7", "channel=stable", "tom", "in the approving review", "pull request", proposed.Repository.FullName())
	p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
	p.shot("deployments-dark")

	p.do(chromedp.SetValue(`[name="state"]`, "succeeded", chromedp.ByQuery), chromedp.Click("form button", chromedp.ByQuery), chromedp.WaitNotPresent("table", chromedp.ByQuery))
	p.says("There are none of this kind")
	p.do(chromedp.SetValue(`[name="state"]`, "failed", chromedp.ByQuery), chromedp.Click("form button", chromedp.ByQuery), chromedp.WaitVisible("table", chromedp.ByQuery))
	p.do(chromedp.Click("tbody a", chromedp.ByQuery), chromedp.WaitVisible("pre", chromedp.ByQuery))
	p.shot("deployment-dark")
	p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}))
	p.shot("deployment")
	p.do(emulation.SetDeviceMetricsOverride(390, 800, 1, true))
	p.shot("deployment-narrow")
	p.says("exit status 7", "the disk is full", `\u001b[31m<script>document.title="owned"</script>\u001b[0m`, "channel stable", w.subject(tom), "review")
	var title string
	p.do(chromedp.Title(&title))
	if !strings.HasPrefix(title, "Deployment ") {
		t.Errorf("the output changed the title to %q", title)
	}
	p.do(emulation.SetDeviceMetricsOverride(1200, 900, 1, false))
	p.do(chromedp.Navigate("http://"+w.address+"/tasks/"+string(proposed.ID)+"/chain"), chromedp.WaitVisible("h1", chromedp.ByQuery))
	p.shot("chain")
	p.says("maria", "tom", "staging/publish", "none")
	p.do(chromedp.Navigate("http://"+w.address+"/audit?task="+string(proposed.ID)), chromedp.WaitVisible("table", chromedp.ByQuery))
	p.shot("audit")
	p.says("approval.recorded", "push.done")
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		t.Errorf("the browser complains: %s", problem)
	}
}

func (p *page) says(words ...string) {
	p.t.Helper()
	text := p.text()
	for _, want := range words {
		if !strings.Contains(text, want) {
			p.t.Errorf("the page does not say %q:\n%s", want, text)
		}
	}
}
