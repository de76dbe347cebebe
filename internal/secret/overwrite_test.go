package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// However a text is cut into pieces, and wherever copying begins again, what is
// kept has the length of what was read and nothing of a value.
func TestThreat35OverwrittenTextKeepsItsLengthAndNoValue(t *testing.T) {
	t.Parallel()
	password := "hunter2-hunter2"
	value := func(name, content string) Value {
		v, err := NewValue(name, []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	r := NewRedactor(value("password", password), value("multi", "line one\nline two!"))
	spellings := []string{password, base64.StdEncoding.EncodeToString([]byte(password)), hex.EncodeToString([]byte(password)), "line one\r\nline two!", "hunter2-hun", "line one\n", "\n", "plain words "}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(spellings), 0, 12).Draw(t, "text"), rapid.SampledFrom([]string{"", " "}).Draw(t, "joint"))
		var kept []byte
		for read := 0; len(kept) < len(text); {
			// What was not certain is read again, as after a restart.
			read = min(len(text), max(read, len(kept))+rapid.IntRange(1, 40).Draw(t, "piece"))
			clean, _ := r.Overwrite([]byte(text[len(kept):read]), read == len(text))
			kept = append(kept, clean...)
			if len(kept) > read {
				t.Fatalf("%d bytes of %d", len(kept), read)
			}
		}
		whole, _ := r.Overwrite([]byte(text), true)
		if len(kept) != len(text) || !bytes.Equal(kept, whole) {
			t.Fatalf("in pieces %q, at once %q, of %q", kept, whole, text)
		}
		for _, bad := range []string{password, spellings[1], spellings[2], "line one\nline two!", "line one\r\nline two!"} {
			if bytes.Contains(kept, []byte(bad)) {
				t.Fatalf("%q is in %q", bad, kept)
			}
		}
		if !strings.Contains(text, "hunter") && !strings.Contains(text, "line") && !strings.Contains(text, spellings[1]) && !strings.Contains(text, spellings[2]) && string(kept) != text {
			t.Fatalf("%q became %q", text, kept)
		}
	})
	if clean, n := r.Overwrite([]byte("a "+password+" b"), true); string(clean) != "a [redacted:passw b" || n != 1 {
		t.Errorf("%q, %d", clean, n)
	}
}
