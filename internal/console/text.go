package console

import (
	"fmt"
	"html/template"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// funcs are what templates may call.
var funcs = template.FuncMap{
	"line": Line, "word": word, "brief": Brief, "text": Text, "time": Time, "moment": Moment, "short": Short, "bytes": Bytes, "count": count,
	"money": Money, "span": Span, "link": Link, "static": StaticPath, "plural": plural, "join": strings.Join,
}

// Bounds of one line of anybody's text, in bytes.
const (
	maxLine  = 500
	maxBrief = 160
)

// Text is anybody's text with what a reader, a terminal or a browser would take
// for something else shown as escapes: control, direction and invisible characters.
func Text(s string) string {
	plain := true
	for _, r := range s {
		if !shown(r) {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var out strings.Builder
	out.Grow(len(s) + 16)
	for _, r := range s { // a byte that is no text is U+FFFD
		if shown(r) {
			out.WriteRune(r)
			continue
		}
		fmt.Fprintf(&out, `\u%04x`, r)
	}
	return out.String()
}

// shown tells whether a character is shown as it is. U+FFFD is: it stands for a
// byte that is no text.
func shown(r rune) bool { return r == '\n' || r == '\t' || unicode.IsPrint(r) }

// Line is anybody's text as one bounded line that nothing acts on.
func Line(s string) string { return cut(s, maxLine) }

// word is Line of anything: a name, a kind, a number.
func word(v any) string { return Line(fmt.Sprint(v)) }

// Brief is Line for a cell of a table.
func Brief(s string) string { return cut(s, maxBrief) }

func cut(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(Text(s))
}

// Time shows a time to the minute; the browser shows it in the viewer's zone. The
// zero time shows as nothing.
func Time(t time.Time) template.HTML { return stamp(t, "2006-01-02 15:04", "minute") }

// Moment shows a time to the second.
func Moment(t time.Time) template.HTML { return stamp(t, "2006-01-02 15:04:05", "second") }

// stamp holds digits and our own words alone.
func stamp(t time.Time, layout, unit string) template.HTML {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `" data-unit="` + unit + `">` + t.Format(layout) + ` UTC</time>`)
}

// Short is the beginning of a commit or a digest.
func Short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return Line(id[:min(12, len(id))])
}

// Bytes is a size in the units that people use.
func Bytes(n int64) string {
	const kib = 1 << 10
	switch {
	case n < kib:
		return Plural(n, "byte")
	case n < kib*kib:
		return fmt.Sprintf("%.1f KiB", float64(n)/kib)
	case n < kib*kib*kib:
		return fmt.Sprintf("%.1f MiB", float64(n)/(kib*kib))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(kib*kib*kib))
}

// Count is a number with its thousands apart.
func Count(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

// Plural is a number and its noun.
func Plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}

// count and plural take every kind of whole number, as templates have them.
func count(n any) string { return Count(whole(n)) }

func plural(n any, noun string) string { return Plural(whole(n), noun) }

func whole(n any) int64 {
	if v := reflect.ValueOf(n); v.CanInt() {
		return v.Int()
	} else if v.CanUint() {
		return int64(min(v.Uint(), math.MaxInt64))
	}
	return 0
}

// Money is an amount in millionths of a dollar, rounded to the cent upwards, so
// that what cost something does not show as nothing.
func Money(micros int64) string {
	cents := (micros + 9_999) / 10_000
	return fmt.Sprintf("$%d.%02d", cents/100, cents%100)
}

// Span is how long something took.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

// Link is the address if it is one that a browser only opens; empty otherwise.
func Link(address string) string {
	if strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://") {
		return address
	}
	return ""
}
