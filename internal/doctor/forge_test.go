package doctor

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/forge/github"
)

// hub is a local forge with our App, of which change has taken something away.
func hub(t *testing.T, change func(*emulator.AppManifest)) (*emulator.Forge, Options) {
	t.Helper()
	app := &emulator.AppManifest{Name: "CoderFlow", URL: "https://x.example.com", Permissions: github.AppPermissions(), Events: github.AppEvents()}
	if change != nil {
		change(app)
	}
	f, err := emulator.New(emulator.Options{Dir: t.TempDir(), App: app})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CreateUser("acme", emulator.UserOptions{Organization: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CreateRepository("acme", "shop", map[string]string{"README.md": "# Shop\n"}, emulator.RepositoryOptions{}); err != nil {
		t.Fatal(err)
	}
	info := f.Info()
	key, err := os.ReadFile(info.PrivateKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	adapter, err := github.New(github.Config{
		APIURL: info.APIURL, GraphQLURL: info.GraphQLURL, GitURL: info.GitURL, AppID: info.AppID, PrivateKey: key,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := world(t)
	o.Engine = fakeEngine{facts: goodFacts()}
	o.App, o.Client = adapter, http.DefaultClient
	o.Config.GitHub = &config.GitHub{APIURL: strings.TrimSuffix(info.APIURL, "/") + "/"}
	return f, o
}

func TestAWholeAppIsInOrder(t *testing.T) {
	t.Parallel()
	f, o := hub(t, nil)
	if _, err := f.Install("acme/shop"); err != nil {
		t.Fatal(err)
	}
	got := examine(t, o)
	for _, check := range []string{"forge", "clock", "app", "app-permissions", "installations"} {
		if got[check].Level != OK {
			t.Errorf("%s: %+v", check, got[check])
		}
	}
	if unknown := f.Unknown(); len(unknown) > 0 {
		t.Errorf("the forge was asked what it does not know: %q", unknown)
	}
}

func TestWhatTheAppLacksIsNamed(t *testing.T) {
	t.Parallel()
	_, o := hub(t, func(app *emulator.AppManifest) {
		delete(app.Permissions, "checks")
		app.Permissions["pull_requests"] = "read"
		app.Events = app.Events[1:]
	})
	got := examine(t, o)
	f := got["app-permissions"]
	for _, want := range []string{"checks: write", "pull_requests: write", github.AppEvents()[0]} {
		if f.Level != Problem || !strings.Contains(f.Said, want) || !strings.Contains(f.Fix, "Permissions & events") {
			t.Errorf("%s is not named: %+v", want, f)
		}
	}
	if f := got["installations"]; f.Level != Problem || !strings.Contains(f.Said, "installed nowhere") {
		t.Errorf("%+v", f)
	}
}

func TestFault27AWrongClockIsNamedWithItsSide(t *testing.T) {
	t.Parallel()
	for want, off := range map[string]time.Duration{"ahead of": 2 * time.Minute, "behind": -2 * time.Minute, "differs": 10 * time.Second} {
		_, o := hub(t, nil)
		o.Now = func() time.Time { return time.Now().Add(off) }
		f := examine(t, o)["clock"]
		if !strings.Contains(f.Said, want) || (f.Level == OK) != (off.Abs() < maxSkew) {
			t.Errorf("%s: %+v", off, f)
		}
	}
}

func TestAForgeThatIsGoneOrRefusesUsIsNamed(t *testing.T) {
	t.Parallel()
	f, o := hub(t, nil)
	info := f.Info()
	stranger, err := f.CreateApp(emulator.AppManifest{Name: "Stranger"})
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(stranger.PrivateKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	o.App, err = github.New(github.Config{APIURL: info.APIURL, GraphQLURL: info.GraphQLURL, GitURL: info.GitURL, AppID: info.AppID, PrivateKey: key})
	if err != nil {
		t.Fatal(err)
	}
	got := examine(t, o)
	if got["forge"].Level != OK || got["app"].Level != Problem || !strings.Contains(got["app"].Fix, "privateKeyFile") || got["installations"].Fix != "see the finding app" {
		t.Errorf("with another App's key: %+v", got["app"])
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got = examine(t, o)
	if got["forge"].Level != Problem || got["clock"].Level != Warning || got["app"].Level != Problem {
		t.Errorf("without a forge: %+v", got["forge"])
	}
}
