package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestAmbiguousTextIsRefused(t *testing.T) {
	t.Parallel()
	many := strings.Repeat(`"k":1,`, 2)
	for _, text := range []string{
		``, ` `, `{`, `[1,]`, `{"a":1,}`, `{a:1}`, `{'a':1}`, `01`, `1.`, `.5`, `+1`, `1e`, `-`, `NaN`, `Infinity`, `tru`, `"a`, "\"\n\"", `"\x41"`, `"\u12"`,
		`{"a":1}{"a":2}`, `{"a":1} x`, "\xef\xbb\xbf{}", "\"\xff\"", `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `[{"x":{"y":1,"y":2}}]`, `{` + many + `"z":1}`, `/* */{}`,
		`{"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1,"10":1,"11":1,"12":1,"13":1,"14":1,"13":1}`,
	} {
		var want *Error
		if n, err := Parse(text); !errors.As(err, &want) {
			t.Errorf("%q was read as %+v (%v)", text, n, err)
		}
	}
}

func TestSizeIsBounded(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("[", 1_000_000), "[" + strings.Repeat("1,", MaxNodes) + "1]"} {
		if _, err := Parse(text); !errors.Is(err, ErrLimit) {
			t.Errorf("%.10s…: %v", text, err)
		}
	}
}

func TestWhatIsWrittenMeansTheSame(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		` { "a" : [ 1.50e+3 , -0 , true , null ] , "b" : { } } `: `{"a":[1.50e+3,-0,true,null],"b":{}}`,
		`"\u0061\/\"\\\n\u0001\ud83d\ude00"`:                     "\"a/\\\"\\\\\\n\\u0001😀\"",
		`"\ud83d x \ude00\ud83d"`:                                "\"\uFFFD x \uFFFD\uFFFD\"",
		`12345678901234567890.123456789`:                         `12345678901234567890.123456789`,
		`"<&>"`:                                                  `"<&>"`,
	} {
		n, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := string(n.Append(nil)); got != want {
			t.Errorf("%s became %s, not %s", text, got, want)
		}
	}
}

func TestKeysAndValuesCanBeChanged(t *testing.T) {
	t.Parallel()
	n, err := Parse(`{"x1":"x","x2":["x",{"y":"x"}],"n":1,"o":5550}`)
	if err != nil {
		t.Fatal(err)
	}
	n.Strings(func(s string) string {
		if strings.HasPrefix(s, "x") || s == "5550" {
			return "r"
		}
		return s
	})
	n.Set("n", NewLiteral("2"))
	n.Set("m", NewString("s"))
	n.Delete("none")
	if got, want := string(n.Append(nil)), `{"r":"r","r'":["r",{"y":"r"}],"n":2,"o":"r","m":"s"}`; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

// FuzzParse: what is accepted is accepted by the standard library, and written
// as the same value; and it is stable.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e3,"\u00e9\n"],"b":null}`, `{"a":1,"a":2}`, `"\ud800"`, `[[[]]]`, `{"model":"m","Model":"n"}`, `1`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := Parse(string(text))
		if err != nil {
			return
		}
		written := n.Append(nil)
		if before, after := decode(t, text), decode(t, written); !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q", text, written)
		}
		forget(n)
		if anew := n.Append(nil); !bytes.Equal(anew, written) {
			t.Fatalf("strings as they came: %q, written anew: %q", written, anew)
		}
		again, err := Parse(string(written))
		if err != nil || !bytes.Equal(again.Append(nil), written) {
			t.Fatalf("%q is not stable (%v)", written, err)
		}
	})
}

// forget has every string written anew.
func forget(n *Node) {
	n.raw = ""
	for _, item := range n.Items {
		forget(item)
	}
	for _, m := range n.Members {
		forget(m.Value)
	}
}

func BenchmarkParseAndWrite(b *testing.B) {
	item := `{"role":"user","content":[{"type":"text","text":"` + strings.Repeat(`An ordinary line.\n`, 40) + `"}]},`
	text := []byte(`{"messages":[` + strings.Repeat(item, 100) + `{}]}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		n, err := Parse(string(text))
		if err != nil {
			b.Fatal(err)
		}
		n.Append(nil)
	}
}

func decode(t *testing.T, text []byte) (value any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%q was accepted: %v", text, err)
	}
	return value
}
