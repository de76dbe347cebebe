package main

import (
	"fmt"
	"os"
	"sync"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axeProgram is axe-core, which finds what keeps people from reading a page.
var axeProgram = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile("../../bin/axe/node_modules/axe-core/axe.min.js")
	if err != nil {
		return "", fmt.Errorf("axe is missing: run `make setup-test`: %w", err)
	}
	return string(text), nil
})

// axeRun says what is serious on the page, a line for each.
const axeRun = `axe.run(document, {resultTypes: ["violations"], preload: false, %s}).then(r => r.violations
	.filter(v => v.impact === "serious" || v.impact === "critical")
	.map(v => v.id + ": " + v.help + ": " + v.nodes.slice(0, 4).map(n => n.target.join(" ") + " (" + [...n.any, ...n.all, ...n.none].map(c => c.message).join("; ") + ")").join(", ")))`

// accessible holds the page to axe in the light, in the dark as far as colours go, and on
// a narrow screen, where it must not be wider than that; and its content to being inert.
func (p *page) accessible(name string) {
	p.t.Helper()
	program, err := axeProgram()
	if err != nil {
		p.t.Fatal(err)
	}
	p.eval(program+"; true", nil)
	var title string
	p.do(chromedp.Title(&title))
	for scheme, rules := range map[string]string{"light": `reporter: "v2"`, "dark": `runOnly: ["color-contrast"]`} {
		p.dark(scheme == "dark")
		var violations []string
		p.eval(fmt.Sprintf(axeRun, rules), &violations)
		for _, violation := range violations {
			p.complain("%s (%q), %s: %s", name, title, scheme, violation)
		}
	}
	p.shot(name + "-dark")
	p.dark(false)
	p.do(emulation.SetDeviceMetricsOverride(390, 800, 1, true))
	var wide int
	p.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth", &wide)
	if wide > 1 {
		p.complain("%s (%q) is %d pixels wider than a narrow screen", name, title, wide)
	}
	p.shot(name + "-narrow")
	p.do(emulation.SetDeviceMetricsOverride(1200, 900, 1, false))
	p.shot(name)
	p.do(emulation.ClearDeviceMetricsOverride())
	p.inert()
}
