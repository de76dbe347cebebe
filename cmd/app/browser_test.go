package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/coderflow/coderflow/internal/hostiletest"
)

// page is a tab of a real browser, which keeps what pages complain about.
type page struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
}

// newPage starts a browser. At the end of the test nothing that it saw may have been
// complained about.
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
		chromedp.UserDataDir(profile), chromedp.WindowSize(1200, 800))
	allocator, cancelAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	ctx, cancelTime := context.WithTimeout(ctx, 4*longEnough)
	t.Cleanup(func() {
		browser := chromedp.FromContext(ctx)
		cancelTime()
		cancel()
		cancelAllocator()
		browser.Allocator.Wait() // it writes to its directory until its end
	})
	return watched(t, ctx)
}

// another is a tab of somebody else: with cookies of its own, in the same browser.
func (p *page) another() *page {
	p.t.Helper()
	var tab target.ID
	p.do(chromedp.ActionFunc(func(ctx context.Context) error {
		ctx = cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser)
		cookies, err := target.CreateBrowserContext().Do(ctx)
		if err != nil {
			return err
		}
		tab, err = target.CreateTarget("about:blank").WithBrowserContextID(cookies).WithNewWindow(true).Do(ctx)
		return err
	}))
	ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithTargetID(tab))
	p.t.Cleanup(cancel)
	return watched(p.t, ctx)
}

func watched(t *testing.T, ctx context.Context) *page {
	t.Helper()
	p := &page{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.listen)
	p.do(log.Enable(), network.Enable())
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, problem := range p.problems {
			t.Error(problem)
		}
	})
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
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			for _, argument := range e.Args {
				problem += fmt.Sprintf("%s: %s %s", e.Type, argument.Value, argument.Description)
			}
		}
	}
	if problem != "" && !strings.Contains(problem, "favicon.ico") {
		p.complain("the browser: %s", problem)
	}
}

// complain keeps what is wrong with pages, for the end: the story goes on.
func (p *page) complain(format string, a ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if problem := fmt.Sprintf(format, a...); !slices.Contains(p.problems, problem) {
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

// open goes to an address.
func (p *page) open(address string) {
	p.t.Helper()
	p.do(chromedp.Navigate(address))
}

// press clicks on what leads to another page, and waits for that.
func (p *page) press(selector string) {
	p.t.Helper()
	_, err := chromedp.RunResponse(p.ctx, chromedp.Click(selector, chromedp.ByQuery))
	for try := 0; err != nil && strings.Contains(err.Error(), "No node with given id") && try < 5; try++ {
		_, err = chromedp.RunResponse(p.ctx, chromedp.Click(selector, chromedp.ByQuery)) // it saw the page before
	}
	if err != nil {
		p.shot("failed")
		p.t.Fatalf("press %s: %v; the page says\n%s", selector, err, p.text())
	}
}

// enter writes into a field of a form.
func (p *page) enter(selector, text string) {
	p.t.Helper()
	p.eval(fmt.Sprintf("document.querySelector(%q).value = %q; true", selector, text), nil)
}

// signIn opens a page of the console that nobody may see without it, and signs in.
func (p *page) signIn(login, address string) {
	p.t.Helper()
	p.open(address)
	p.press("main a.button")
	p.enter(`[name="as"]`, login)
	p.press(`button[value="authorize"]`)
}

func (p *page) text() (text string) {
	p.t.Helper()
	p.eval("document.body.innerText", &text)
	return text
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

// comesToSay waits until the page says so by itself: it is not loaded again.
func (p *page) comesToSay(words string) {
	p.t.Helper()
	p.waitFor("the page to say "+words, func(context.Context) (bool, error) { return strings.Contains(p.text(), words), nil })
}

// loadsUntil loads the page again until it says so.
func (p *page) loadsUntil(words string) {
	p.t.Helper()
	p.waitFor("the page to say "+words, func(context.Context) (bool, error) {
		p.do(chromedp.Reload())
		return strings.Contains(p.text(), words), nil
	})
}

func (p *page) waitFor(what string, look func(context.Context) (bool, error)) {
	p.t.Helper()
	if err := until(p.ctx, longEnough, what, look); err != nil {
		p.shot("failed")
		p.t.Fatalf("%v; it says\n%s", err, p.text())
	}
}

// eval is what a script on the page finds out. It is a tool of the test: no policy of the
// page binds it.
func (p *page) eval(script string, result any) {
	p.t.Helper()
	p.do(chromedp.Evaluate(script, result, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
}

func (p *page) dark(dark bool) {
	p.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

// inert holds the page, as the server sent it and as it is now, to what is ours.
func (p *page) inert() {
	p.t.Helper()
	var sent, now, title string
	var owned bool
	p.eval(`fetch(location.href).then(r => r.text())`, &sent)
	p.eval("document.documentElement.outerHTML", &now)
	p.do(chromedp.Title(&title))
	p.eval("typeof "+hostiletest.Mark+` !== "undefined"`, &owned)
	for what, html := range map[string]string{"sent": sent, "shown": now} {
		for _, problem := range hostiletest.Page(html) {
			p.complain("the page %q, as %s, has %s", title, what, problem)
		}
	}
	if owned {
		p.complain("a script of others ran on the page %q", title)
	}
}

// shot keeps what is seen, if somebody asked for pictures.
func (p *page) shot(name string) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	var picture []byte
	if err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot(&picture)); err != nil {
		p.t.Logf("screenshot %s: %v", name, err)
		return
	}
	few, err := smaller(picture)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), few, 0o600); err != nil {
		p.t.Log(err)
	}
}
