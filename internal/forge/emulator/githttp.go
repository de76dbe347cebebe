package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"slices"
	"strings"
)

const maxPack = 512 << 20

// gitRequest is one smart HTTP request that has passed authentication.
type gitRequest struct {
	repo *repository
	who  caller
	push bool
}

// serveGit hands fetches and pushes to git's own http-backend once the state has allowed them.
func (f *Forge) serveGit(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	g, err := f.admitGit(r)
	f.mu.Unlock()
	if err != nil {
		refuseGit(w, err)
		return
	}
	_, rest, _ := strings.Cut(r.URL.Path, ".git/")
	f.runBackend(w, r, g, rest)
}

// runBackend hands an admitted request to git; rest is the path within the repository.
func (f *Forge) runBackend(w http.ResponseWriter, r *http.Request, g gitRequest, rest string) {
	body, err := spoolBody(w, r)
	if err != nil {
		http.Error(w, "request body too large", http.StatusRequestEntityTooLarge)
		return
	}
	defer body.close()
	env := f.git.environ("GIT_PROJECT_ROOT="+g.repo.dir, "GIT_HTTP_EXPORT_ALL=1")
	if g.push {
		session, err := f.openHookSession(g)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer session.close()
		env = append(env, session.env()...)
		if f.azure != nil {
			held := &heldResponse{ResponseWriter: w}
			defer func() { held.release(session.refusals()) }()
			w = held
		}
	}
	inner := r.Clone(r.Context())
	inner.Body, inner.ContentLength, inner.TransferEncoding = body.reader(), body.size, nil
	inner.Header.Del("Authorization") // no credential reaches a process
	inner.URL.Path = "/" + rest
	var log bytes.Buffer
	backend := &cgi.Handler{Path: f.git.backend(), Root: "/", Dir: g.repo.dir, Stderr: &log, Env: append(env, "REMOTE_USER="+g.name())}
	backend.ServeHTTP(w, inner)
	if log.Len() > 0 {
		f.log.DebugContext(r.Context(), "git http-backend", "stderr", log.String())
	}
}

func (g gitRequest) name() string {
	if g.who.user == nil {
		return ""
	}
	return g.who.user.login
}

// admitGit decides whether the request may go to the backend. It needs the lock.
func (f *Forge) admitGit(r *http.Request) (gitRequest, error) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), ".git/")
	service := rest
	if rest == "info/refs" {
		service = r.URL.Query().Get("service")
	}
	if service != "git-upload-pack" && service != "git-receive-pack" {
		return gitRequest{}, unsupportedGit(f, r)
	}
	g := gitRequest{push: service == "git-receive-pack"}
	var err error
	if g.who, err = f.authenticateGit(r); err != nil {
		return g, err
	}
	g.repo = f.repoByName(name)
	if g.who.anonymous() && (g.push || g.repo == nil || g.repo.private) {
		return g, failure(http.StatusUnauthorized, "Authentication required")
	}
	if g.repo == nil || !g.who.sees(g.repo) {
		return g, failure(http.StatusNotFound, "Repository not found.")
	}
	if err := g.permitted(); err != nil || !g.push || !g.repo.archived {
		return g, err
	}
	return g, failure(http.StatusForbidden, "This repository was archived so it is read-only.")
}

// permitted holds the caller against contents:read or contents:write.
func (g gitRequest) permitted() error {
	level, needed := "read", levelRead
	if g.push {
		level, needed = "write", levelWrite
	}
	denied := failure(http.StatusForbidden, "Permission to %s.git denied to %s.", g.repo.fullName(), g.name())
	if t := g.who.token; t != nil {
		if t.allows(g.repo, "contents", level) || !g.push && !t.covers(g.repo) {
			return nil
		}
		return denied
	}
	if t := g.who.grant; t != nil && (g.push || g.repo.private) && !t.allows(g.repo, "contents", level) {
		return denied
	}
	if g.repo.level(g.who.user) < needed {
		return denied
	}
	return nil
}

// authenticateGit takes basic authentication: x-access-token with an installation token, or any name with
// a person's token. App JWTs are no git credentials.
func (f *Forge) authenticateGit(r *http.Request) (caller, error) {
	if r.Header.Get("Authorization") == "" {
		return caller{}, nil
	}
	user, password, found := r.BasicAuth()
	if !found {
		return caller{}, failure(http.StatusUnauthorized, "Invalid username or token.")
	}
	who, err := f.bearer(password)
	if err != nil || who.isApp() || who.token != nil && user != "x-access-token" {
		return caller{}, failure(http.StatusUnauthorized, "Invalid username or token.")
	}
	return who, nil
}

func unsupportedGit(f *Forge, r *http.Request) error {
	f.recordUnknown(r.Method + " " + r.URL.Path)
	return failure(http.StatusNotImplemented, "The local forge does not know: %s %s", r.Method, r.URL.Path)
}

func refuseGit(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if api, is := errors.AsType[*apiError](err); is {
		status, err = api.status, fmt.Errorf("%s", api.message)
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
	}
	http.Error(w, err.Error(), status)
}

// spooledBody is a request body of known length: CGI cannot take chunked ones, and git sends large packs so.
type spooledBody struct {
	file *os.File // nil if the body went straight through
	body io.ReadCloser
	size int64
}

func spoolBody(w http.ResponseWriter, r *http.Request) (*spooledBody, error) {
	limited := http.MaxBytesReader(w, r.Body, maxPack)
	if !slices.Contains(r.TransferEncoding, "chunked") {
		return &spooledBody{body: limited, size: r.ContentLength}, nil
	}
	file, err := os.CreateTemp("", "emulator-pack-")
	if err != nil {
		return nil, err
	}
	s := &spooledBody{file: file, body: file}
	if s.size, err = io.Copy(file, limited); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *spooledBody) reader() io.ReadCloser { return s.body }

func (s *spooledBody) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}
