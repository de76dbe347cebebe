package emulator

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// How long GitHub's codes and tokens last.
// https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app
const (
	codeLife        = 10 * time.Minute
	deviceLife      = 15 * time.Minute
	deviceInterval  = 5 * time.Second
	userTokenLife   = 8 * time.Hour
	refreshLife     = 15897600 * time.Second
	deviceGrantType = "urn:ietf:params:oauth:grant-type:device_code"
)

// oauthState is what people's sign-ins at Apps leave. It is guarded by Forge.mu.
type oauthState struct {
	codes   map[string]*oauthCode
	devices map[string]*deviceGrant
	tokens  map[string]*userToken
}

func newOAuthState() oauthState {
	return oauthState{map[string]*oauthCode{}, map[string]*deviceGrant{}, map[string]*userToken{}}
}

// oauthCode is a code of the web flow, for one use.
type oauthCode struct {
	app       *app
	user      *user
	redirect  string
	challenge string // PKCE S256; empty: none
	expires   time.Time
}

// deviceGrant is a device flow between its start and its end.
type deviceGrant struct {
	code, userCode string
	app            *app
	expires        time.Time
	interval       time.Duration
	asked          time.Time // last
	user           *user     // who allowed it
	denied         bool
}

// userToken acts as a person for an App: it may what both may. Of that, git, GET /user
// and reading one repository are emulated.
type userToken struct {
	app          *app
	user         *user
	expires      time.Time
	refresh      string // for one use
	refreshUntil time.Time
	// A scoped token has repositories and permissions of its own, and ends with the one that it was made of.
	repos       map[int64]bool
	permissions map[string]string
	scopedOf    *userToken
}

// oauthError is an error code of the OAuth endpoints, which GitHub answers with status 200.
type oauthError struct {
	code, text string
	interval   time.Duration
}

func (e *oauthError) Error() string { return e.code }

func oauthFailure(code, text string) error { return &oauthError{code: code, text: text} }

func (f *Forge) appByClientID(id string) *app {
	for _, a := range f.apps {
		if a.clientID == id && id != "" {
			return a
		}
	}
	return nil
}

// serveOAuth answers POST /login/device/code and POST /login/oauth/access_token, which servers and command lines ask.
func (f *Forge) serveOAuth(answer func(*Forge, url.Values) (obj, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form, err := oauthForm(w, r)
		f.mu.Lock()
		defer f.mu.Unlock()
		var body obj
		if err == nil {
			body, err = answer(f, form)
		}
		f.writeOAuth(w, r, body, err)
	})
}

// oauthForm reads the parameters of query and body, form or JSON.
func oauthForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return nil, failure(http.StatusRequestEntityTooLarge, "too large")
	}
	form := r.URL.Query()
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch media {
	case "application/json":
		var object map[string]string
		if err := json.Unmarshal(body, &object); err != nil {
			return nil, failure(http.StatusBadRequest, "Problems parsing JSON")
		}
		for name, value := range object {
			form.Set(name, value)
		}
	case "application/x-www-form-urlencoded":
		sent, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, failure(http.StatusBadRequest, "Problems parsing the form")
		}
		maps.Copy(form, sent)
	default:
		if len(body) > 0 {
			return nil, unsupported("%s %s: a body of type %q", r.Method, r.URL.Path, media)
		}
	}
	return form, nil
}

// writeOAuth answers as JSON if it is asked for, else as a form.
func (f *Forge) writeOAuth(w http.ResponseWriter, r *http.Request, body obj, err error) {
	status := http.StatusOK
	switch e := err.(type) {
	case nil:
	case *oauthError:
		body = obj{"error": e.code, "error_description": e.text, "error_uri": "https://docs.github.com"}
		if e.interval > 0 {
			body["interval"] = int(e.interval.Seconds())
		}
	case *apiError:
		status, body = e.status, obj{"error": e.message}
		if e.unknown {
			f.recordUnknown(e.message)
		}
	default:
		status, body = http.StatusInternalServerError, obj{"error": err.Error()}
	}
	w.Header().Set("Cache-Control", "no-store")
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "application/xml") {
		what := fmt.Sprintf("%s %s: an answer in XML", r.Method, r.URL.Path)
		f.recordUnknown(what)
		http.Error(w, what, http.StatusNotImplemented)
		return
	}
	if strings.Contains(accept, "application/json") {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // the client hung up
		return
	}
	form := url.Values{}
	for name, value := range body {
		form.Set(name, fmt.Sprint(value))
	}
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, form.Encode())
}

// onlyKnown refuses parameters that are not emulated.
func onlyKnown(path string, form url.Values, known ...string) error {
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if !slices.Contains(known, name) {
			return unsupported("POST %s: parameter %s", path, name)
		}
		if len(form[name]) != 1 {
			return failure(http.StatusBadRequest, "%s is there twice", name)
		}
	}
	return nil
}

// userCodeLetters are those that nobody takes for others.
const userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"

func newUserCode() string {
	var out strings.Builder
	for i, b := range []byte(randomHex(4)) { // 8 bytes of text; 16 of the letters are used
		if i == 4 {
			out.WriteByte('-')
		}
		at := strings.IndexByte("0123456789abcdef", b)
		out.WriteByte(userCodeLetters[at])
	}
	return out.String()
}

func (f *Forge) startDevice(form url.Values) (obj, error) {
	if err := onlyKnown("/login/device/code", form, "client_id", "scope"); err != nil {
		return nil, err
	}
	a := f.appByClientID(form.Get("client_id"))
	if a == nil {
		return nil, failure(http.StatusNotFound, "Not Found")
	}
	d := &deviceGrant{code: randomHex(20), userCode: newUserCode(), app: a, expires: f.opts.Now().Add(deviceLife), interval: deviceInterval}
	f.oauth.devices[d.code] = d
	return obj{"device_code": d.code, "user_code": d.userCode, "verification_uri": f.base + "/login/device",
		"expires_in": int(deviceLife.Seconds()), "interval": int(d.interval.Seconds())}, nil
}
