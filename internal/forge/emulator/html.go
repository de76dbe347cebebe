package emulator

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
)

//go:embed html/*.html html/style.css
var htmlFiles embed.FS

// site is the HTML view. It shows what the acting person may see and acts through the REST routes, so that
// both faces follow the same rules.
type site struct {
	forge *Forge
	pages *template.Template
}

// page is what every template gets; the objects are those of the REST API.
type page struct {
	Title  string
	Viewer string // login of the acting person, or ""
	People []string
	Path   string // of this page, to come back to
	Flash  string // why the last act was refused
	Repo   obj
	Tab    string
	Data   obj
	// Console is the address of the App's own pages; empty: there are none.
	Console string
	// StandIn is the service that the forge stands in for, Home where its pages begin.
	StandIn, Home string
	RepoURL       string // of the page of Repo
	Tabs          []pageTab
}

// pageTab is one of the pages of a repository.
type pageTab struct{ Key, Label, URL string }

const viewerCookie = "acting-as"

func newSite(f *Forge) *site {
	s := &site{forge: f}
	s.pages = template.Must(template.New("").Funcs(template.FuncMap{
		"markdown": renderMarkdown, "short": shortSHA, "when": showTime, "lines": diffLines,
		"path": escapePath, "first": firstLine, "proposal": proposalOf, "colour": colourOf, "rich": renderRich,
	}).ParseFS(htmlFiles, "html/*.html"))
	return s
}

func (f *Forge) htmlHandler() http.Handler {
	s := newSite(f)
	repos, all := http.NewServeMux(), http.NewServeMux()
	s.register(repos)
	all.HandleFunc("GET /avatars/u/{id}", s.avatar) // apart: its pattern overlaps with those of repositories
	all.Handle("/", repos)
	return s.onlyOwnName(secureHeaders(all))
}

func (s *site) register(mux *http.ServeMux) {
	protect := http.NewCrossOriginProtection()
	for pattern, serve := range map[string]http.HandlerFunc{
		"GET /{$}": s.home, "GET /-/style.css": s.style, "GET /favicon.ico": s.icon, "POST /-/act-as": s.actAs,
		"GET /login/oauth/authorize": s.authorizePage, "POST /login/oauth/authorize": s.authorize,
		"GET /login/device": s.devicePage, "POST /login/device": s.device,
		"GET /apps/{slug}": s.app, "GET /{owner}/{repo}": s.overview, "GET /{owner}/{repo}/issues": s.issues,
		"GET /{owner}/{repo}/issues/new": s.newIssue, "POST /{owner}/{repo}/issues": s.createIssue,
		"GET /{owner}/{repo}/issues/{number}": s.issue, "POST /{owner}/{repo}/issues/{number}/comments": s.comment,
		"POST /{owner}/{repo}/issues/{number}/state":  s.changeState,
		"POST /{owner}/{repo}/issues/{number}/labels": s.changeLabels,
		"GET /{owner}/{repo}/pulls":                   s.pulls, "GET /{owner}/{repo}/pull/{number}": s.pull,
		"GET /{owner}/{repo}/pull/{number}/files":    s.pull,
		"POST /{owner}/{repo}/pull/{number}/reviews": s.review, "POST /{owner}/{repo}/pull/{number}/merge": s.merge,
		"POST /{owner}/{repo}/pull/{number}/draft": s.draft, "GET /{owner}/{repo}/commit/{sha}": s.commit,
		"GET /{owner}/{repo}/commits/{branch...}": s.commits, "GET /{owner}/{repo}/tree/{branch...}": s.commits,
		"GET /{owner}/{repo}/compare/{basehead...}": s.compare, "GET /{owner}/{repo}/deployments": s.deployments,
		"GET /{owner}/{repo}/runs/{id}": s.checkRun, "GET /{owner}/{repo}/blob/{ref}/{path...}": s.file,
	} {
		mux.Handle(pattern, protect.Handler(serve))
	}
	// Other sites may send a manifest here; what they send is only shown, see createApp.
	mux.HandleFunc("GET /settings/apps/new", s.newApp)
	mux.HandleFunc("POST /settings/apps/new", s.createApp(protect))
}

// onlyOwnName refuses requests for host names that are not the forge's: a hostile page could point a name of
// its own at this machine, and the browser would then take it for the same site.
func (s *site) onlyOwnName(next http.Handler) http.Handler {
	own, _ := url.Parse(s.forge.base)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := (&url.URL{Host: r.Host}).Hostname()
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" && (own == nil || host != own.Hostname()) {
			http.Error(w, "unknown host name "+host, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// secureHeaders keeps hostile text from running or loading anything, should it ever get past the escaping.
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// viewer is the person whom the cookie names; without one, the first person there is. It needs the lock.
func (s *site) viewer(r *http.Request) *user {
	if cookie, err := r.Cookie(viewerCookie); err == nil {
		if u := s.forge.userByLogin(cookie.Value); u != nil && u.kind == typeUser {
			return u
		}
	}
	for _, u := range s.forge.users {
		if u.kind == typeUser {
			return u
		}
	}
	return nil
}

// frame fills what all pages have in common. It needs the lock.
func (s *site) frame(r *http.Request, title string) page {
	p := page{Title: title, Path: r.URL.RequestURI(), Data: obj{}, Console: s.forge.console, StandIn: "GitHub", Home: "/"}
	if s.forge.azure != nil {
		p.StandIn, p.Home = "Azure DevOps", s.azureHome()
	}
	if q := r.URL.Query(); q.Has("refused") {
		p.Flash = q.Get("refused")
		q.Del("refused")
		p.Path = (&url.URL{Path: r.URL.Path, RawQuery: q.Encode()}).RequestURI()
	}
	if u := s.viewer(r); u != nil {
		p.Viewer = u.login
	}
	for _, u := range s.forge.users {
		if u.kind == typeUser {
			p.People = append(p.People, u.login)
		}
	}
	return p
}

// show gathers a page under the lock and renders it after; gather returns false for what is not there.
func (s *site) show(w http.ResponseWriter, r *http.Request, name, title string, gather func(*page) bool) {
	s.forge.mu.Lock()
	p := s.frame(r, title)
	found := gather(&p)
	s.forge.mu.Unlock()
	status := http.StatusOK
	if !found {
		status, name, p.Title = http.StatusNotFound, "missing.html", "Not found"
	}
	var out bytes.Buffer
	if err := s.pages.ExecuteTemplate(&out, name, p); err != nil {
		s.forge.log.ErrorContext(r.Context(), "rendering a page", "page", name, "error", err)
		http.Error(w, "rendering failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, visible(out.String()))
}

// inRepo is show for pages of a repository that the viewer may see.
func (s *site) inRepo(w http.ResponseWriter, r *http.Request, name, tab string, gather func(*page, *repository) bool) {
	s.show(w, r, name, r.PathValue("owner")+"/"+r.PathValue("repo"), func(p *page) bool {
		repo := s.forge.repoByName(r.PathValue("owner") + "/" + r.PathValue("repo"))
		if repo == nil || repo.level(s.viewer(r)) < levelRead {
			return false
		}
		p.Repo, p.Tab, p.RepoURL = s.forge.repoJSON(repo), tab, "/"+repo.fullName()
		p.Tabs = []pageTab{{"code", "Code", p.RepoURL}, {"issues", "Issues", p.RepoURL + "/issues"},
			{"pulls", "Pull requests", p.RepoURL + "/pulls"}, {"deployments", "Deployments", p.RepoURL + "/deployments"}}
		return gather(p, repo)
	})
}

func (s *site) style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, htmlFiles, "html/style.css")
}

// icon is the forge's sign in a tab.
func (s *site) icon(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/svg+xml")
	_, _ = io.WriteString(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="M16 3l13 13-13 13L3 16z" fill="#24292f" stroke="#fff" stroke-width="2"/></svg>`)
}

// avatar draws a coloured disc with the first letter of the login.
func (s *site) avatar(w http.ResponseWriter, r *http.Request) {
	s.forge.mu.Lock()
	letter, hue := "?", 0
	for _, u := range s.forge.users {
		if str(u.id) == r.PathValue("id") {
			letter, hue = strings.ToUpper(u.login[:1]), int(u.id*47%360)
		}
	}
	s.forge.mu.Unlock()
	w.Header().Set("Content-Type", "image/svg+xml")
	_, _ = fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><circle cx="20" cy="20" r="20" fill="hsl(%d,45%%,45%%)"/>`+
		`<text x="20" y="27" font-family="sans-serif" font-size="20" fill="#fff" text-anchor="middle">%s</text></svg>`, hue, template.HTMLEscapeString(letter))
}

// actAs sets the cookie; nothing protects one person from another here, it is a sample forge.
func (s *site) actAs(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: viewerCookie, Value: r.PostFormValue("login"), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	back(w, r, "")
}

// back returns to the page that the form was on; only a path of this site is accepted.
func back(w http.ResponseWriter, r *http.Request, refused string) {
	to, err := url.Parse(r.PostFormValue("back"))
	if err != nil || to.IsAbs() || to.Host != "" || !strings.HasPrefix(to.Path, "/") || strings.HasPrefix(to.Path, "//") {
		to = &url.URL{Path: "/"}
	}
	if refused != "" {
		q := to.Query()
		q.Set("refused", refused)
		to.RawQuery = q.Encode()
	}
	http.Redirect(w, r, to.RequestURI(), http.StatusSeeOther)
}

// renderMarkdown leaves out raw HTML and dangerous links (goldmark's default).
func renderMarkdown(text any) template.HTML {
	source, _ := text.(string)
	var out bytes.Buffer
	if err := markdown.Convert([]byte(source), &out); err != nil {
		return template.HTML(template.HTMLEscapeString(source)) //nolint:gosec // escaped
	}
	return template.HTML(out.String()) //nolint:gosec // goldmark without WithUnsafe escapes what it is given
}

func shortSHA(sha any) string {
	text, _ := sha.(string)
	return text[:min(len(text), 10)]
}

func firstLine(text any) string {
	line, _, _ := strings.Cut(fmt.Sprint(text), "\n")
	return line
}

func showTime(value any) string {
	t, err := time.Parse(time.RFC3339, fmt.Sprint(value))
	if err != nil {
		return ""
	}
	return t.Format("2006-01-02 15:04:05")
}

// visible replaces characters that reorder or hide text by their code points; whole pages go through it.
func visible(text string) string {
	var out strings.Builder
	for _, c := range text {
		switch {
		case c >= 0x202A && c <= 0x202E, c >= 0x2066 && c <= 0x2069, c >= 0x200B && c <= 0x200F, c == 0x061C, c == 0xFEFF,
			c >= 0xE0000 && c <= 0xE007F, c < 0x20 && c != '\n' && c != '\t' && c != '\r', c == 0x7F:
			fmt.Fprintf(&out, "⟨U+%04X⟩", c)
		default:
			out.WriteRune(c)
		}
	}
	return out.String()
}

// proposalOf is the task whose proposal a branch is, by the App's way of naming them; empty: none.
func proposalOf(branch any) string {
	text, _ := branch.(string)
	id, found := strings.CutPrefix(text, "coderflow/")
	if !found || !taskID.MatchString(id) {
		return ""
	}
	return id
}

var (
	taskID = regexp.MustCompile(`^[a-z2-7]{12}$`)
	colour = regexp.MustCompile(`^[0-9a-fA-F]{6}$`)
)

// colourOf is a label's colour as a drawing takes it; empty if it is none.
func colourOf(text any) string {
	if value, _ := text.(string); colour.MatchString(value) {
		return "#" + value
	}
	return ""
}

type diffLine struct{ Class, Text string }

// diffLines splits a patch for display.
func diffLines(patch any) []diffLine {
	text, _ := patch.(string)
	if text == "" {
		return nil
	}
	classes := map[byte]string{'+': "add", '-': "del", '@': "hunk", '\\': "note"}
	var out []diffLine
	for line := range strings.SplitSeq(text, "\n") {
		class := ""
		if line != "" {
			class = classes[line[0]]
		}
		out = append(out, diffLine{class, line})
	}
	return out
}
