package emulator

import (
	"net/http"
	"slices"
	"strings"
)

// commitViews are commits for the pages, oldest first, with addresses of the pages.
func (s *site) commitViews(p *page, repo *repository, shas []string) ([]obj, error) {
	list, err := s.forge.commits(repo, shas)
	out := []obj{}
	for _, c := range list {
		out = append(out, s.commitView(p, c))
	}
	return out, err
}

func (s *site) commitView(p *page, c commitInfo) obj {
	parents := []obj{}
	for _, sha := range c.parents {
		parents = append(parents, obj{"sha": sha, "html_url": p.RepoURL + "/commit/" + sha})
	}
	return obj{"sha": c.sha, "html_url": p.RepoURL + "/commit/" + c.sha, "parents": parents,
		"commit": obj{"message": c.message, "author": c.author.json(), "committer": c.committer.json()}}
}

// azureRepo shows the files of the default branch and the branches, or one file as the service addresses it:
// ?path=/NAME&version=GBbranch or GCcommit.
func (s *site) azureRepo(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("path") {
		s.azureFile(w, r)
		return
	}
	s.inAzure(w, r, "azure_repo.html", "code", func(p *page, repo *repository) bool {
		refs, err := s.forge.refs(repo, "refs/heads")
		if err != nil {
			return false
		}
		branches, pushes := []obj{}, []obj{}
		for _, ref := range refs {
			name := strings.TrimPrefix(ref.name, "refs/heads/")
			branches = append(branches, obj{"name": name, "sha": ref.sha, "protected": len(s.forge.policiesOf(repo, name)) > 0})
		}
		for _, push := range slices.Backward(repo.pushes) {
			pushes = append(pushes, obj{"by": push.actor.displayName(), "kind": push.Kind, "ref": push.Ref, "sha": push.New})
		}
		p.Data["branches"], p.Data["pushes"], p.Data["paths"] = branches, pushes[:min(len(pushes), 10)], s.paths(repo, repo.defaultBranch)
		p.Data["readme"] = ""
		if out, err := s.forge.git.in(repo, "cat-file", "blob", repo.defaultBranch+":README.md"); err == nil {
			p.Data["readme"] = out
		}
		return true
	})
}

func (s *site) azureFile(w http.ResponseWriter, r *http.Request) {
	s.inAzure(w, r, "file.html", "code", func(p *page, repo *repository) bool {
		path := strings.TrimPrefix(r.URL.Query().Get("path"), "/")
		sha := s.forge.git.resolve(repo, versionOf(r.URL.Query().Get("version"), repo))
		if sha == "" || path == "" {
			return false
		}
		return s.showFile(p, repo, sha, path)
	})
}

// versionOf is the branch or commit that a version names: GBbranch, GCcommit.
func versionOf(text string, repo *repository) string {
	if name, found := strings.CutPrefix(text, "GB"); found {
		return name
	}
	if sha, found := strings.CutPrefix(text, "GC"); found {
		return sha
	}
	return repo.defaultBranch
}

func (s *site) azureCommits(w http.ResponseWriter, r *http.Request) {
	s.inAzure(w, r, "commits.html", "code", func(p *page, repo *repository) bool {
		branch := versionOf(r.URL.Query().Get("itemVersion"), repo)
		shas, found := s.lastCommits(repo, branch)
		if !found {
			return false
		}
		list, err := s.commitViews(p, repo, shas)
		p.Data["commits"], p.Data["branch"] = list, branch
		return err == nil
	})
}

func (s *site) azureCommit(w http.ResponseWriter, r *http.Request) {
	s.inAzure(w, r, "commit.html", "code", func(p *page, repo *repository) bool {
		sha := s.forge.git.resolve(repo, r.PathValue("sha"))
		list, err := s.forge.commits(repo, []string{sha})
		if sha == "" || err != nil || len(list) == 0 {
			return false
		}
		_, files, err := s.forge.changedBy(repo, list[0])
		p.Data["commit"], p.Data["files"] = s.commitView(p, list[0]), s.forge.filesJSON(repo, sha, files)
		return err == nil
	})
}
