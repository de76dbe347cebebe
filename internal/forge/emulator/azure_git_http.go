package emulator

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

var gitServices = []string{"info/refs", "git-upload-pack", "git-receive-pack"}

// isAzureGit says whether a path is git's: /ORGANIZATION/PROJECT/_git/REPOSITORY/SERVICE.
func isAzureGit(path []string) bool {
	return len(path) >= 5 && path[2] == "_git" && slices.Contains(gitServices, strings.Join(path[4:], "/"))
}

// serveAzureGit hands fetches and pushes to git's own http-backend once the state has allowed them.
func (f *Forge) serveAzureGit(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	g, err := f.admitAzureGit(r)
	f.mu.Unlock()
	if err == nil {
		f.runBackend(w, r, g, strings.Join(strings.Split(strings.Trim(r.URL.Path, "/"), "/")[4:], "/"))
		return
	}
	if err == errSignIn { //nolint:errorlint // it is never wrapped
		f.challenge(w.Header())
		http.Error(w, "TF400813: The user '' is not authorized to access this resource.", http.StatusUnauthorized)
		return
	}
	status, message := http.StatusInternalServerError, err.Error()
	if e, is := err.(*azureError); is { //nolint:errorlint // it is never wrapped
		status, message = e.status, e.message
	}
	http.Error(w, message, status)
}

// admitAzureGit decides whether the request may go to the backend. It needs the lock.
func (f *Forge) admitAzureGit(r *http.Request) (gitRequest, error) {
	path := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for i := range path {
		path[i], _ = url.PathUnescape(path[i])
	}
	service := strings.Join(path[4:], "/")
	if service == "info/refs" {
		service = r.URL.Query().Get("service")
	}
	if service != "git-upload-pack" && service != "git-receive-pack" {
		f.recordUnknown(r.Method + " " + r.URL.Path)
		return gitRequest{}, azureFailure(http.StatusNotImplemented, "", "The local forge does not know: %s %s", r.Method, r.URL.Path)
	}
	g := gitRequest{push: service == "git-receive-pack"}
	var err error
	if g.who, err = f.authenticateAzure(r); err != nil {
		return g, err
	}
	g.repo = f.azureRepo(f.projectByName(path[1]), path[3])
	if !strings.EqualFold(path[0], f.azure.organization) || g.repo == nil || g.repo.level(g.who.user) < levelRead {
		return g, noRepository(path[3])
	}
	scope, level := "vso.code", levelRead
	if g.push {
		scope, level = "vso.code_write", levelWrite
	}
	switch {
	case !g.who.access.allows(scope):
		return g, azureFailure(http.StatusUnauthorized, "", "TF400813: The user '%s' is not authorized to access this resource.", f.userGUID(g.who.user))
	case g.repo.level(g.who.user) < level:
		return g, f.needsPermission(g.who.user, "GenericContribute", "repository")
	case g.push && g.repo.archived:
		return g, azureFailure(http.StatusForbidden, "", "TF401019: The Git repository with name or identifier %s is disabled.", g.repo.name)
	}
	return g, nil
}
