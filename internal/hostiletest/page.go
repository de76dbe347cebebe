package hostiletest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

// Page reads a page, or a piece of one, as a browser would and says what on it is not
// ours: an element or an attribute that no page of ours has, a script or a style that is
// no file of ours, an address of [Host] or of a scheme that acts, a character that a
// terminal or a reader would be misled by. More are the attributes that the caller has
// besides the usual ones.
func Page(page string, more ...string) (problems []string) {
	for i, r := range page {
		if misleads(r) {
			problems = append(problems, fmt.Sprintf("the character %U, after %q", r, page[max(0, i-40):i]))
		}
	}
	tokens := html.NewTokenizer(strings.NewReader(page))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return problems
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			problems = append(problems, element(token, more)...)
			if token.Data == "script" && tokens.Next() == html.TextToken && strings.TrimSpace(string(tokens.Text())) != "" {
				problems = append(problems, "a script in the page")
			}
		case html.CommentToken:
			problems = append(problems, fmt.Sprintf("the comment %q", tokens.Token().Data))
		}
	}
}

// elements are those of our pages.
var elements = strings.Fields(`html head meta title link script body a header nav main footer section article aside div span p h1 h2 h3 h4 ul ol li dl dt dd
	b strong em i small code pre samp kbd mark abbr time table caption colgroup col thead tbody tfoot tr th td details summary form label input select option optgroup
	button fieldset legend hr br wbr output progress meter ins del figure figcaption blockquote
	svg g path circle rect line polyline polygon text title desc defs use`)

// attributes are those of our pages; of others, only data-, aria- and hx- ones.
var attributes = strings.Fields(`id class lang dir charset name content href rel src type defer async title alt for value placeholder action method hidden open
	checked selected disabled required readonly multiple autocomplete autofocus maxlength minlength min max low high optimum step pattern size rows cols scope colspan rowspan span headers abbr
	datetime role tabindex width height viewbox d x y x1 y1 x2 y2 cx cy r rx ry dx dy points transform fill stroke preserveaspectratio text-anchor focusable
	spellcheck download translate enctype inputmode enterkeyhint accesskey color media sizes`)

// ofHTMX are the attributes of the script that pages load, but for those that evaluate.
var ofHTMX = strings.Fields(`hx-get hx-post hx-target hx-swap hx-trigger hx-select hx-push-url hx-indicator hx-include hx-boost hx-ext hx-sync hx-disable hx-preserve hx-swap-oob sse-connect sse-swap sse-close`)

func element(e html.Token, more []string) (problems []string) {
	if !slices.Contains(elements, e.Data) {
		problems = append(problems, "the element "+e.String())
	}
	for _, a := range e.Attr {
		known := slices.Contains(attributes, a.Key) || slices.Contains(ofHTMX, a.Key) || slices.Contains(more, a.Key) ||
			strings.HasPrefix(a.Key, "aria-") || strings.HasPrefix(a.Key, "data-") && !strings.HasPrefix(a.Key, "data-hx")
		if !known {
			problems = append(problems, fmt.Sprintf("the attribute %s in %s", a.Key, e))
		}
		if goes(a.Key) && !harmless(a.Val) {
			problems = append(problems, fmt.Sprintf("the address %q in %s", a.Val, e))
		}
	}
	if e.Data == "meta" && slices.ContainsFunc(e.Attr, func(a html.Attribute) bool { return a.Key == "http-equiv" }) {
		problems = append(problems, "a meta element that acts: "+e.String())
	}
	return problems
}

// goes tells whether a browser follows what the attribute holds.
func goes(attribute string) bool {
	return slices.Contains([]string{"href", "src", "action", "formaction", "hx-get", "hx-post", "sse-connect", "hx-push-url", "xlink:href"}, attribute)
}

// harmless addresses are opened, not run, and are not on the corpus's host.
func harmless(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	return (u.Scheme == "" || u.Scheme == "http" || u.Scheme == "https") && u.User == nil && u.Host != Host && !strings.HasPrefix(address, `\`) && (u.Scheme == "" == (u.Host == ""))
}

// misleads tells whether a character acts on a terminal or is not seen.
func misleads(r rune) bool {
	if r == '\n' || r == '\t' || r == '\u202f' || r == '\u00a0' { // the last ones stand between digits of ours
		return false
	}
	return !unicode.IsPrint(r)
}
