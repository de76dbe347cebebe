package command

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseReadsCommands(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		want Command
	}{
		"bare word":                 {"/coderflow", Command{Name: Help, Line: 1}},
		"run":                       {"/coderflow run", Command{Name: Run, Line: 1}},
		"any case":                  {"/CoderFlow RUN", Command{Name: Run, Line: 1}},
		"no-break space":            {"/coderflow\u00a0run", Command{Name: Run, Line: 1}},
		"three spaces before":       {"   /coderflow status", Command{Name: Status, Line: 1}},
		"CRLF":                      {"Hello\r\n\r\n/coderflow why\r\n", Command{Name: Why, Line: 3}},
		"old Mac lines":             {"Hello\r/coderflow why\r", Command{Name: Why, Line: 2}},
		"below a paragraph":         {"Hello\n/coderflow cancel", Command{Name: Cancel, Line: 2}},
		"below a list":              {"- a\n- b\n/coderflow run", Command{Name: Run, Line: 3}},
		"below a table":             {"| a |\n|---|\n| b |\n/coderflow run", Command{Name: Run, Line: 4}},
		"after a quote":             {"> old\n\n/coderflow run", Command{Name: Run, Line: 3}},
		"after a quote and a rule":  {"> old\n---\n/coderflow run", Command{Name: Run, Line: 3}},
		"above a signature":         {"/coderflow retry\n---\nsent from a phone", Command{Name: Retry, Line: 1}},
		"after closed details":      {"<details>\n\nlog\n\n</details>\n\n/coderflow run", Command{Name: Run, Line: 7}},
		"after a closed comment":    {"<!-- a -->\n/coderflow run", Command{Name: Run, Line: 2}},
		"after an empty comment":    {"<!-->\n/coderflow run", Command{Name: Run, Line: 2}},
		"details of a list item":    {"- <details>\n\n/coderflow run", Command{Name: Run, Line: 3}},
		"options":                   {`/coderflow run --env prod --agent=exec --base "release/1.2"`, Command{Name: Run, Line: 1, Options: Options{Env: "prod", Agents: []string{"exec"}, Base: "release/1.2"}}},
		"variants":                  {"/coderflow run --agents claude,codex --supersede Be quick", Command{Name: Run, Line: 1, Text: "Be quick", Options: Options{Agents: []string{"claude", "codex"}, Supersede: true}}},
		"options and text":          {"/coderflow run --env prod don't break it", Command{Name: Run, Line: 1, Options: Options{Env: "prod"}, Text: "don't break it"}},
		"end of options":            {"/coderflow run -- --env is wrong", Command{Name: Run, Line: 1, Text: "--env is wrong"}},
		"text on the line":          {"/coderflow revise use a map", Command{Name: Revise, Line: 1, Text: "use a map"}},
		"text below":                {"/coderflow run\nFix a.\n\n- and b\n", Command{Name: Run, Line: 1, Text: "Fix a.\n\n- and b"}},
		"text without quotes":       {"/coderflow run fix\n\n> evil\nlazy evil\n\nthen <!-- evil -->test", Command{Name: Run, Line: 1, Text: "fix\n\nthen test"}},
		"text with code":            {"/coderflow revise\n```go\n<!-- kept -->\n```", Command{Name: Revise, Line: 1, Text: "```go\n<!-- kept -->\n```"}},
		"hidden words on the line":  {"/coderflow status <!-- x -->", Command{Name: Status, Line: 1}},
		"judges":                    {"/coderflow judge security style", Command{Name: Judge, Line: 1, Judges: []string{"security", "style"}}},
		"checks":                    {"/coderflow check tests lint", Command{Name: Check, Line: 1, Checks: []string{"tests", "lint"}}},
		"every judge":               {"/coderflow judge", Command{Name: Judge, Line: 1}},
		"strikethrough on the line": {"~~old~~\n/coderflow rebase", Command{Name: Rebase, Line: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problems := Parse(tc.body)
			if len(problems) > 0 {
				t.Fatalf("problems: %v", problems)
			}
			if !reflect.DeepEqual(got, []Command{tc.want}) {
				t.Fatalf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// placesThatAreNotCommands are texts in which a command is quoted, shown or
// hidden, but not given.
var placesThatAreNotCommands = map[string]string{
	"nothing":                    "",
	"middle of a line":           "please /coderflow run",
	"another word":               "/coderflows run",
	"a path":                     "/coderflow/run",
	"a mention":                  "/coderflow@bot run",
	"escaped":                    `\/coderflow run`,
	"entity":                     "&#47;coderflow run",
	"heading":                    "# /coderflow run",
	"list item":                  "- /coderflow run",
	"indented in a list item":    "- a\n  /coderflow run",
	"task list item":             "- [ ] /coderflow run",
	"table cell":                 "| a |\n|---|\n| /coderflow run |",
	"quote":                      "> /coderflow run",
	"quote without space":        ">/coderflow run",
	"nested quote":               "> > /coderflow run",
	"lazy line of a quote":       "> old\n/coderflow run",
	"lazy line of a nested one":  "> > old\n/coderflow run",
	"lazy line of a quoted list": "> - old\n/coderflow run",
	"lazy line, quote in a list": "- > old\n/coderflow run",
	"setext in a lazy quote":     "> old\n/coderflow run\n===",
	"fence":                      "```\n/coderflow run\n```",
	"fence with info string":     "```bash title=x\n/coderflow run\n```",
	"unclosed fence":             "```\n/coderflow run",
	"long fence, short end":      "````\n```\n/coderflow run\n````",
	"tilde fence":                "~~~\n```\n/coderflow run\n~~~",
	"indented fence":             "  ```\n/coderflow run\n  ```",
	"fence in CRLF":              "```\r\n/coderflow run\r\n```\r\n",
	"indented code":              "    /coderflow run",
	"tab":                        "\t/coderflow run",
	"deep continuation":          "text\n      /coderflow run",
	"inline code":                "`/coderflow run`",
	"inline code over lines":     "see `a\n/coderflow run\nb`",
	"HTML comment":               "<!-- /coderflow run -->",
	"HTML comment over lines":    "<!--\n/coderflow run\n-->",
	"comment with empty lines":   "<!--\n\n/coderflow run\n\n-->",
	"comment inside a paragraph": "text <!--\n/coderflow run\n--> text",
	"comment opened in a div":    "<div><!--\n\n/coderflow run\n\n--></div>",
	"attribute over lines":       "<div title=\"\n\n/coderflow run\n\n\">",
	"attribute in a paragraph":   "a <b title=\"\n/coderflow run\n\">b</b>",
	"pre":                        "<pre>\n\n/coderflow run\n\n</pre>",
	"details":                    "<details>\n/coderflow run\n</details>",
	"details with empty lines":   "<details><summary>s</summary>\n\n/coderflow run\n\n</details>",
	"HTML quote":                 "<blockquote>\n\n/coderflow run\n\n</blockquote>",
	"nested HTML quote":          "<div><blockquote>\n\n/coderflow run\n\n</blockquote></div>",
	"link text":                  "[a\n/coderflow run](https://example.com)",
	"link title":                 "[a]: /b '\n/coderflow run\n'",
	"image text":                 "![a\n/coderflow run](x.png)",
	"struck out":                 "~~a\n/coderflow run~~",
	"zero-width prefix":          "\u200b/coderflow run",
	"byte order mark":            "\ufeff/coderflow run",
	"full-width slash":           "\uff0fcoderflow run",
	"division slash":             "\u2215coderflow run",
	"Cyrillic letters":           "/\u0441oderflow run",
	"zero-width inside":          "/coder\u200bflow run",
	"processing instruction":     "<?\n\n/coderflow run\n\n?>",
	"CDATA":                      "<![CDATA[\n\n/coderflow run\n\n]]>",
}

func TestThreat07CommandsThatAreNotGivenAreIgnored(t *testing.T) {
	t.Parallel()
	for name, body := range placesThatAreNotCommands {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if commands, problems := Parse(body); len(commands) > 0 || len(problems) > 0 {
				t.Errorf("Parse: %+v, %+v", commands, problems)
			}
			review := ParseReview(strings.ReplaceAll(body, "/coderflow run", "/coderflow deploy x"))
			if len(review.Deploy) > 0 || len(review.Problems) > 0 {
				t.Errorf("ParseReview: %+v", review)
			}
		})
	}
}

func TestParseExplainsWhatItCannotFollow(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"/coderflow rnu":                          "did you mean run?",
		"/coderflow run\u200b":                    `"run\u200b"`,
		"/coderflow: run":                         "write a space",
		"/coderflow run --evn prod":               "did you mean --env?",
		"/coderflow run --force":                  "no option",
		"/coderflow run —env prod":                "two plain hyphens",
		"/coderflow run --env":                    "needs a value",
		"/coderflow run --env=":                   "not a name",
		"/coderflow run --env 1st":                "not a name",
		"/coderflow run --env a/b":                "not a name",
		"/coderflow run --env a --env b":          "twice",
		"/coderflow run --env 'a":                 "not closed",
		"/coderflow run --base -x":                "dash",
		"/coderflow run --base a..b":              "not a branch",
		"/coderflow run --base a.lock":            "not a branch",
		"/coderflow run --base \"a b\"":           "not a branch",
		"/coderflow run --base a\u202eb":          "invisible",
		"/coderflow run fix it --env prod":        "behind the text",
		"/coderflow status now":                   "takes nothing",
		"/coderflow run --agents a,b,c,d,e":       "at most 4",
		"/coderflow run --agents a,a":             "named twice",
		"/coderflow run --agents a,":              "not a name of an agent",
		"/coderflow run --agent a --agents b":     "give one of them",
		"/coderflow run --agent a,b":              "not a name of an agent",
		"/coderflow run --supersede=no":           "takes no value",
		"/coderflow run now --supersede":          "stands behind the text",
		"/coderflow revise":                       "needs to be told",
		"/coderflow revise\n<!-- hidden -->":      "needs to be told",
		"/coderflow judge 'a b'":                  "not a name",
		"/coderflow judge a a":                    "twice",
		"/coderflow deploy prod":                  "approving review",
		strings.Repeat(">", 9000) + "\n\n" + word: "nested too deeply",
		word + strings.Repeat(" x", maxBody):      "64 KiB",
	} {
		commands, problems := Parse(body)
		if len(commands) != 0 || len(problems) != 1 || !strings.Contains(problems[0].Text, want) {
			t.Errorf("%.60q: %+v, %+v; want one problem with %q", body, commands, problems, want)
		}
	}
}

func TestParseCountsOnlyTheFirstCommandThatStartsWork(t *testing.T) {
	t.Parallel()
	commands, problems := Parse("/coderflow run a\n/coderflow status\n/coderflow run b")
	if len(commands) != 2 || commands[0].Text != "a" || commands[1].Name != Status {
		t.Fatalf("commands: %+v", commands)
	}
	if len(problems) != 1 || problems[0].Line != 3 || !strings.Contains(problems[0].Text, "only the first") {
		t.Fatalf("problems: %+v", problems)
	}
}

func TestParseBoundsTheNumberOfCommands(t *testing.T) {
	t.Parallel()
	commands, problems := Parse(strings.Repeat("/coderflow status\n", 1000))
	if len(commands) != maxCommands || len(problems) != 1 {
		t.Fatalf("%d commands, %d problems", len(commands), len(problems))
	}
}

// Time limits are loose because machines are busy; what keeps the parser from
// quadratic work is asserted by its refusal.
func TestHostileTextsAreReadQuickly(t *testing.T) {
	for name, tc := range map[string]struct {
		unit    string
		refused bool
	}{
		"quotes": {">", true}, "tabbed quotes": {">\t", true}, "ordered lists": {"1. ", true}, "lists": {"- ", true},
		"links": {"[a](", true}, "brackets": {"[](", true}, "open brackets": {"[", true}, "images": {"![[", true},
		"definitions": {"[a]: b\n", true}, "stars": {"*a_b ", false}, "closing tags": {"</a", false}, "tags": {"<a ", false},
		"comments": {"<!--", false}, "backticks": {"`` ` ", false}, "headings": {"a\n=\n", false}, "tables": {"|a|\n|-|\n", false},
		"tildes": {"~~a~", false}, "paragraphs of brackets": {strings.Repeat("[a](", 100) + "\n\n", false},
		"quoted lines": {strings.Repeat(">", 60) + "a\n", false}, "details": {"<details>\n\n", false},
		"items of details": {"- <details>\n", false}, "text": {"a\n", false},
	} {
		body := strings.Repeat(tc.unit, (maxBody-100)/len(tc.unit)) + "\n\n/coderflow run"
		start := time.Now()
		_, problems := Parse(body)
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s: %s", name, took)
		}
		refused := len(problems) == 1 && problems[0].Text == errTooComplex.Error()
		if refused != tc.refused {
			t.Errorf("%s: refused %v: %v", name, refused, problems)
		}
	}
}
