package appmanifest

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"

	gh "github.com/google/go-github/v62/github"
)

// Run registers the App. It serves a page on a loopback address, from which the
// person's browser posts the manifest to GitHub, waits for GitHub to send the
// browser back with a code, exchanges that for the App's secrets and writes them.
// Nothing is registered if the secrets could not be written.
func Run(ctx context.Context, o Options) (Result, error) {
	o, err := o.normal()
	if err != nil {
		return Result{}, fmt.Errorf("register the GitHub App: %w", err)
	}
	files, err := prepare(o.Dir)
	if err != nil {
		return Result{}, fmt.Errorf("register the GitHub App: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return Result{}, fmt.Errorf("register the GitHub App: %w", err)
	}
	f, err := newFlow(o, files, "http://"+listener.Addr().String())
	if err != nil {
		return Result{}, errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: f.handler(), ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 64 << 10}
	served := make(chan error, 1)
	go func() {
		defer close(served)
		served <- server.Serve(listener)
	}()
	defer func() {
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer stop()
		if server.Shutdown(end) != nil {
			_ = server.Close() // a browser that keeps its connection is no reason to stay
		}
		for range served { // closed once nothing is served any more
		}
	}()
	return f.wait(ctx, served)
}

// flow is one registration.
type flow struct {
	options  Options
	files    secretFiles
	local    string // address of the page, without a path
	state    string // proves that the browser's return belongs to this flow
	manifest string

	once  sync.Once
	codes chan string  // capacity 1; from the browser's return to wait
	done  chan outcome // capacity 1; and back
}

type outcome struct {
	result Result
	err    error
}

func newFlow(o Options, files secretFiles, local string) (*flow, error) {
	f := &flow{
		options: o, files: files, local: local, state: rand.Text() + rand.Text(),
		codes: make(chan string, 1), done: make(chan outcome, 1),
	}
	var err error
	f.manifest, err = o.manifest(local + "/created")
	return f, err
}

// wait ends with the registration, with ctx, or when the page is not served any more.
func (f *flow) wait(ctx context.Context, served <-chan error) (Result, error) {
	_, _ = fmt.Fprintf(f.options.Out, "Open %s/ in a browser that is signed in to %s, and confirm there.\n", f.local, f.options.GitHubURL)
	if f.options.Open != nil {
		if err := f.options.Open(f.local + "/"); err != nil {
			_, _ = fmt.Fprintf(f.options.Out, "(the browser could not be started: %v)\n", err)
		}
	}
	select {
	case code := <-f.codes:
		result, err := f.exchange(ctx, code)
		f.done <- outcome{result, err}
		return result, err
	case err := <-served:
		return Result{}, fmt.Errorf("register the GitHub App: serve the page: %w", err)
	case <-ctx.Done():
		return Result{}, fmt.Errorf("register the GitHub App: nobody confirmed it in the browser: %w", context.Cause(ctx))
	}
}

func (f *flow) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", f.showForm)
	mux.HandleFunc("GET /created", f.created)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := (&url.URL{Host: r.Host}).Hostname()
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "not served under this name", http.StatusMisdirectedRequest) // DNS rebinding
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

var pages = template.Must(template.New("form").Parse(`<!doctype html><meta charset="utf-8"><title>CoderFlow</title>
<h1>Register CoderFlow's GitHub App</h1>
<p>The button leads to {{.GitHub}}, which shows what the App may do and asks you to confirm.</p>
<form method="post" action="{{.Action}}"><input type="hidden" name="manifest" value="{{.Manifest}}">
<button type="submit">Register at {{.GitHub}}</button></form>
{{define "done"}}<!doctype html><meta charset="utf-8"><title>CoderFlow</title>
<h1>{{.Title}}</h1><p>{{.Text}}</p>{{with .Link}}<p><a href="{{.}}">{{.}}</a></p>{{end}}{{end}}`))

type donePage struct{ Title, Text, Link string }

func (f *flow) showForm(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = pages.ExecuteTemplate(w, "form", map[string]string{
		"GitHub": f.options.GitHubURL, "Action": f.options.newAppURL(f.state), "Manifest": f.manifest,
	})
}

// codeShape keeps a code from leading the exchange to another path.
var codeShape = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)

// created is where GitHub sends the browser. A return with another state is not
// ours and does not end the flow.
func (f *flow) created(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(f.state)) != 1 {
		f.show(w, http.StatusForbidden, donePage{Title: "Not this registration", Text: "The state does not match. Start again from the first page."})
		return
	}
	code := query.Get("code")
	if !codeShape.MatchString(code) {
		f.show(w, http.StatusBadRequest, donePage{Title: "No code", Text: "GitHub sent no code. Start again from the first page."})
		return
	}
	first := false
	f.once.Do(func() { first = true })
	if !first {
		f.show(w, http.StatusConflict, donePage{Title: "Already done", Text: "The terminal shows the result."})
		return
	}
	f.codes <- code
	select {
	case got := <-f.done:
		f.showOutcome(w, got)
	case <-r.Context().Done():
	}
}

func (f *flow) showOutcome(w http.ResponseWriter, got outcome) {
	if got.err != nil {
		f.show(w, http.StatusBadGateway, donePage{Title: "That did not work", Text: got.err.Error()})
		return
	}
	f.show(w, http.StatusOK, donePage{
		Title: "Registered", Text: "Next, install the App on the repositories that CoderFlow may work on:",
		Link: got.result.InstallURL(),
	})
}

func (f *flow) show(w http.ResponseWriter, status int, page donePage) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = pages.ExecuteTemplate(w, "done", page)
}

// exchange turns the code into the App and its secrets. GitHub gives them once.
func (f *flow) exchange(ctx context.Context, code string) (Result, error) {
	api, err := url.Parse(f.options.APIURL)
	if err != nil {
		return Result{}, err
	}
	client := gh.NewClient(&http.Client{Transport: f.options.Transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }})
	client.BaseURL, client.UserAgent = api, "coderflow"
	app, _, err := client.Apps.CompleteAppManifest(ctx, code)
	if err != nil {
		return Result{}, fmt.Errorf("exchange GitHub's code for the App: %w", withoutCode(err))
	}
	if app.GetID() <= 0 || app.GetSlug() == "" || app.GetPEM() == "" || app.GetWebhookSecret() == "" {
		return Result{}, errors.New("exchange GitHub's code for the App: the answer lacks the App's id, key or webhook secret")
	}
	return f.files.keep(f.options, app)
}

// withoutCode drops the URL, which holds the code.
func withoutCode(err error) error {
	if answered, ok := errors.AsType[*gh.ErrorResponse](err); ok && answered.Response != nil {
		return fmt.Errorf("GitHub answered %d: %s", answered.Response.StatusCode, answered.Message)
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}
