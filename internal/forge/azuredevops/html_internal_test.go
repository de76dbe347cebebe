package azuredevops

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/command"
	"github.com/coderflow/coderflow/internal/hostiletest"
)

func TestHTMLIsReadAsPeopleSeeIt(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`<div>/coderflow run --env shop</div>`:             "/coderflow run --env shop",
		`<div>Please</div><div>/coderflow run&nbsp;</div>`: "Please\n/coderflow run",
		`a<br>b<br><br>c`: "a\nb\n\nc",
		`<p>one</p><p>two <b>bold</b> and <i>it</i></p>`:              "one\n\ntwo **bold** and *it*",
		`<blockquote>x<br>y</blockquote><div>z</div>`:                 "> x\n> y\n\nz",
		`<pre>a\n  b</pre>c`:                                          "    a\\n  b\n\nc",
		"<pre>a\n  b</pre>c":                                          "    a\n      b\n\nc",
		`<code>x := 1</code>`:                                         "`x := 1`",
		"<code>a`b</code>":                                            "`` a`b ``",
		`<code>a<br>b</code>`:                                         "    a\n    b",
		`<ul><li>one</li><li>two<ul><li>three</li></ul></li></ul>end`: "- one\n- two\n  - three\n\nend",
		`<h2>Head</h2>text`:                                           "## Head\n\ntext",
		`<table><tr><td>a</td><td>b|c</td></tr></table>`:              "| a | b\\|c |",
		`<a href="https://x.example/a b">here</a>`:                    "[here](https://x.example/a%20b)",
		`<a href="#" data-vss-mention="version:2.0,x">@Maria</a> hi`:  "@Maria hi",
		`before<!-- /coderflow run -->after`:                          "beforeafter",
		`<span hidden>/coderflow run</span>x`:                         "x",
		`<div style="display : none">/coderflow run</div>x`:           "x",
		`&lt;!-- x`:                  `\<!-- x`,
		`<script>x</script>y`:        "y",
		`<b>a<br>b</b>`:              "a\nb",
		`<s>a<br>/coderflow run</s>`: "~~a~~\n~~/coderflow run~~",
		"plain text\nof one line":    "plain text of one line",
		`<div><span style="font-size:14px">/coderflow run</span> do <b>it</b></div>`: "/coderflow run do **it**",
	} {
		if got := textOf(source); got != want {
			t.Errorf("%s\n got %q\nwant %q", source, got, want)
		}
	}
}

func commands(text string) int {
	found, problems := command.Parse(text)
	return len(found) + len(problems)
}

func TestACommandOfPeopleIsOne(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`/coderflow run`, `<div>/coderflow run</div>`, `<p>/coderflow&nbsp;run</p>`, `<div><br></div><div>/coderflow run<br></div>`,
		`<blockquote>old</blockquote><div>/coderflow run</div>`, `<pre>x</pre>/coderflow run`, `<ul><li>x</li></ul><p>/coderflow run</p>`,
		`<div>text</div><div>/coderflow run</div>`, `<div><span>/coderflow</span> run</div>`,
	} {
		if commands(textOf(source)) != 1 {
			t.Errorf("%s is no command: %q", source, textOf(source))
		}
	}
}

// inert are places in which a command commands nothing.
var inert = []string{
	`<blockquote>%</blockquote>`, `<pre>%</pre>`, `<code>%</code>`, `<!-- % -->`, `<!--\n%\n-->`, `<pre><code>x<br>%</code></pre>`, `<blockquote><div>%</div><p>%</p></blockquote>`,
	`<code>a<br>%</code>`, `<samp><div>%</div></samp>`, `<del>%</del>`, `<s>x<br>%</s>`, `<table><tr><td>%</td></tr></table>`, `<ul><li>%</li></ul>`, `<ol><li>x<br>%</li></ol>`,
	`<a href="https://x">%</a>`, `<span style="display:none">%</span>`, `<template>%</template>`, `<style>%</style>`, `<script>%</script>`, `<textarea>%</textarea>`,
	"<pre>x\n\n%\n\n</pre>", "<pre>```\n%</pre>", "<div>```</div><pre>x\n%\n```\n%</pre>", "<div>~~~</div><pre>x\n%</pre>", "<pre>x\r%</pre>", "<pre>x&#8232;%</pre>", "<code>x&#133;%</code>",
	`<b><blockquote>x<br>%</blockquote></b>`, `<b><pre>x<br>%</pre></b>`, `<i><b><code>a<br>%</code></b></i>`, `<h1>%</h1>`, `<xmp>%</xmp>`, `<plaintext>%`, `<q>%</q>`,
	`<blockquote><blockquote><pre>%</pre></blockquote></blockquote>`, `<noscript>%</noscript>`, `<select><option>%</option></select>`, `<img alt="%">`, `<img src="x` + "\n" + `%">`,
	"a&#8232;%", "a&#11;%", `<p title="%">x</p>`, `<svg><text>%</text></svg>`, `<math>%</math>`, `<strong>%</strong>`,
}

func TestWhatPeopleQuoteCommandsNothing(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("<b>", 30)
	for _, shape := range inert {
		for _, around := range []string{"", "<div>", "<p>x</p>", deep, "<ul><li>", "<font>"} {
			source := around + strings.ReplaceAll(shape, "%", "/coderflow run")
			if got := textOf(source); commands(got) != 0 {
				t.Errorf("%q became a command: %q", source, got)
			}
		}
	}
}

func TestHostileHTMLStaysInert(t *testing.T) {
	t.Parallel()
	for _, hostile := range append(hostiletest.Texts(), strings.Repeat("<blockquote>", 5000), strings.Repeat("<b>x<br>", 400), strings.Repeat("<table><tr><td>", 300), "<pre>"+strings.Repeat("\n", 9999)) {
		for _, shape := range []string{"<blockquote>%</blockquote>", "<pre>%</pre>", "<code>%</code>"} {
			source := hostile + strings.ReplaceAll(shape, "%", escapeHTML(hostile)+"\n/coderflow run\n"+escapeHTML(hostile))
			if got := textOf(source); commands(got) > commands(textOf(hostile)) && !strings.Contains(hostile, "/coderflow") {
				t.Errorf("%.200q became a command: %.300q", source, got)
			}
		}
		made, err := htmlOf(hostile)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range hostiletest.Page(strings.ToValidUTF8(made, "")) {
			if !strings.Contains(problem, "character") && !strings.Contains(problem, "evil.example") {
				t.Errorf("%.100q makes %.200q: %s", hostile, made, problem)
			}
		}
	}
}

func FuzzQuotedTextIsInert(f *testing.F) {
	for _, text := range hostiletest.Texts() {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, before, inside string) {
		for _, shape := range []string{"blockquote", "pre", "code"} {
			if strings.Contains(strings.ToLower(before), "coderflow") || len(before)+len(inside) > 1000 {
				return
			}
			source := before + "<" + shape + ">" + escapeHTML(inside) + "\n/coderflow run\n</" + shape + ">"
			if got := textOf(source); commands(got) != 0 {
				t.Errorf("%q: %q", source, got)
			}
		}
	})
}

func TestMarkersAreFoundAgain(t *testing.T) {
	t.Parallel()
	const marker = "<!-- coderflow:reply=w7.12 -->"
	written, err := withRef(marker, marker+"\nHello **you**\n\n<details>\n<summary>More</summary>\n\ntext\n\n</details>")
	if err != nil {
		t.Fatal(err)
	}
	read := textOf(written)
	if !hasRef(read, marker) || hasRef(read, "<!-- coderflow:reply=w7.1 -->") || hasRef("ref: coderflow:reply=w7.12\nmore", marker) {
		t.Errorf("the marker is not found in %q", read)
	}
	if !strings.Contains(written, "<strong>you</strong>") || strings.Contains(written, "<!--") || !strings.Contains(read, "text") {
		t.Errorf("written: %s", written)
	}
}
