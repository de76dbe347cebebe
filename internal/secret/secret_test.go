package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func value(t interface{ Fatal(...any) }, name, content string) Value {
	v, err := NewValue(name, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAValueNeverPrintsItself(t *testing.T) {
	t.Parallel()
	const content = "hunter2-hunter2"
	v := value(t, "db", content)
	hidden := struct{ v Value }{v}
	shown := struct{ V *Value }{&v}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).InfoContext(t.Context(), "x", "v", v, "hidden", hidden, "shown", shown)
	text, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	all := string(text) + log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, holder := range []any{v, &v, hidden, shown} {
			all += fmt.Sprintf(verb, holder)
		}
	}
	if strings.Contains(all, content) || strings.Contains(all, hex.EncodeToString([]byte(content))) || strings.Contains(all, "104 117 110") {
		t.Errorf("printed: %s", all)
	}
	if string(v.Reveal()) != content {
		t.Error("the content is lost")
	}
}

func TestValuesThatCannotBeRedactedAreRefused(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]error{
		"":                               ErrTooShort,
		"1234567":                        ErrTooShort,
		"  1234567\n":                    ErrTooShort,
		"a\n\n\n\n\n\n\n\nb":             ErrTooShort,
		strings.Repeat("x", MaxLength+1): ErrTooLong,
	} {
		if _, err := NewValue("n", []byte(content)); !errors.Is(err, want) {
			t.Errorf("%.20q: %v", content, err)
		}
	}
	if _, err := NewValue("a]b", []byte("12345678")); !errors.Is(err, ErrName) {
		t.Error(err)
	}
}

// encodings are how a program may write a value; before and after is what stands
// beside it.
var encodings = map[string]func(before, secret, after string) string{
	"raw":        func(b, s, a string) string { return b + s + a },
	"base64":     func(b, s, a string) string { return base64.StdEncoding.EncodeToString([]byte(b + s + a)) },
	"base64 url": func(b, s, a string) string { return base64.RawURLEncoding.EncodeToString([]byte(b + s + a)) },
	"base64 wrapped": func(b, s, a string) string {
		return wrap(base64.StdEncoding.EncodeToString([]byte(b+s+a)), 76, "\n")
	},
	"hex":         func(b, s, a string) string { return hex.EncodeToString([]byte(b + s + a)) },
	"hex capital": func(b, s, a string) string { return strings.ToUpper(hex.EncodeToString([]byte(b + s + a))) },
	"hex wrapped": func(b, s, a string) string { return wrap(hex.EncodeToString([]byte(b+s+a)), 60, "\r\n") },
	"hex spaced":  func(b, s, a string) string { return each(b+s+a, "%02X", " ") },
	"query":       func(b, s, a string) string { return url.QueryEscape(b + s + a) },
	"path":        func(b, s, a string) string { return url.PathEscape(b + s + a) },
	"percent":     func(b, s, a string) string { return each(b+s+a, "%%%02X", "") },
	"json":        func(b, s, a string) string { t, _ := json.Marshal(b + s + a); return string(t) },
}

func wrap(s string, width int, end string) string {
	var out strings.Builder
	for len(s) > width {
		out.WriteString(s[:width] + end)
		s = s[width:]
	}
	return out.String() + s
}

// TestThreat35NoEncodingOfASecretSurvives cuts encoded secrets anywhere. The
// comparison is by the encoding itself: what is left must not hold the value's
// own characters any more.
func TestThreat35NoEncodingOfASecretSurvives(t *testing.T) {
	t.Parallel()
	for name, encode := range encodings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				content := rapid.StringMatching(`[!-~]{8,80}`).Draw(t, "secret")
				// No letters or digits beside it: they would hide what is left of an encoding.
				before := rapid.StringMatching(`[ -/]{0,40}`).Draw(t, "before")
				after := rapid.StringMatching(`[ -/]{0,40}`).Draw(t, "after")
				r := NewRedactor(value(t, "other", "another-value"), value(t, "it", content))
				text := encode(before, content, after)
				once, n := r.Redact(text)
				if n == 0 || !strings.Contains(once, "[redacted:it]") {
					t.Fatalf("not found in %q: %q", text, once)
				}
				var out bytes.Buffer
				w := r.Writer(&out)
				for rest := []byte(text); len(rest) > 0; {
					n := rapid.IntRange(1, len(rest)).Draw(t, "chunk")
					if _, err := w.Write(rest[:n]); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				if err := w.Close(); err != nil || out.String() != once {
					t.Fatalf("streamed %q, at once %q (%v)", out.String(), once, err)
				}
				if w.Replaced() != n {
					t.Fatalf("%d replaced in the stream, %d at once", w.Replaced(), n)
				}
			})
		})
	}
}

func TestKeyFilesAreFoundWholeAndByLine(t *testing.T) {
	t.Parallel()
	pem := "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHAhoRzlpHT\nZm9vYmFyYmF6cXV1eGNvcmdlZ3JhdWx0\n-----END PRIVATE KEY-----\n"
	r := NewRedactor(value(t, "key", pem))
	diff := "+" + strings.ReplaceAll(strings.TrimSpace(pem), "\n", "\n+")
	quoted, _ := json.Marshal(pem)
	for _, text := range []string{pem, strings.ReplaceAll(pem, "\n", "\r\n"), diff, string(quoted), hex.EncodeToString([]byte(pem)),
		base64.StdEncoding.EncodeToString([]byte("x" + pem))} {
		out, n := r.Redact(text)
		if n == 0 || strings.Contains(out, "MC4CAQAw") || strings.Contains(out, "Zm9vYmFy") || strings.Contains(out, "4d4334434151") {
			t.Errorf("%q became %q", text, out)
		}
	}
	if out, n := r.Redact("-----BEGIN PRIVATE KEY-----"); n != 0 {
		t.Errorf("a header alone became %q", out)
	}
}

func TestOrdinaryTextIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := NewRedactor(value(t, "a", "correct horse battery"), value(t, "b", "aaaaaaaa"))
	for _, text := range []string{"", "correct horse batter", "aaaaaaa", "a\n\n\naaaaaaa", "correct\n\n\n horse battery"} {
		if out, n := r.Redact(text); n != 0 || out != text {
			t.Errorf("%q became %q", text, out)
		}
	}
	var none *Redactor
	if out, n := none.Redact("correct horse battery"); n != 0 || out != "correct horse battery" {
		t.Error("a nil redactor changed a text")
	}
}

func TestRunsAndOverlapsAreOneReplacement(t *testing.T) {
	t.Parallel()
	r := NewRedactor(value(t, "a", "aaaaaaaa"), value(t, "b", "aaaaBBBBBB"))
	var out bytes.Buffer
	w := r.Writer(&out)
	for range 1000 {
		if _, err := io.WriteString(w, "aaaa"); err != nil {
			t.Fatal(err)
		}
		if held := len(w.s.held); held > 64 {
			t.Fatalf("%d bytes are held back", held)
		}
	}
	_, _ = io.WriteString(w, "BBBBBB.")
	if err := w.Close(); err != nil || out.String() != "[redacted:a]." {
		t.Errorf("%q %v", out.String(), err)
	}
}

// TestNothingIsHeldBackWithoutCause is what lets model streams pass at once.
func TestNothingIsHeldBackWithoutCause(t *testing.T) {
	t.Parallel()
	r := NewRedactor(value(t, "a", "sk-secret-value"))
	var out bytes.Buffer
	w := r.Writer(&out)
	_, _ = io.WriteString(w, "data: {\"delta\":\"sk-\"}\n\n")
	if out.String() != "data: {\"delta\":\"sk-\"}\n\n" {
		t.Errorf("held back: %q", out.String())
	}
	_, _ = io.WriteString(w, "x sk-sec")
	if !strings.HasSuffix(out.String(), "x ") {
		t.Errorf("a beginning got out: %q", out.String())
	}
}

func FuzzRedactor(f *testing.F) {
	f.Add([]byte("x secret-1234567 y"), uint8(3))
	f.Add([]byte("secret-\r\n1234567secret-1234567"), uint8(1))
	f.Add([]byte(base64.StdEncoding.EncodeToString([]byte("ab secret-1234567"))), uint8(7))
	f.Add([]byte("7365637265742D31323334353637"), uint8(2))
	r := NewRedactor(value(f, "a", "secret-1234567"), value(f, "b", "1234567secret"))
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		once, n := r.Redact(string(text))
		if strings.Contains(strings.ToLower(once), "secret-1234567") {
			t.Fatalf("survived: %q", once)
		}
		if n == 0 && once != string(text) {
			t.Fatalf("changed without a count: %q", once)
		}
		var out bytes.Buffer
		w := r.Writer(&out)
		for step := int(size)%16 + 1; len(text) > 0; text = text[min(step, len(text)):] {
			_, _ = w.Write(text[:min(step, len(text))])
		}
		if _ = w.Close(); out.String() != once {
			t.Fatalf("streamed %q, at once %q", out.String(), once)
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	values := make([]Value, 10)
	for i := range values {
		values[i] = value(b, fmt.Sprint("v", i), fmt.Sprintf("%d-sk-ant-api03-abcdefghijklmnopqrstuvwxyz-%d", i, i))
	}
	r := NewRedactor(values...)
	text := strings.Repeat("An ordinary line of a program: func main() { fmt.Println(42) }\n", 1300)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r.Redact(text)
	}
	b.ReportMetric(float64(len(r.matcher.nodes)*24), "automaton-bytes")
}
