package appmanifest_test

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"
)

const conversion = `{"id":77,"slug":"acme-coderflow","html_url":"https://github.example/apps/acme-coderflow","client_id":"Iv1.abc",
 "client_secret":"oauth-s3cret","webhook_secret":"hook-s3cret","pem":"-----BEGIN RSA PRIVATE KEY-----\nkey-s3cret\n-----END RSA PRIVATE KEY-----\n"}`

// fakeForge is the two ends of GitHub in this flow: the page that takes the
// manifest and returns the browser, and the exchange of the code.
type fakeForge struct {
	*httptest.Server
	manifest  map[string]any
	page      string // path that took the manifest
	exchanged int
	answer    func(http.ResponseWriter)
}

func newFakeForge(t *testing.T) *fakeForge {
	t.Helper()
	f := &fakeForge{answer: func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated); _, _ = io.WriteString(w, conversion) }}
	take := func(w http.ResponseWriter, r *http.Request) {
		f.page = r.URL.Path
		if err := json.Unmarshal([]byte(r.PostFormValue("manifest")), &f.manifest); err != nil {
			t.Errorf("manifest: %v", err)
		}
		back, err := url.Parse(f.manifest["redirect_url"].(string))
		if err != nil {
			t.Errorf("redirect_url: %v", err)
			return
		}
		back.RawQuery = url.Values{"code": {"c0de-1"}, "state": {r.URL.Query().Get("state")}}.Encode()
		http.Redirect(w, r, back.String(), http.StatusFound)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /settings/apps/new", take)
	mux.HandleFunc("POST /organizations/acme/settings/apps/new", take)
	mux.HandleFunc("POST /api/v3/app-manifests/c0de-1/conversions", func(w http.ResponseWriter, _ *http.Request) {
		f.exchanged++
		f.answer(w)
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

var (
	action = regexp.MustCompile(`action="([^"]+)"`)
	value  = regexp.MustCompile(`name="manifest" value="([^"]+)"`)
)

// confirm is the person: opens the page and submits its form.
func confirm(page string) (status int, text string, err error) {
	_, form, err := get(page)
	if err != nil {
		return 0, "", err
	}
	to, carried := action.FindStringSubmatch(form), value.FindStringSubmatch(form)
	if to == nil || carried == nil {
		return 0, "", fmt.Errorf("no form in %s", form)
	}
	res, err := http.PostForm(html.UnescapeString(to[1]), url.Values{"manifest": {html.UnescapeString(carried[1])}})
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

func get(page string) (status int, text string, err error) {
	res, err := http.Get(page)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}
