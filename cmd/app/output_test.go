package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

// What is printed as JSON and as YAML is the value, whatever its texts are, and
// nothing of it acts on a terminal.
func TestWhatIsPrintedIsTheValueAndInert(t *testing.T) {
	t.Parallel()
	type value struct {
		A string              `json:"a"`
		B []string            `json:"b"`
		C map[string]string   `json:"c"`
		D []map[string]string `json:"d"`
		E *int                `json:"e,omitempty"`
		F bool                `json:"yes"`
	}
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		hostile, "", "yes", "Null", "1e3", "0x1f", "12:30", "a: b", "a #b", "- a", "~", "a:", "line\nline", "\ttab", "tasks:view", "environment/staging",
		"2026-01-02", "2026-01-02T03:04:05Z", ".inf", "-1", "<b>&", "\U000e0041", "a\\b", `"`, "=", "<<", "!x", "%", "@", "`", "{", "[", "1_000",
	}))
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.MapOfN(rapid.StringMatching(`[a-z]{1,3}`), text, 0, 3)
		want := value{A: text.Draw(t, "a"), B: rapid.SliceOfN(text, 0, 3).Draw(t, "b"), C: texts.Draw(t, "c"), D: rapid.SliceOfN(texts, 0, 2).Draw(t, "d")}
		encoded, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		want = value{} // bytes that are no text are replaced
		if err := json.Unmarshal(encoded, &want); err != nil {
			t.Fatal(err)
		}
		for name, read := range map[string]func([]byte, any) error{
			"json": json.Unmarshal,
			"yaml": func(text []byte, into any) error {
				return yaml.UnmarshalWithOptions(text, into, yaml.UseJSONUnmarshaler())
			},
		} {
			var out bytes.Buffer
			if err := (outputFlag{Output: name}).print(streams{out: &out}, want, nil); err != nil {
				t.Fatal(err)
			}
			if printed := out.String(); printed != visible(printed) || bytes.ContainsRune(out.Bytes(), '\t') {
				t.Errorf("%s: %q acts on a terminal", name, printed)
			}
			var back value
			if err := read(out.Bytes(), &back); err != nil || !reflect.DeepEqual(back, want) {
				t.Errorf("%s: %q is read as %+v, want %+v: %v", name, out.String(), back, want, err)
			}
		}
	})
}
