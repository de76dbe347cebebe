package engine

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/secret"
)

// A change with a secret in it, in a name, a content or the target of a link, as
// it is or encoded, ends with an error before anything of it is kept; and the
// error does not say the secret (row 35).
func TestThreat35AChangeWithASecretIsNotTaken(t *testing.T) {
	t.Parallel()
	const password = "hunter2-hunter2"
	v, err := secret.NewValue("DB_PASSWORD", []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte("xy" + password + "z"))
	file := func(path, content string) guestproto.Record {
		return guestproto.Record{Path: path, Kind: guestproto.KindFile, Content: strings.NewReader(content)}
	}
	for name, c := range map[string]struct {
		list []guestproto.Record
		want string // empty: taken
	}{
		"content":  {[]guestproto.Record{file("a", "x"), file("b.txt", "a = "+password), file("c", "x")}, `"b.txt"`},
		"the last": {[]guestproto.Record{file("a", strings.Repeat("x", 1<<20)+password)}, `"a"`},
		"encoded":  {[]guestproto.Record{file("a", encoded)}, `"a"`},
		"a name":   {[]guestproto.Record{file("dir/"+password, "x")}, `"dir/[redacted:DB_PASSWORD]"`},
		"deleted":  {[]guestproto.Record{{Path: password, Kind: guestproto.KindDeleted}}, `"[redacted:DB_PASSWORD]"`},
		"a link":   {[]guestproto.Record{{Path: "l", Kind: guestproto.KindSymlink, Content: strings.NewReader("/" + password)}}, `"l"`},
		"none":     {[]guestproto.Record{file("a", "hunter2"), file("b", "-hunter2")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var failed error
			l := &leaks{redactor: secret.NewRedactor(v)}
			for change, err := range l.over(New(Options{}).collected((&records{list: c.list, end: io.EOF}).Next)) {
				if failed = err; err == nil && change.Content != nil {
					if _, err := io.Copy(io.Discard, change.Content); err != nil {
						t.Fatal(err)
					}
				}
			}
			var leak *LeakError
			if errors.As(failed, &leak) != (c.want != "") {
				t.Fatalf("%v", failed)
			}
			if failed != nil && (!strings.Contains(failed.Error(), c.want) || strings.Contains(failed.Error(), password)) {
				t.Errorf("%v", failed)
			}
		})
	}
}
