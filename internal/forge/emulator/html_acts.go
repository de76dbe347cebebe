package emulator

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// perform makes a call to a REST route of the page's repository in the viewer's name, with all its rules.
func (s *site) perform(r *http.Request, method, path string, body any, accept string) (response, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return response{}, err
	}
	target := apiPrefix + "/repos/" + pathEscape(r.PathValue("owner")) + "/" + pathEscape(r.PathValue("repo")) + path
	inner, err := http.NewRequestWithContext(r.Context(), method, target, bytes.NewReader(raw))
	if err != nil {
		return response{}, err
	}
	s.forge.mu.Lock()
	defer s.forge.mu.Unlock()
	if u := s.viewer(r); u != nil {
		inner.Header.Set("Authorization", "Bearer "+u.token)
	}
	inner.Header.Set("Accept", accept)
	if body == nil {
		raw = nil
	}
	c := &call{f: s.forge, r: inner, query: inner.URL.Query(), body: raw}
	return c.answer()
}

// act performs a call and goes back, with the reason if it was refused.
func (s *site) act(w http.ResponseWriter, r *http.Request, method, path string, body any) {
	_, err := s.perform(r, method, path, body, "")
	back(w, r, reason(err))
}

// reason is what a person is told.
func reason(err error) string {
	var api *apiError
	if err == nil {
		return ""
	}
	if !errors.As(err, &api) {
		return err.Error()
	}
	parts := []string{api.message}
	for _, e := range api.errors {
		switch e := e.(type) {
		case string:
			parts = append(parts, e)
		case obj:
			if message, is := e["message"].(string); is {
				parts = append(parts, message)
			} else {
				parts = append(parts, e["field"].(string)+" "+e["code"].(string))
			}
		}
	}
	return strings.Join(parts, ": ")
}

func (s *site) createIssue(w http.ResponseWriter, r *http.Request) {
	in := obj{"title": r.PostFormValue("title"), "body": r.PostFormValue("body")}
	if labels := fieldsOf(r.PostFormValue("labels")); len(labels) > 0 {
		in["labels"] = labels
	}
	res, err := s.perform(r, http.MethodPost, "/issues", in, "")
	if err != nil {
		back(w, r, reason(err))
		return
	}
	number := str(int64(res.body.(obj)["number"].(int)))
	http.Redirect(w, r, "/"+r.PathValue("owner")+"/"+r.PathValue("repo")+"/issues/"+number, http.StatusSeeOther)
}

// fieldsOf splits a comma-separated list.
func fieldsOf(text string) []string {
	var out []string
	for field := range strings.SplitSeq(text, ",") {
		if field = strings.TrimSpace(field); field != "" {
			out = append(out, field)
		}
	}
	return out
}

func (s *site) comment(w http.ResponseWriter, r *http.Request) {
	s.act(w, r, http.MethodPost, "/issues/"+pathEscape(r.PathValue("number"))+"/comments", obj{"body": r.PostFormValue("body")})
}

func (s *site) changeState(w http.ResponseWriter, r *http.Request) {
	s.act(w, r, http.MethodPatch, "/issues/"+pathEscape(r.PathValue("number")), obj{"state": r.PostFormValue("state")})
}

func (s *site) changeLabels(w http.ResponseWriter, r *http.Request) {
	path := "/issues/" + pathEscape(r.PathValue("number")) + "/labels"
	if name := r.PostFormValue("remove"); name != "" {
		s.act(w, r, http.MethodDelete, path+"/"+pathEscape(name), nil)
		return
	}
	s.act(w, r, http.MethodPost, path, obj{"labels": fieldsOf(r.PostFormValue("labels"))})
}

func (s *site) review(w http.ResponseWriter, r *http.Request) {
	in := obj{"event": r.PostFormValue("event"), "body": r.PostFormValue("body"), "commit_id": r.PostFormValue("commit_id")}
	if remark := strings.TrimSpace(r.PostFormValue("remark")); remark != "" {
		line, _ := strconv.Atoi(r.PostFormValue("line")) // 0 is refused with the form's other mistakes
		in["comments"] = []obj{{"path": r.PostFormValue("path"), "line": line, "side": "RIGHT", "body": remark}}
	}
	s.act(w, r, http.MethodPost, "/pulls/"+pathEscape(r.PathValue("number"))+"/reviews", in)
}

func (s *site) merge(w http.ResponseWriter, r *http.Request) {
	s.act(w, r, http.MethodPut, "/pulls/"+pathEscape(r.PathValue("number"))+"/merge", obj{"sha": r.PostFormValue("sha")})
}

// draft is what the two GraphQL mutations do.
func (s *site) draft(w http.ResponseWriter, r *http.Request) {
	s.forge.mu.Lock()
	refused := ""
	u := s.viewer(r)
	repo := s.forge.repoByName(r.PathValue("owner") + "/" + r.PathValue("repo"))
	switch {
	case repo == nil || u == nil || repo.level(u) < levelWrite:
		refused = "Must have write access to Repository."
	default:
		if i := wantedIssue(r, repo); i != nil && i.pull != nil && i.open {
			s.forge.setDraft(i.pull, caller{user: u}, r.PostFormValue("draft") == "true")
		}
	}
	s.forge.mu.Unlock()
	back(w, r, refused)
}

func (s *site) newApp(w http.ResponseWriter, r *http.Request) {
	s.confirmApp(w, r, r.URL.Query().Get("manifest"))
}

// confirmApp shows what an App would be, for a person to create it; the form may lead to another site.
func (s *site) confirmApp(w http.ResponseWriter, r *http.Request, manifest string) {
	w.Header().Set("Content-Security-Policy", strings.Replace(w.Header().Get("Content-Security-Policy"),
		"form-action 'self'", "form-action 'self' http: https:", 1))
	s.show(w, r, "new_app.html", "Create a GitHub App", func(p *page) bool {
		var m AppManifest
		if manifest != "" {
			if err := json.Unmarshal([]byte(manifest), &m); err != nil {
				p.Flash = "The manifest is not valid JSON: " + err.Error()
			}
		}
		p.Data["manifest"], p.Data["app"], p.Data["state"] = manifest, m, r.URL.Query().Get("state")
		return true
	})
}

// createApp takes a manifest. Without the acting person's name ("as", which only the confirmation form
// sends) it shows the confirmation; with it, it creates the App, and cross-site requests are refused.
// https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
func (s *site) createApp(protect *http.CrossOriginProtection) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		manifest, as := r.PostFormValue("manifest"), r.PostFormValue("as")
		if as == "" {
			s.confirmApp(w, r, manifest)
			return
		}
		if err := protect.Check(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		to, err := s.forge.appFromManifest(manifest, as)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		if state := r.FormValue("state"); state != "" {
			q := to.Query()
			q.Set("state", state)
			to.RawQuery = q.Encode()
		}
		http.Redirect(w, r, to.String(), http.StatusFound)
	}
}

// appFromManifest creates the App and returns its redirect address with the one-time code.
func (f *Forge) appFromManifest(manifest, as string) (*url.URL, error) {
	var m AppManifest
	if err := json.Unmarshal([]byte(manifest), &m); err != nil {
		return nil, errors.New("the manifest is not valid JSON: " + err.Error())
	}
	to, err := url.Parse(m.RedirectURL)
	if err != nil || to.Scheme != "http" && to.Scheme != "https" {
		return nil, errors.New("the manifest's redirect_url is not a web address")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	owner := f.userByLogin(as)
	if owner == nil || owner.kind != typeUser {
		return nil, errors.New("no person of that name can create Apps")
	}
	a, err := f.registerApp(m, key, owner)
	if err != nil {
		return nil, err
	}
	code := randomHex(20)
	f.codes[code] = a
	q := to.Query()
	q.Set("code", code)
	to.RawQuery = q.Encode()
	return to, nil
}
