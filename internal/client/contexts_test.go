package client

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coderflow/coderflow/internal/token"
)

func newPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "coderflow", "contexts.yaml")
}

func putAt(path string, c Context) error {
	return Edit(path, func(all *Contexts) error { return all.Put(c) })
}

func TestContextsAreKeptWithTheirTokens(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	first := Context{Name: "work", Server: "https://coderflow.example.com/", Token: token.New(), Subject: "github:1002"}
	for _, c := range []Context{first, {Name: "home", Server: "http://127.0.0.1:8080", Token: token.New()}} {
		if err := putAt(path, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := Edit(path, func(all *Contexts) error { return all.Use("work") }); err != nil {
		t.Fatal(err)
	}
	all, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	now, ok, err := all.Current()
	if err != nil || !ok || now.Server != "https://coderflow.example.com" || now.Token != first.Token || now.Subject != "github:1002" {
		t.Errorf("%v %v %v", now, ok, err)
	}
	if len(all.List) != 2 || all.List[0].Name != "home" {
		t.Errorf("not ordered by name: %v", all.List)
	}
	for place, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		info, err := os.Stat(place)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, want %v (%v)", place, info.Mode(), want, err)
		}
	}
	if err := Save(path, &Contexts{List: []Context{{Name: "broken"}}}); err == nil {
		t.Error("a file is written that cannot be read")
	}
	if err := Edit(path, func(all *Contexts) error { return all.Remove("work") }); err != nil {
		t.Fatal(err)
	}
	if all, err = Load(path); err != nil || all.Chosen != "" || len(all.List) != 1 {
		t.Errorf("%v %v", all, err)
	}
}

func TestAContextThatIsNotThereIsSaidWithThoseThatAre(t *testing.T) {
	t.Parallel()
	all := &Contexts{Chosen: "gone"}
	if err := all.Put(Context{Name: "work", Server: "https://x.example", Token: token.New()}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := all.Current(); !errors.Is(err, ErrNoContext) || !strings.Contains(err.Error(), "work") {
		t.Errorf("a chosen context that is gone: %v", err)
	}
	for _, err := range []error{all.Use("x"), all.Remove("x")} {
		if !errors.Is(err, ErrNoContext) {
			t.Error(err)
		}
	}
	for _, subject := range []string{"github:1\x1b", "github:\u009b", "a b", "\n", "github:"} {
		if all.Put(Context{Name: "x", Server: "https://x.example", Subject: subject}) == nil {
			t.Errorf("the subject %q is taken", subject)
		}
	}
	for _, name := range []string{"", "a b", "../x", "-c", "a\x1b"} {
		if all.Put(Context{Name: name, Server: "https://x.example"}) == nil {
			t.Errorf("the name %q is taken", name)
		}
	}
}

// Whoever can read the file has the tokens; whoever can replace it says where
// they go.
func TestThreat49ContextsThatOthersCouldReadOrPutInPlaceAreRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"group can read it":         func(path string) error { return os.Chmod(path, 0o640) },
		"everybody can write it":    func(path string) error { return os.Chmod(path, 0o602) },
		"a directory for everybody": func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) },
		"a link": func(path string) error {
			return errors.Join(os.Rename(path, path+".other"), os.Symlink(path+".other", path))
		},
		"a directory in its place": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		path := newPath(t)
		if err := putAt(path, Context{Name: "work", Server: "https://x.example", Token: token.New()}); err != nil {
			t.Fatal(err)
		}
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil {
			t.Errorf("%s: it is read", name)
		} else if name != "a directory in its place" && !errors.Is(err, ErrNotPrivate) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABrokenFileIsSaidWithoutItsTokens(t *testing.T) {
	t.Parallel()
	value := token.New().Reveal()
	good := "contexts: [{name: a, server: 'https://x.example', token: %s}]\n"
	for name, text := range map[string]string{
		"not YAML":         "contexts: [{token: " + value,
		"an unknown key":   fmt.Sprintf(good, value) + "extra: " + value + "\n",
		"a broken token":   fmt.Sprintf(good, value[:30]),
		"a plain server":   strings.Replace(fmt.Sprintf(good, value), "https", "http", 1),
		"far too large":    strings.Repeat("#", maxContexts+1),
		"a list of tokens": "[" + value + "]",
	} {
		path := newPath(t)
		if err := Save(path, &Contexts{}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || strings.Contains(err.Error(), value[4:20]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTwoThatChangeContextsAtOnceBothDo(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := putAt(path, Context{Name: fmt.Sprint("c", i), Server: "https://x.example", Token: token.New()}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if kept, err := Load(path); err != nil || len(kept.List) != 8 {
		t.Errorf("%d are left of 8: %v", len(kept.List), err)
	}
}

func TestThreat49ATokenGoesOverTLSOrStaysOnTheMachine(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"https://x.example", "https://x.example:8443/at/", "http://127.0.0.1:8080", "http://[::1]", "http://localhost:1"} {
		if _, err := ParseServer(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "x.example", "http://x.example", "ftp://x.example", "https://", "https://u:p@x.example", "https://x.example?a=b",
		"https://x.example#f", "http://127.0.0.1.x.example", "http://0.0.0.0", "http://localhost.x.example", "file:///etc/passwd"} {
		if _, err := ParseServer(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
