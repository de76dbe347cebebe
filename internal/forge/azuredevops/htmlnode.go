package azuredevops

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// splitLines splits at everything that ends a line somewhere.
func splitLines(text string) []string {
	return strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(text), "\n")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// address keeps what could end a link out of it.
func address(to string) string {
	return strings.NewReplacer(" ", "%20", "(", "%28", ")", "%29", "<", "%3C", ">", "%3E", "\n", "", "\r", "", "\t", "").Replace(strings.TrimSpace(to))
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// unseen reports whether a browser shows nothing of the element: what people do not see is
// neither a command nor a part of the task.
func unseen(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Template, atom.Head, atom.Title, atom.Noscript, atom.Iframe, atom.Object, atom.Embed, atom.Svg, atom.Math, atom.Datalist, atom.Select, atom.Noframes, atom.Noembed:
		return true
	}
	for _, a := range n.Attr {
		if a.Key == "hidden" || a.Key == "aria-hidden" && a.Val == "true" || a.Key == "style" && hides(a.Val) {
			return true
		}
	}
	return false
}

// hides finds the ways to hide text that are known by name; a colour on its own colour is
// not among them.
func hides(style string) bool {
	style = strings.ToLower(strings.Join(strings.Fields(style), ""))
	for _, way := range []string{"display:none", "visibility:hidden", "visibility:collapse", "font-size:0", "opacity:0;", "mso-hide:all", "clip:rect", "clip-path:", "text-indent:-", "max-height:0", "height:0;", "width:0;"} {
		if strings.Contains(style+";", way) {
			return true
		}
	}
	return false
}
