package azuredevops

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// htmlOf makes HTML of Markdown for a work item. Raw HTML in it is left out, and links of
// schemes that act.
func htmlOf(markdown string) (string, error) {
	var out bytes.Buffer
	md := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList))
	if err := md.Convert([]byte(rawHTML.ReplaceAllString(markdown, "")), &out); err != nil {
		return "", fmt.Errorf("render a comment: %w", err)
	}
	return images.ReplaceAllString(strings.ReplaceAll(out.String(), "<!-- raw HTML omitted -->", ""), ""), nil
}

// images are left out: they would be fetched for everybody who reads.
var images = regexp.MustCompile(`<img [^>]*>`)

// rawHTML are the elements that our own texts have for GitHub; without them their content
// is shown where it stands.
var rawHTML = regexp.MustCompile(`(?m)^</?(?:details|summary|sub)>|</(?:summary|sub)>$|^<!-- coderflow:[^>]*-->$`)

// markerText is what a marker says without the comment around it, which work items lose.
func markerText(marker string) string {
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(marker), "<!--"), "-->"))
}

// refLine is the last line of what CoderFlow writes into a work item, by which it finds
// that again.
func refLine(marker string) string { return "ref: " + markerText(marker) }

// withRef is the Markdown as HTML, without the marker and with the line for it.
func withRef(marker, body string) (string, error) {
	text, err := htmlOf(strings.TrimPrefix(strings.TrimSpace(body), marker))
	if err != nil {
		return "", err
	}
	return text + "<p><small>" + escapeHTML(refLine(marker)) + "</small></p>", nil
}

func escapeHTML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;").Replace(s)
}

// hasRef reports whether the text ends with the line of the marker.
func hasRef(text, marker string) bool {
	text = strings.TrimSpace(text)
	last := text[strings.LastIndexByte(text, '\n')+1:]
	return strings.TrimSpace(last) == refLine(marker)
}
