package strictyaml

import (
	"errors"
	"strings"
	"testing"
	"time"
)

type sample struct {
	Name    string            `yaml:"name,required"`
	Count   int               `yaml:"count"`
	Ratio   float64           `yaml:"ratio"`
	On      bool              `yaml:"on"`
	Size    Size              `yaml:"size"`
	Wait    Duration          `yaml:"wait"`
	Items   []inner           `yaml:"items"`
	Labels  map[string]string `yaml:"labels"`
	Section *inner            `yaml:"section"`
	Free    any               `yaml:"free"`
}

type inner struct {
	ID string `yaml:"id,required"`
}

func decode(t *testing.T, text string) (sample, []*Problem) {
	t.Helper()
	docs, err := Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if len(docs) != 1 {
		t.Fatalf("%q: %d documents", text, len(docs))
	}
	var s sample
	return s, docs[0].Decode(&s)
}

func TestGoodDocumentsDecode(t *testing.T) {
	t.Parallel()
	docs, err := Parse("f.yaml", []byte("\ufeffname: |\n  two\n  lines\ncount: 3\nratio: 2\non: true\nsize: 1GiB\nwait: 1m30s\n"+
		"items:\n- {id: a}\n- id: \"7\"\nlabels: {a.b: 'x', c: y}\nsection:\n  id: s\nfree: [1, {a: b}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := sample{Count: 9}
	if problems := docs[0].Decode(&s); problems != nil {
		t.Fatal(Join(problems))
	}
	if s.Name != "two\nlines\n" || s.Count != 3 || s.Ratio != 2 || !s.On || s.Size != 1<<30 || time.Duration(s.Wait) != 90*time.Second ||
		len(s.Items) != 2 || s.Items[1].ID != "7" || s.Labels["a.b"] != "x" || s.Section.ID != "s" {
		t.Errorf("%+v", s)
	}
}

func TestMistakesHaveTheirPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"name: x\nname: y":                     "f.yaml:2:1: name: this key is already set in line 1",
		"name: x\nnam: y":                      `f.yaml:2:1: nam: unknown key "nam"; did you mean "name"?`,
		"name: x\nxyzzyplugh: y":               "unknown key \"xyzzyplugh\" (known: name, count,",
		"count: 1":                             "f.yaml:1:1: name: this key is required",
		"name: 7":                              "f.yaml:1:7: name: want text, this is the number 7; put it in quotes",
		"name: true":                           "name: want text, this is true; put it in quotes",
		"name:":                                "name: has no value",
		"name: ~":                              "name: has no value",
		"name: [x]":                            "name: want a single value, this is a list",
		"name: x\ncount: '3'":                  "f.yaml:2:8: count: want a whole number, this is text",
		"name: x\ncount: 1.5":                  "count: want a whole number, not \"1.5\"",
		"name: x\ncount: 99999999999999999999": "count: want",
		"name: x\nratio: .inf":                 "ratio: want",
		"name: x\non: yes":                     "on: want true or false, this is text",
		"name: x\nsize: 1XiB":                  "size: want a size",
		"name: x\nsize: 9999999TiB":            "is too large",
		"name: x\nwait: 5":                     "wait: want a duration",
		"name: x\nitems: {id: a}":              "items: want a list, this is a mapping",
		"name: x\nitems:\n- id: a\n- {}":       "f.yaml:4:3: items[1].id: this key is required",
		"name: x\nlabels: x":                   "labels: want keys and values, this is text",
		"name: x\nlabels: {a: b, a: c}":        "labels.a: this key is already set in line 2",
		"name: x\nsection: {id: a, x: y}":      `f.yaml:2:18: section.x: unknown key "x"`,
		"- a":                                  "f.yaml:1:1: want keys and values, this is a list",
	} {
		_, problems := decode(t, text)
		if err := Join(problems); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %q, got: %v", text, want, err)
		}
	}
}

func TestUnwantedYAMLIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a: &x 1":                    "f.yaml:1:4: anchors and aliases",
		"a: *x":                      "anchors and aliases",
		"<<: {a: b}":                 "merge keys",
		"a: !!str 1":                 "f.yaml:1:4: tags",
		"%YAML 1.2\n---\na: b":       "directives",
		"a: [":                       "f.yaml:1:",
		"a: b\n c: d":                "f.yaml:",
		"--- {a: b}":                 "f.yaml:1:5: begin the document on a line of its own",
		"a: b\n--- # c\n--- c":       "begin the document on a line of its own",
		"a: \x00":                    "NUL",
		strings.Repeat("{a: ", 40):   "nested deeper",
		strings.Repeat("? ", 100000): "nested deeper",
		strings.Repeat("- ", 100000): "nested deeper",
		strings.Repeat("[", 1<<18):   "nested deeper",
		strings.Repeat("x", 1<<18+1): "larger than 256KiB",
	} {
		_, err := Parse("f.yaml", []byte(text))
		var problem *Problem
		if !errors.As(err, &problem) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: want %q, got: %v", text, want, err)
		}
	}
}

func TestDocumentsOfAFileAreSeparate(t *testing.T) {
	t.Parallel()
	docs, err := Parse("f.yaml", []byte("# nothing\n---\nkind: a\n---\n---\nkind: b\n...\n---\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) != 2 || docs[0].Scalar("kind") != "a" || docs[1].Scalar("kind") != "b" || docs[1].Scalar("other") != "" {
		t.Errorf("%d documents", len(docs))
	}
	if p := docs[1].Problem("kind.deeper[3].x", "wrong"); p.Line == 0 {
		t.Errorf("no place for a path that is not there: %v", p)
	}
}

func TestManyProblemsAreCounted(t *testing.T) {
	t.Parallel()
	var many []*Problem
	for i := range 250 {
		many = append(many, &Problem{File: "f", Line: 250 - i, Column: 1, Text: "x"})
	}
	text := Join(many).Error()
	if !strings.HasPrefix(text, "f:1:1: x\nf:2:1: x\n") || !strings.HasSuffix(text, "and 150 more problems") {
		t.Errorf("%.60s … %s", text, text[len(text)-40:])
	}
	if Join(nil) != nil {
		t.Error("no problems are an error")
	}
}

func TestSizesPrintAsTheyAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0": 0, "17": 17, "1kB": 1000, "1KiB": 1024, "512MiB": 512 << 20, "3TiB": 3 << 40} {
		var s, again Size
		if err := s.UnmarshalText([]byte(text)); err != nil || int64(s) != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s prints as %s", text, s)
		}
	}
}

// FuzzParse holds the parser of others to our promise: an answer or a *Problem,
// never a crash and never a hang.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"name: x\n", "a: [1, {b: c}]\n---\nd: |\n  e\n", "? a\n: b\n", "\"\\x", "- - - a", "a: >-\n  b\n\n\n c", "{", "}:", "a:\t-", "'", "\r\n:\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, err := Parse("f", data)
		var problem *Problem
		if err != nil && !errors.As(err, &problem) {
			t.Fatalf("not a Problem: %v", err)
		}
		for _, d := range docs {
			var s sample
			_ = Join(d.Decode(&s))
			_ = d.Scalar("kind")
		}
	})
}
