package signin

import (
	"net/url"
	"strings"
)

// LocalPath is the path of this server that the text names, or "/". What it
// returns begins with one slash and holds nothing that a browser would take for
// another host: it reads a backslash as a slash, and leaves out tabs and line ends.
func LocalPath(text string) string {
	if len(text) == 0 || len(text) > 1024 || text[0] != '/' || strings.HasPrefix(text, "//") {
		return "/"
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' || r > '~' }) {
		return "/"
	}
	u, err := url.Parse(text)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(u.Path, "\\\t\r\n") {
		return "/"
	}
	return u.RequestURI()
}
