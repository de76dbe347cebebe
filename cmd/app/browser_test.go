package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// page is a tab of a real browser, which keeps what pages complain about.
type page struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
}

func newPage(t *testing.T) *page {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Fatal("no browser: run `make setup-test`, or install chromium")
	}
	// Not the test's own directory: helpers of the browser write to it for a moment after its end.
	profile, err := os.MkdirTemp("", "cf-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(profile) })
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.UserDataDir(profile), chromedp.WindowSize(1000, 700))
	allocator, cancelAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	ctx, cancelTime := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(func() {
		browser := chromedp.FromContext(ctx)
		cancelTime()
		cancel()
		cancelAllocator()
		browser.Allocator.Wait() // it writes to its directory until its end
	})
	p := &page{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.listen)
	p.do(log.Enable(), network.Enable())
	return p
}

// listen keeps errors and warnings: of scripts, of the policy of contents, of
// what could not be loaded.
func (p *page) listen(event any) {
	problem := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		problem = string(e.Entry.Level) + ": " + e.Entry.Text + " " + e.Entry.URL
	case *runtime.EventExceptionThrown:
		problem = e.ExceptionDetails.Error()
	}
	if problem != "" && !strings.Contains(problem, "favicon.ico") {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.problems = append(p.problems, problem)
	}
}

func (p *page) do(actions ...chromedp.Action) {
	p.t.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.shot("failed")
		p.t.Fatalf("in the browser: %v", err)
	}
}

func (p *page) text() (text string) {
	p.t.Helper()
	p.do(chromedp.Text("body", &text, chromedp.ByQuery))
	return text
}

// shot keeps what is seen, if somebody asked for pictures.
func (p *page) shot(name string) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	var picture []byte
	if err := chromedp.Run(p.ctx, chromedp.FullScreenshot(&picture, 100)); err != nil {
		p.t.Logf("screenshot %s: %v", name, err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
		p.t.Log(err)
	}
}

// A person signs in and out in a real browser: the page and the forge's own, with
// everything that the policy of contents forbids being an error here.
func TestPeopleSignInInARealBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := newPage(t)
	home := "http://" + w.address + "/"
	p.do(chromedp.Navigate(home), chromedp.WaitVisible("a.button"))
	p.shot("signed-out")
	p.do(chromedp.Click("a.button"), chromedp.WaitVisible(`button[value="authorize"]`))
	p.shot("forge")
	p.do(chromedp.SetValue(`[name="as"]`, maria), chromedp.Click(`button[value="authorize"]`), chromedp.WaitVisible("#subject"))
	p.shot("signed-in")
	want := fmt.Sprintf("github:%d", userID(w.hub.Info(), maria))
	if text := p.text(); !strings.Contains(text, want) || !strings.Contains(text, "environment/staging") || !strings.Contains(text, "tasks:create") || strings.Contains(text, "tasks:approve") {
		t.Errorf("maria sees\n%s", text)
	}
	var cookies string
	p.do(chromedp.Evaluate("document.cookie", &cookies))
	if cookies != "" {
		t.Errorf("a script can read the cookies %q", cookies)
	}
	p.do(chromedp.Click("form button"), chromedp.WaitVisible("a.button"))
	p.do(chromedp.Navigate(home), chromedp.WaitVisible("a.button"))
	if text := p.text(); strings.Contains(text, want) {
		t.Errorf("after logging out there is\n%s", text)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		t.Errorf("the browser complains: %s", problem)
	}
}
