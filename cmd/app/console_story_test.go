package main

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/hostiletest"
	"github.com/coderflow/coderflow/internal/task"
)

const (
	vera = "vera" // looks, and may do nothing
	ada  = "ada"  // looks after the server
)

// storyAgent works while somebody watches; asked for it, it is hostile instead.
var storyAgent = `case "$(cat "$CODERFLOW_PROMPT_FILE")" in *"total is wrong"*)
	printf 'The test before: \033[1;31mfails\033[0m\n'
	` + untilReleased + `
	` + quickAgent + `
	printf 'The total counts every item as often as it was bought.\n' > CHANGES.md
	printf 'The test now: \033[32mpasses\033[0m\n'
	sleep 2
	exit 0 ;;
esac
` + hostileFiles()

// storyVerdict is what a judge says of the good change; of the other one it is hostile.
const storyVerdict = `{"summary":"The quantity is counted now, and the test passes.","recommendation":"approve",
"scores":{"correctness":{"score":9,"notes":"Prices times quantities, as the issue asks."},"quality":{"score":8},"completeness":{"score":7,"notes":"No test of an empty receipt."},"performance":{"score":10},"security":{"score":9}},
"findings":[{"path":"receipt.awk","line":3,"severity":"minor","title":"Negative quantities are added too","text":"A returned item lowers the total; say whether it should."}]}`

// storySpec has one check and two judges. The second judge approves of everything, in
// the words of the corpus.
func storySpec() string {
	judge := func(verdict string) string {
		verdict = strings.ReplaceAll(verdict, "\n", "") // an agent that prints text says a line last
		other := hostiletest.Verdict(hostileTitle, hostileName)
		script := `v=` + base64.StdEncoding.EncodeToString([]byte(verdict)) + `; grep -q "total is wrong" "$CODERFLOW_PROMPT_FILE" || v=` + base64.StdEncoding.EncodeToString([]byte(other)) + `; echo "$v" | base64 -d`
		return `agent: {preset: exec, command: [sh, -c, ` + strconv.Quote(script) + `]}`
	}
	return `checks:
  - {name: tests, command: [make, -s, test], required: false}
judges:
  - {name: careful, ` + judge(storyVerdict) + `, prompt: Look for wrong totals.}
  - {name: second, ` + judge(strings.NewReplacer(`"approve"`, `"revise"`, `"score":7`, `"score":4`, "The quantity is counted now, and the test passes.", "It counts, but nothing tests it.").Replace(storyVerdict)) + `, prompt: Look for what is missing.}`
}

const hostileName = `&lt;b&gt; @octocat Closes #1.md`

// hostileFiles writes the corpus to the output and into files whose names belong to it.
func hostileFiles() string {
	text := strings.ReplaceAll(strings.Join(hostiletest.Texts(), "\n"), "\x00", "")
	script := "corpus() { echo " + base64.StdEncoding.EncodeToString([]byte(text)) + " | base64 -d; }\ncorpus\n"
	for _, name := range []string{`<script>owned=1<b>.js`, `"><img src=x onerror=owned=1>.go`, hostileName, `' onmouseover='owned=1.txt`} {
		script += `corpus > "$(echo ` + base64.StdEncoding.EncodeToString([]byte(name)) + " | base64 -d)\"\n"
	}
	return script
}

const hostileTitle = `</title><script>owned=1</script>"><img src=x onerror=owned=1> @octocat Closes #1`

const storyDeployment = `echo "publishing $CODERFLOW_COMMIT to $PARAM_CHANNEL"
printf '\033[32mpublished\033[0m <script>owned=1</script>\n'`

// The whole story in a browser: somebody asks at the forge, somebody else watches in the
// console and reads the change, who may not approve is refused, who may approves at the
// forge, and all see what became of it, each as much as they may. Every page on the way is
// held to axe, in the light and in the dark, and none runs or shows anything of others.
func TestTheWholeStoryInARealBrowser(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t, func(_ *emulator.Options, s *settings) {
		s.Agent, s.Script, s.Spec = storyAgent, storyDeployment, storySpec()
	})
	for login, name := range map[string]string{vera: "Vera Novak", ada: "Ada Okoye"} {
		if _, err := w.hub.CreateUser(login, emulator.UserOptions{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.hub.AddCollaborator(sampleRepo, vera, "read"); err != nil {
		t.Fatal(err)
	}
	w.manifests("vera.yaml", binding("vera-looks", w.subject(vera)+" (vera)", "viewer", "environment/staging"))
	w.manifests("ada.yaml", binding("ada-looks-after-it", w.subject(ada)+" (ada)", "server-admin", "*"))
	w.start()
	s := &browserStory{world: w, maria: newPage(t)}
	s.vera, s.tom, s.ada = s.maria.another(), s.maria.another(), s.maria.another()
	s.step("SignIn", s.signIn)
	s.step("Watch", s.watch)
	s.step("Threat39Hostile", s.hostile)
	s.step("ReadTheChange", s.read)
	s.step("Approve", s.approve)
	s.step("Land", s.land)
	s.step("Look", s.look)
}

// browserStory is the world with the tabs of its people.
type browserStory struct {
	*world
	maria, vera, tom, ada *page
	issue                 int
	task                  task.Task
	evil                  task.Task // the hostile one
}

// step is the world's, for the tabs too.
func (s *browserStory) step(name string, f func()) {
	s.t.Helper()
	s.world.step(name, func() {
		for _, p := range []*page{s.maria, s.vera, s.tom, s.ada} {
			outer := p.t
			p.t = s.t
			defer func() { p.t = outer }()
		}
		f()
	})
}

func (s *browserStory) console(path string) string { return "http://" + s.address + path }

func (s *browserStory) forge(path string) string {
	return strings.TrimSuffix(s.hub.Info().HTMLURL, "/") + "/" + sampleRepo + path
}

// actAs has the tab's person act at the forge.
func (s *browserStory) actAs(p *page, login string) {
	p.open(s.forge(""))
	p.enter(`form[action="/-/act-as"] [name="login"]`, login)
	p.press(`form[action="/-/act-as"] button`)
}

// signIn: what a script could take is not in the page, and signing out is for good.
func (s *browserStory) signIn() {
	p := s.maria
	p.open(s.console("/"))
	p.accessible("signin")
	p.signIn(maria, s.console("/tasks"))
	p.accessible("tasks-none")
	p.open(s.console("/access"))
	p.says(maria, "tasks:create")
	var cookies string
	p.eval("document.cookie", &cookies)
	if cookies != "" { // the browser has a session, and every cookie is the console's or the forge's
		s.t.Errorf("a script can read the cookies %q", cookies)
	}
	p.press(`form[action="/auth/logout"] button`)
	p.open(s.console("/tasks"))
	if text := p.text(); strings.Contains(text, "Sign out") {
		s.t.Errorf("after signing out there is\n%s", text)
	}
	p.signIn(maria, s.console("/tasks"))
	s.vera.signIn(vera, s.console("/tasks"))
	s.tom.signIn(tom, s.console("/tasks"))
}

// watch: Maria asks at the forge, and Vera's pages follow by themselves.
func (s *browserStory) watch() {
	p := s.maria
	s.actAs(p, maria)
	p.open(s.forge("/issues/new"))
	p.enter(`[name="title"]`, "The total is wrong")
	p.enter(`[name="body"]`, "It forgets the quantity.")
	p.press(`form[action$="/issues"] button.go`)
	s.issue = s.number(p)
	p.enter(`form[action$="/comments"] [name="body"]`, "/coderflow run")
	p.press(`form[action$="/comments"] button`)
	s.vera.comesToSay("The total is wrong")
	s.vera.shot("tasks-live")
	s.task = s.taskOf(s.issue, task.Running)
	s.vera.open(s.console("/tasks/" + string(s.task.ID) + "/output"))
	s.vera.comesToSay("The test before: fails")
	s.vera.accessible("output-live")
	s.maria.open(s.console("/tasks/" + string(s.task.ID)))
	s.maria.comesToSay("The test before: fails")
	s.maria.accessible("task-running")
	s.release(s.only("task"))
	s.vera.comesToSay("The test now: passes")
	s.task = s.taskOf(s.issue, task.Proposed)
	s.maria.comesToSay("Review the pull request")
}

// number is that of the issue or pull request whose page is open.
func (s *browserStory) number(p *page) int {
	s.t.Helper()
	var address string
	p.do(chromedp.Location(&address))
	u, err := url.Parse(address)
	if err != nil {
		s.t.Fatal(err)
	}
	n, err := strconv.Atoi(path.Base(u.Path))
	if err != nil {
		s.t.Fatalf("the page %s has no number: %v", address, err)
	}
	return n
}

// hostile: a task whose title, output, names and change were written to act on pages.
func (s *browserStory) hostile() {
	issue := s.titled(hostileTitle)
	before := len(s.hub.Notifications())
	s.say(maria, forge.IssueTopic(issue), "/coderflow run")
	s.evil = s.taskOf(issue, task.Proposed)
	for _, tab := range []string{"", "/changes", "/output", "/chain"} {
		s.tom.open(s.console("/tasks/" + string(s.evil.ID) + tab))
		s.tom.accessible("hostile" + strings.ReplaceAll(tab, "/", "-"))
	}
	s.tom.open(s.console("/tasks"))
	s.tom.says("onerror=owned=1")
	s.tom.accessible("tasks")
	s.tom.open(s.forge(fmt.Sprintf("/pull/%d", s.evil.PullRequest)))
	s.tom.says("onerror=owned=1")
	for _, n := range s.hub.Notifications()[before:] {
		if strings.HasSuffix(n.Author, "[bot]") && (n.Mentioned == "octocat" || n.Closes != 0) {
			s.t.Errorf("%+v was notified by a hostile text", n)
		}
	}
	s.closes(s.evil.PullRequest)
	s.taskOf(issue, task.Rejected)
}

// read: the change, with its lines, for who may look.
func (s *browserStory) read() {
	s.vera.open(s.console("/tasks/" + string(s.task.ID) + "/changes"))
	s.vera.says("receipt.awk", "total += $2 * $3")
	s.vera.accessible("changes")
	s.vera.open(s.console("/tasks/" + string(s.task.ID)))
	s.vera.loadsUntil("The quantity is counted now")
	s.vera.says("Review the pull request", "tests", "careful", "second", "Prices times quantities")
	s.vera.accessible("task")
	s.parts()
	var forms []string // nothing here approves
	s.vera.eval(`[...document.forms].filter(f => f.method === "post").map(f => new URL(f.action).pathname)`, &forms)
	if len(forms) != 1 || forms[0] != "/auth/logout" {
		s.t.Errorf("the page has the forms %q", forms)
	}
}

// approve: who asked may not, and is told; who may does, at the forge.
func (s *browserStory) approve() {
	pull := s.forge(fmt.Sprintf("/pull/%d", s.task.PullRequest))
	s.maria.open(pull)
	s.maria.shot("forge-pull")
	s.maria.press(`form[action$="/reviews"] button[value="APPROVE"]`)
	s.maria.loadsUntil("cannot approve it")
	s.maria.shot("refused")
	if got := s.taskOf(s.issue, task.Proposed); got.LandedCommit != "" {
		s.t.Fatalf("the requester's approval landed %s", got.LandedCommit)
	}
	s.actAs(s.tom, tom)
	s.tom.open(pull)
	s.tom.enter(`form[action$="/reviews"] [name="body"]`, "Count every item\n\n/coderflow deploy publish channel=stable")
	s.tom.press(`form[action$="/reviews"] button[value="APPROVE"]`)
}

// land: the commit and the deployment, on pages that were open all the time.
func (s *browserStory) land() {
	s.task = s.taskOf(s.issue, task.Done)
	s.vera.comesToSay(s.task.LandedCommit[:12])
	s.vera.accessible("task-done")
	s.tom.open(s.forge("/commit/" + s.task.LandedCommit))
	s.tom.says("Count every item", "total += $2 * $3")
	s.tom.open(s.console("/deployments"))
	s.tom.says("staging/publish", "channel=stable", tom, "in the approving review")
	s.tom.accessible("deployments")
	s.tom.enter(`[name="state"]`, "failed")
	s.tom.press(`main form button`)
	s.tom.says("There are none of this kind")
	s.tom.enter(`[name="state"]`, "succeeded")
	s.tom.press(`main form button`)
	s.tom.press("main tbody a")
	s.tom.says("published", s.task.LandedCommit[:12], s.subject(tom))
	s.tom.accessible("deployment")
}
