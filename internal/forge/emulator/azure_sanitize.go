package emulator

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// What the service leaves of the HTML of a work item: these elements and attributes. Comments, unknown elements'
// tags and unknown attributes are gone without a word; of scripts and styles nothing is left.
var (
	keptTags = strings.Fields("a abbr address b big blockquote br caption center cite code col colgroup dd del div dl dt em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre q s samp small span strike strong sub sup table tbody td tfoot th thead tr tt u ul var")
	keptData = strings.Fields("align alt border cellpadding cellspacing class color colspan data-vss-mention dir height href rowspan size src start style target title type valign width")
	dropped  = strings.Fields("script style head title iframe object embed noscript template textarea select xmp plaintext svg math")
)

// sanitizeHTML is the text as the service keeps it.
func sanitizeHTML(text string) string {
	z, out, skipping := html.NewTokenizer(strings.NewReader(text)), strings.Builder{}, ""
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return out.String()
		}
		t := z.Token()
		if skipping != "" {
			if kind == html.EndTagToken && t.Data == skipping {
				skipping = ""
			}
			continue
		}
		switch kind {
		case html.TextToken:
			out.WriteString(html.EscapeString(t.Data))
		case html.StartTagToken, html.SelfClosingTagToken:
			if slices.Contains(dropped, t.Data) && kind == html.StartTagToken {
				skipping = t.Data
			}
			if slices.Contains(keptTags, t.Data) {
				t.Attr = slices.DeleteFunc(t.Attr, func(a html.Attribute) bool { return !keeps(a) })
				out.WriteString(t.String())
			}
		case html.EndTagToken:
			if slices.Contains(keptTags, t.Data) {
				out.WriteString(t.String())
			}
		}
	}
}

func keeps(a html.Attribute) bool {
	if !slices.Contains(keptData, a.Key) {
		return false
	}
	if a.Key != "href" && a.Key != "src" {
		return true
	}
	value := strings.ToLower(strings.TrimSpace(a.Val))
	scheme, _, found := strings.Cut(value, ":")
	return !found || strings.ContainsAny(scheme, "/?#") || slices.Contains([]string{"http", "https", "mailto"}, scheme)
}

// htmlText is what a reader sees, one line a block.
func htmlText(text string) string {
	z, out := html.NewTokenizer(strings.NewReader(text)), strings.Builder{}
	for {
		switch z.Next() {
		case html.ErrorToken:
			return strings.TrimSpace(out.String())
		case html.TextToken:
			out.WriteString(z.Token().Data)
		case html.EndTagToken, html.SelfClosingTagToken, html.StartTagToken:
			if name, _ := z.TagName(); slices.Contains([]string{"br", "p", "div", "li", "tr", "pre", "blockquote", "h1", "h2", "h3", "h4"}, string(name)) {
				out.WriteByte('\n')
			}
		}
	}
}
