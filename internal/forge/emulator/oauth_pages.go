package emulator

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// authorization is what an App asks a person for, in the query of GET and POST /login/oauth/authorize.
type authorization struct {
	app       *app
	redirect  *url.URL
	state     string
	challenge string
}

// authorization reads the request. It needs the lock.
func (f *Forge) authorization(q url.Values) (authorization, error) {
	known := []string{"client_id", "redirect_uri", "state", "scope", "response_type", "code_challenge", "code_challenge_method", "login", "allow_signup", "prompt"}
	if err := onlyKnown("/login/oauth/authorize", q, known...); err != nil {
		return authorization{}, err
	}
	a := authorization{app: f.appByClientID(q.Get("client_id")), state: q.Get("state"), challenge: q.Get("code_challenge")}
	if a.app == nil {
		return a, failure(http.StatusNotFound, "there is no such App")
	}
	if kind := q.Get("response_type"); kind != "" && kind != "code" {
		return a, unsupported("GET /login/oauth/authorize: response_type %s", kind)
	}
	if (a.challenge != "" || q.Has("code_challenge_method")) && (q.Get("code_challenge_method") != "S256" || len(a.challenge) != 43) {
		return a, failure(http.StatusBadRequest, "code_challenge_method must be S256")
	}
	registered := a.app.manifest.CallbackURLs
	wanted := q.Get("redirect_uri")
	if wanted == "" && len(registered) > 0 {
		wanted = registered[0]
	}
	if !slices.ContainsFunc(registered, func(r string) bool { return sameCallback(r, wanted) }) {
		return a, failure(http.StatusBadRequest, "The redirect_uri is not associated with this application.")
	}
	var err error
	a.redirect, err = url.Parse(wanted)
	return a, err
}

// sameCallback: an address must be one of those that were registered, but on this machine the port is free.
// https://docs.github.com/apps/creating-github-apps/registering-a-github-app/about-the-user-authorization-callback-url
func sameCallback(registered, wanted string) bool {
	if registered == wanted {
		return true
	}
	r, err := url.Parse(registered)
	w, err2 := url.Parse(wanted)
	if err != nil || err2 != nil || r.Hostname() != "127.0.0.1" && r.Hostname() != "::1" && r.Hostname() != "localhost" {
		return false
	}
	w.Host = strings.TrimSuffix(w.Host, ":"+w.Port())
	r.Host = strings.TrimSuffix(r.Host, ":"+r.Port())
	return *r == *w
}

func (s *site) refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	var api *apiError
	if errors.As(err, &api) {
		status = api.status
		if api.unknown {
			s.forge.mu.Lock()
			s.forge.recordUnknown(api.message)
			s.forge.mu.Unlock()
		}
	}
	http.Error(w, err.Error(), status)
}

// authorizePage asks the person whether the App may know who they are.
func (s *site) authorizePage(w http.ResponseWriter, r *http.Request) {
	s.forge.mu.Lock()
	a, err := s.forge.authorization(r.URL.Query())
	s.forge.mu.Unlock()
	if err != nil {
		s.refuse(w, err)
		return
	}
	// The answer to the form leads to the App's own site.
	w.Header().Set("Content-Security-Policy", strings.Replace(w.Header().Get("Content-Security-Policy"),
		"form-action 'self'", "form-action 'self' "+a.redirect.Scheme+"://"+a.redirect.Host, 1))
	s.show(w, r, "authorize.html", "Authorize "+a.app.manifest.Name, func(p *page) bool {
		p.Data["app"], p.Data["address"] = a.app.manifest.Name, a.redirect.Scheme+"://"+a.redirect.Host
		p.Data["action"] = "/login/oauth/authorize?" + r.URL.RawQuery
		return p.Viewer != ""
	})
}

// authorize takes the person's decision back to the App.
func (s *site) authorize(w http.ResponseWriter, r *http.Request) {
	s.forge.mu.Lock()
	a, err := s.forge.authorization(r.URL.Query())
	u := s.forge.userByLogin(r.PostFormValue("as"))
	if err == nil && (u == nil || u.kind != typeUser) {
		err = failure(http.StatusForbidden, "nobody of that name can sign in")
	}
	if err != nil {
		s.forge.mu.Unlock()
		s.refuse(w, err)
		return
	}
	q := a.redirect.Query()
	if r.PostFormValue("decision") == "authorize" {
		code := randomHex(10)
		s.forge.oauth.codes[code] = &oauthCode{app: a.app, user: u, redirect: a.redirect.String(), challenge: a.challenge, expires: s.forge.opts.Now().Add(codeLife)}
		q.Set("code", code)
	} else {
		q.Set("error", "access_denied")
		q.Set("error_description", "The user has denied your application access.")
	}
	s.forge.mu.Unlock()
	if a.state != "" {
		q.Set("state", a.state)
	}
	to := *a.redirect
	to.RawQuery = q.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound)
}

// deviceByUserCode needs the lock.
func (f *Forge) deviceByUserCode(text string) *deviceGrant {
	for _, d := range f.oauth.devices {
		if strings.EqualFold(d.userCode, strings.TrimSpace(text)) && f.opts.Now().Before(d.expires) && d.user == nil && !d.denied {
			return d
		}
	}
	return nil
}

// devicePage is where a person types the code that a device shows.
func (s *site) devicePage(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, "device.html", "Device activation", func(*page) bool { return true })
}

// device shows what the code is for, and takes the decision.
func (s *site) device(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, "device.html", "Device activation", func(p *page) bool {
		d := s.forge.deviceByUserCode(r.PostFormValue("user_code"))
		u := s.forge.userByLogin(r.PostFormValue("as"))
		switch decision := r.PostFormValue("decision"); {
		case d == nil:
			p.Flash = "There is no such code, or it has expired or was used."
		case decision == "":
			p.Data["code"], p.Data["app"] = d.userCode, d.app.manifest.Name
		case u == nil || u.kind != typeUser:
			p.Flash = fmt.Sprintf("%q cannot sign in.", r.PostFormValue("as"))
		case decision == "authorize":
			d.user, p.Data["done"] = u, "Your device is connected as "+u.login+"."
		default:
			d.denied, p.Data["done"] = true, "The device was refused."
		}
		return true
	})
}
