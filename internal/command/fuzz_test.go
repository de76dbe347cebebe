package command

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, body := range placesThatAreNotCommands {
		f.Add(body)
	}
	for _, body := range []string{
		"/coderflow run --env prod --base=a/b text\n\n> quote\n\n/coderflow status",
		"/coderflow deploy prod/site a='b c' d=\"e\\\"\"\n\n<!-- x",
		"\xff\xfe/coderflow run\x00", "- [x] a\n\t1. b\n/coderflow judge a b", "<details>\n\n`` ` ``\n</details>\n/coderflow",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		commands, problems := Parse(body)
		if len(commands)+len(problems) > 2*maxCommands+1 {
			t.Fatalf("%d commands, %d problems", len(commands), len(problems))
		}
		lines := strings.Split(normalise(body), "\n")
		for _, c := range commands {
			if !strings.HasPrefix(strings.ToLower(strings.TrimLeft(lines[c.Line-1], " ")), word) {
				t.Fatalf("command on line %d, which is %q", c.Line, lines[c.Line-1])
			}
			if o := c.Options; o.Env != "" && checkName("", o.Env) != nil || o.Base != "" && CheckBranch(o.Base) != nil {
				t.Fatalf("unchecked option: %+v", o)
			}
		}
		review := ParseReview(body)
		if !utf8.ValidString(review.Message) || len(review.Message) > 3*len(body) {
			t.Fatalf("message %q", review.Message)
		}
	})
}
