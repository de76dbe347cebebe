package console_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/console"
)

func TestOutputKeepsItsColoursAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ in, want string }{
		"plain":                {"a\nb\n", "<div>a</div><div>b</div>"},
		"empty lines":          {"\n\n", "<div></div><div></div>"},
		"colour":               {"\x1b[1;31mred\x1b[0m x", `<div><span class="t1 tb">red</span> x</div>`},
		"over lines":           {"\x1b[32ma\nb", `<div><span class="t2">a</span></div><div><span class="t2">b</span></div>`},
		"bright":               {"\x1b[94ma", `<div><span class="t12">a</span></div>`},
		"256":                  {"\x1b[38;5;196ma\x1b[39m", `<div><span class="t1">a</span></div>`},
		"true colour":          {"\x1b[38;2;0;200;10ma", `<div><span class="t2">a</span></div>`},
		"no background":        {"\x1b[31;41;8ma", `<div><span class="t1">a</span></div>`},
		"moving the cursor":    {"a\x1b[2K\x1b[1Gb\x1b[?25l", "<div>ab</div>"},
		"a link":               {"\x1b]8;;javascript:x\x07text\x1b]8;;\x1b\\", "<div>text</div>"},
		"title of the window":  {"\x1b]0;evil\x07a", "<div>a</div>"},
		"overwritten":          {"bad\rgood\r\n", "<div>bad</div><div>good</div>"},
		"markup":               {`<script>"'&`, "<div>&lt;script&gt;&#34;&#39;&amp;</div>"},
		"markup in a sequence": {"\x1b[<script>m", `<div>cript&gt;m</div>`},
		"unfinished":           {"\x1b[31", `<div><span class="odd">\u001b</span>[31</div>`},
		"alone":                {"a\x1b", `<div>a<span class="odd">\u001b</span></div>`},
		"directions":           {"a\u202eb\u200bc", `<div>a<span class="odd">\u202e</span>b<span class="odd">\u200b</span>c</div>`},
		"controls":             {"a\x08\x00\x7f\u009b31m", `<div>a<span class="odd">\u0008</span><span class="odd">\u0000</span><span class="odd">\u007f</span><span class="odd">\u009b</span>31m</div>`},
		"no text":              {"a\xff\xfe", "<div>a\uFFFD\uFFFD</div>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var terminal console.Terminal
			if got := string(terminal.Lines([]byte(tt.in))); got != tt.want {
				t.Errorf("%q becomes\n%s, want\n%s", tt.in, got, tt.want)
			}
		})
	}
}

func TestColoursGoOnInTheNextPortion(t *testing.T) {
	t.Parallel()
	var terminal console.Terminal
	terminal.Lines([]byte("\x1b[33m"))
	if got := terminal.Lines([]byte("a")); got != `<div><span class="t3">a</span></div>` {
		t.Errorf("the next portion is %s", got)
	}
}

func TestLongLinesAreCutAndSaySo(t *testing.T) {
	t.Parallel()
	var terminal console.Terminal
	got := string(terminal.Lines([]byte(strings.Repeat("x", 1<<20))))
	if len(got) > 20<<10 || !strings.Contains(got, "more bytes") {
		t.Errorf("a line of 1 MiB becomes %d bytes", len(got))
	}
}

func FuzzTerminal(f *testing.F) {
	f.Add([]byte("\x1b[31mred\x1b]0;x\x07<b>\r\n\x9b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var terminal console.Terminal
		got := string(terminal.Lines(data))
		if strings.ContainsAny(got, "\x1b\x00\x07\r") {
			t.Errorf("%q lets a control character through: %q", data, got)
		}
		if strings.ContainsAny(ours.ReplaceAllString(got, ""), "<>\"'") {
			t.Errorf("%q makes an element of its own: %q", data, got)
		}
	})
}

// ours are the elements that output becomes.
var ours = regexp.MustCompile(`</?div>|</span>|<span class="[a-z0-9 ]+">`)
