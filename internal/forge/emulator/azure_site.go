package emulator

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// The pages of Azure DevOps have its addresses and words; they act through the routes of its REST API.

// azurePages is the HTML view.
func (f *Forge) azurePages() http.Handler {
	s := newSite(f)
	mux, protect := http.NewServeMux(), http.NewCrossOriginProtection()
	org := "/" + f.azure.organization
	inProject, inGit := org+"/{owner}", org+"/{owner}/_git/{repo}"
	for pattern, serve := range map[string]http.HandlerFunc{
		"GET /{$}": s.toHome, "GET " + org: s.azureRepos, "GET " + org + "/{$}": s.toHome, "GET " + org + "/_signin": s.toHome, "GET " + inProject: s.azureRepos,
		"GET /-/style.css": s.style, "GET /favicon.ico": s.icon, "POST /-/act-as": s.actAs, "GET /avatars/u/{id}": s.avatar,
		"GET " + inProject + "/_workitems": s.items, "GET " + inProject + "/_workitems/create": s.newItemPage,
		"POST " + inProject + "/_workitems": s.createItem, "GET " + inProject + "/_workitems/edit/{number}": s.item,
		"POST " + inProject + "/_workitems/edit/{number}/comments": s.itemComment,
		"POST " + inProject + "/_workitems/edit/{number}/fields":   s.itemFields,
		"GET " + inProject + "/_build":                             s.runs, "GET " + inProject + "/_build/results": s.run,
		"GET " + inGit: s.azureRepo, "GET " + inGit + "/commits": s.azureCommits, "GET " + inGit + "/commit/{sha}": s.azureCommit,
		"GET " + inGit + "/pullrequests": s.azurePulls, "GET " + inGit + "/pullrequest/{number}": s.azurePull,
		"POST " + inGit + "/pullrequest/{number}/comments": s.pullComment, "POST " + inGit + "/pullrequest/{number}/vote": s.pullVote,
		"POST " + inGit + "/pullrequest/{number}/state": s.pullState,
	} {
		mux.Handle(pattern, protect.Handler(serve))
	}
	return s.onlyOwnName(secureHeaders(mux))
}

func (s *site) azureHome() string { return "/" + s.forge.azure.organization }

func (s *site) toHome(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, s.azureHome(), http.StatusSeeOther)
}

// renderRich is HTML of a work item: it was sanitized when it was written, and is once more.
func renderRich(text any) template.HTML {
	source, _ := text.(string)
	return template.HTML(sanitizeHTML(source)) //nolint:gosec // sanitized
}

// inAzure is show for pages of a repository, or of a project that the viewer may see: of its repositories, the first
// one leads the way.
func (s *site) inAzure(w http.ResponseWriter, r *http.Request, name, tab string, gather func(*page, *repository) bool) {
	s.show(w, r, name, r.PathValue("owner")+" "+r.PathValue("repo"), func(p *page) bool {
		var repo *repository
		for _, one := range s.forge.repos {
			if strings.EqualFold(one.owner.login, r.PathValue("owner")) && matchesQuery(r.PathValue("repo"), one.name) && one.level(s.viewer(r)) >= levelRead {
				repo = one
				break
			}
		}
		if repo == nil {
			return false
		}
		s.azureFrame(p, repo, tab)
		return gather(p, repo)
	})
}

// azureFrame is what all pages of a repository have in common.
func (s *site) azureFrame(p *page, repo *repository, tab string) {
	f := s.forge
	project := s.azureHome() + "/" + pathEscape(repo.owner.login)
	p.RepoURL = project + "/_git/" + pathEscape(repo.name)
	visibility := "public"
	if repo.private {
		visibility = "private"
	}
	p.Repo = obj{"owner": obj{"login": repo.owner.login}, "name": repo.name, "full_name": repo.fullName(), "visibility": visibility,
		"clone_url": f.gitURL(repo), "default_branch": repo.defaultBranch}
	p.Data["project"] = project
	p.Tab, p.Tabs = tab, []pageTab{{"code", "Files", p.RepoURL}, {"issues", "Work items", project + "/_workitems"},
		{"pulls", "Pull requests", p.RepoURL + "/pullrequests"}, {"runs", "Pipelines", project + "/_build"}}
}

// personJSON is how the pages show an account.
func personJSON(u *user) obj {
	if u == nil {
		return obj{"id": int64(0), "login": "Azure DevOps", "type": typeBot}
	}
	return obj{"id": u.id, "login": u.displayName(), "type": u.kind}
}

// callAzure makes a call to the REST API in the viewer's name, with all its rules; it returns why it was refused.
func (s *site) callAzure(r *http.Request, method, path string, body any) (refused string) {
	raw, err := json.Marshal(body)
	if err != nil {
		return err.Error()
	}
	target := s.azureHome() + "/" + pathEscape(r.PathValue("owner")) + "/_apis/" + path
	inner, err := http.NewRequestWithContext(r.Context(), method, target, bytes.NewReader(raw))
	if err != nil {
		return err.Error()
	}
	inner.Header.Set("Accept", "application/json;api-version=7.1-preview")
	inner.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(path, "wit/workitems/") && !strings.Contains(path, "/comments") {
		inner.Header.Set("Content-Type", "application/json-patch+json")
	}
	s.forge.mu.Lock()
	defer s.forge.mu.Unlock()
	u := s.viewer(r)
	if u == nil {
		return "There is nobody to act as."
	}
	c := &azureCall{f: s.forge, r: inner, query: url.Values{}, body: raw, who: caller{user: u}}
	if _, err := c.perform(); err != nil {
		answer := c.failed(err)
		message, _ := answer.body.(obj)["message"].(string)
		return message
	}
	return ""
}

// azureRepos lists repositories, of one project or of all.
func (s *site) azureRepos(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, "azure_home.html", "Repositories", func(p *page) bool {
		repos := []obj{}
		for _, repo := range s.forge.repos {
			if repo.level(s.viewer(r)) < levelRead || !matchesQuery(r.PathValue("owner"), repo.owner.login) {
				continue
			}
			project := s.azureHome() + "/" + pathEscape(repo.owner.login)
			open := 0
			for _, pr := range repo.pulls() {
				if pr.issue.open {
					open++
				}
			}
			repos = append(repos, obj{"full_name": repo.fullName(), "url": project + "/_git/" + pathEscape(repo.name), "items": project + "/_workitems",
				"description": repo.description, "open": open})
		}
		p.Data["repos"] = repos
		return r.PathValue("owner") == "" || len(repos) > 0
	})
}
