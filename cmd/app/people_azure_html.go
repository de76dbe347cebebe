package main

import (
	"bytes"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/renderer/html"
	nethtml "golang.org/x/net/html"
)

// inHTML is a text as the editor of work items sends what somebody typed.
func inHTML(text string) string {
	var out bytes.Buffer
	editor := goldmark.New(goldmark.WithRendererOptions(html.WithHardWraps(), html.WithUnsafe()))
	if err := editor.Convert([]byte(text), &out); err != nil { // a buffer takes everything
		panic(err)
	}
	return out.String()
}

// inText is how somebody reads a work item's text; code keeps its marks.
func inText(text string) string {
	node, err := nethtml.Parse(strings.NewReader(text))
	if err != nil { // a string can be read
		panic(err)
	}
	var out strings.Builder
	read(&out, node)
	return strings.TrimSpace(out.String())
}

func read(out *strings.Builder, node *nethtml.Node) {
	mark := ""
	switch {
	case node.Type == nethtml.TextNode:
		out.WriteString(node.Data)
	case node.Type != nethtml.ElementNode:
	case node.Data == "code":
		mark = "`"
	case node.Data == "br":
		out.WriteString("\n")
	}
	out.WriteString(mark)
	for child := range node.ChildNodes() {
		read(out, child)
	}
	out.WriteString(mark)
	if node.Type == nethtml.ElementNode && strings.Contains(" p div li tr h1 h2 h3 pre blockquote ", " "+node.Data+" ") {
		out.WriteString("\n")
	}
}
