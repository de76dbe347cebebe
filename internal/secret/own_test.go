package secret

import (
	"bytes"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/token"
)

// A token that somebody pasted into a prompt or printed into a log is redacted,
// although the server does not know it.
func TestThreat35TokensOfOursAreRedactedByTheirForm(t *testing.T) {
	t.Parallel()
	r := NewRedactor(value(t, "key", "sk-secret-value"))
	for range 100 {
		k := token.New().Reveal()
		wrong := k[:len(k)-1] + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", k[len(k)-1])+1)%16])
		for name, c := range map[string]struct{ text, want string }{
			"alone":                 {k, "[redacted:api-token]"},
			"in a sentence":         {"use " + k + " to see", "use [redacted:api-token] to see"},
			"two in a row":          {k + k, "[redacted:api-token][redacted:api-token]"},
			"behind a beginning":    {"cfp_abccfp" + k, "cfp_abccfp[redacted:api-token]"},
			"within another's body": {k[:20] + k, k[:20] + "[redacted:api-token]"},
			"in JSON":               {`{"token":"` + k + `"}`, `{"token":"[redacted:api-token]"}`},
			"wrapped":               {k[:30] + "\r\n" + k[30:], "[redacted:api-token]"},
			"torn apart":            {k[:30] + "\n\n\n" + k[30:], k[:30] + "\n\n\n" + k[30:]},
			"with a wrong checksum": {wrong, wrong},
			"cut":                   {k[:63], k[:63]},
			"beside a value":        {"sk-secret-value" + k, "[redacted:key][redacted:api-token]"},
		} {
			if got, _ := r.Redact(c.text); got != c.want {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
			for _, size := range []int{1, 7, 64} {
				if got := written(t, r, c.text, size); got != c.want {
					t.Errorf("%s in pieces of %d: %q, want %q", name, size, got, c.want)
				}
			}
		}
		if got, n := NewRedactor().Redact(k); got != "[redacted:api-token]" || n != 1 {
			t.Errorf("without values: %q, %d", got, n)
		}
	}
}

// written is the text as a stream in pieces.
func written(t *testing.T, r *Redactor, text string, size int) string {
	t.Helper()
	var out bytes.Buffer
	w := r.Writer(&out)
	for len(text) > 0 {
		n := min(size, len(text))
		if _, err := w.Write([]byte(text[:n])); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
