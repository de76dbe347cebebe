package emulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, "home.html", "Repositories", func(p *page) bool {
		repos := []obj{}
		for _, repo := range s.forge.repos {
			if repo.level(s.viewer(r)) >= levelRead {
				open := 0
				for _, pr := range repo.pulls() {
					if pr.issue.open {
						open++
					}
				}
				repos = append(repos, s.forge.repoJSON(repo).with(obj{"open_pulls": open}))
			}
		}
		p.Data["repos"] = repos
		return true
	})
}

func (s *site) app(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, "app.html", "App", func(p *page) bool {
		a := s.forge.appBySlug(r.PathValue("slug"))
		p.Data["app"] = s.forge.appOrNull(a)
		return a != nil
	})
}

func (s *site) overview(w http.ResponseWriter, r *http.Request) {
	s.inRepo(w, r, "repo.html", "code", func(p *page, repo *repository) bool {
		refs, err := s.forge.refs(repo, "refs/heads")
		if err != nil {
			return false
		}
		branches := []obj{}
		for _, ref := range refs {
			name := strings.TrimPrefix(ref.name, "refs/heads/")
			branches = append(branches, obj{"name": name, "sha": ref.sha, "protected": repo.protections[name] != nil})
		}
		p.Data["branches"] = branches
		pushes := []Push{}
		for _, push := range slices.Backward(repo.pushes) {
			pushes = append(pushes, *push)
		}
		p.Data["pushes"] = pushes[:min(len(pushes), 10)]
		p.Data["paths"] = s.paths(repo, repo.defaultBranch)
		p.Data["readme"] = ""
		if out, err := s.forge.git.in(repo, "cat-file", "blob", repo.defaultBranch+":README.md"); err == nil {
			p.Data["readme"] = out
		}
		return true
	})
}

// maxPaths is how many files the overview lists.
const maxPaths = 500

// paths lists the files of a commit.
func (s *site) paths(repo *repository, ref string) []string {
	out, err := s.forge.git.in(repo, "ls-tree", "-r", "-z", "--name-only", "refs/heads/"+ref)
	if err != nil {
		return nil
	}
	names := strings.FieldsFunc(out, func(c rune) bool { return c == 0 })
	return names[:min(len(names), maxPaths)]
}

// maxShown is how much of a file is shown.
const maxShown = 512 << 10

func (s *site) file(w http.ResponseWriter, r *http.Request) {
	s.inRepo(w, r, "file.html", "code", func(p *page, repo *repository) bool {
		sha := s.forge.git.resolve(repo, r.PathValue("ref"))
		if sha == "" {
			return false
		}
		return s.showFile(p, repo, sha, r.PathValue("path"))
	})
}

func (s *site) showFile(p *page, repo *repository, sha, path string) bool {
	text, err := s.forge.git.in(repo, "cat-file", "blob", sha+":"+path)
	p.Data["path"], p.Data["sha"], p.Data["text"] = path, sha, strings.ToValidUTF8(text[:min(len(text), maxShown)], "\uFFFD")
	return err == nil
}

// lastCommits are the newest commits of a branch, as many as a page shows.
func (s *site) lastCommits(repo *repository, branch string) ([]string, bool) {
	sha := s.forge.git.resolve(repo, branch)
	if sha == "" {
		return nil, false
	}
	out, err := s.forge.git.in(repo, "rev-list", "--max-count=50", sha)
	return strings.Fields(out), err == nil
}

// listed shows issues or pull requests in the state that the query names.
func (s *site) listed(w http.ResponseWriter, r *http.Request, tab string, pulls bool) {
	s.inRepo(w, r, "list.html", tab, func(p *page, repo *repository) bool {
		want := r.URL.Query().Get("state")
		if want != "closed" && want != "all" {
			want = "open"
		}
		items := []obj{}
		for _, i := range slices.Backward(repo.issues) {
			if (i.pull != nil) == pulls && matchesState(i, want) {
				items = append(items, s.forge.issueJSON(i).with(obj{"merged": pulls && !i.pull.merged.IsZero()}))
			}
		}
		p.Data["items"], p.Data["state"] = items, want
		return true
	})
}

func (s *site) issues(w http.ResponseWriter, r *http.Request) { s.listed(w, r, "issues", false) }
func (s *site) pulls(w http.ResponseWriter, r *http.Request)  { s.listed(w, r, "pulls", true) }

func (s *site) newIssue(w http.ResponseWriter, r *http.Request) {
	s.inRepo(w, r, "new_issue.html", "issues", func(*page, *repository) bool { return true })
}

// wantedIssue is the issue or pull request of the address. It needs the lock.
func wantedIssue(r *http.Request, repo *repository) *issue {
	n, _ := strconv.Atoi(r.PathValue("number"))
	return repo.issue(n)
}

func (s *site) issue(w http.ResponseWriter, r *http.Request) {
	s.inRepo(w, r, "issue.html", "issues", func(p *page, repo *repository) bool {
		i := wantedIssue(r, repo)
		if i == nil || i.pull != nil {
			return false
		}
		s.conversation(p, i)
		return true
	})
}

// conversation gathers what issues and pull requests have in common.
func (s *site) conversation(p *page, i *issue) {
	said := []obj{}
	for _, c := range i.comments {
		said = append(said, s.forge.commentJSON(c).with(obj{"reacted": reactionSymbols(c.reactions), "at": c.id}))
	}
	events := []obj{}
	for _, e := range i.repo.events {
		if e.issue == i {
			events = append(events, s.forge.eventJSON(e, false))
		}
	}
	p.Data["issue"], p.Data["said"], p.Data["events"] = s.forge.issueJSON(i), said, events
	p.Data["reacted"] = reactionSymbols(i.reactions)
	p.Title = i.title + " · #" + str(int64(i.number))
}

var symbols = map[string]string{"+1": "👍", "-1": "👎", "laugh": "😄", "confused": "😕", "heart": "❤️", "hooray": "🎉", "rocket": "🚀", "eyes": "👀"}

// reactionSymbols are the reactions with the logins of those who left them.
func reactionSymbols(list []*reaction) []string {
	out := []string{}
	for _, r := range list {
		out = append(out, symbols[r.content]+" "+r.author.login)
	}
	return out
}

func (s *site) commit(w http.ResponseWriter, r *http.Request) {
	s.inRepo(w, r, "commit.html", "code", func(p *page, repo *repository) bool {
		sha := s.forge.git.resolve(repo, r.PathValue("sha"))
		list, err := s.forge.commits(repo, []string{sha})
		if sha == "" || err != nil || len(list) == 0 {
			return false
		}
		_, files, err := s.forge.changedBy(repo, list[0])
		p.Data["commit"], p.Data["files"] = s.forge.commitJSON(repo, list[0]), s.forge.filesJSON(repo, sha, files)
		return err == nil
	})
}

func (s *site) commits(w http.ResponseWriter, r *http.Request) {
	s.inRepo(w, r, "commits.html", "code", func(p *page, repo *repository) bool {
		shas, found := s.lastCommits(repo, r.PathValue("branch"))
		if !found {
			return false
		}
		list, err := s.forge.commitsJSON(repo, shas)
		p.Data["commits"], p.Data["branch"] = list, r.PathValue("branch")
		return err == nil
	})
}

func (s *site) compare(w http.ResponseWriter, r *http.Request) {
	s.inRepo(w, r, "compare.html", "code", func(p *page, repo *repository) bool {
		left, right, _ := strings.Cut(r.PathValue("basehead"), "...")
		base, head := s.forge.git.resolve(repo, left), s.forge.git.resolve(repo, right)
		if base == "" || head == "" {
			return false
		}
		stats, err := s.forge.compare(repo, base, head)
		if err != nil {
			return false
		}
		p.Data["files"], p.Data["basehead"] = s.forge.filesJSON(repo, head, stats.files), r.PathValue("basehead")
		p.Data["commits"], err = s.forge.commitsJSON(repo, stats.commits)
		return err == nil
	})
}

func (s *site) deployments(w http.ResponseWriter, r *http.Request) {
	s.inRepo(w, r, "deployments.html", "deployments", func(p *page, repo *repository) bool {
		list := []obj{}
		for _, d := range slices.Backward(repo.deployments) {
			statuses := []obj{}
			for _, st := range d.statuses {
				statuses = append(statuses, s.forge.deploymentStatusJSON(repo, d, st))
			}
			list = append(list, s.forge.deploymentJSON(repo, d).with(obj{"statuses": statuses}))
		}
		p.Data["deployments"] = list
		return true
	})
}

func (s *site) checkRun(w http.ResponseWriter, r *http.Request) {
	s.inRepo(w, r, "check.html", "pulls", func(p *page, repo *repository) bool {
		for _, c := range repo.checks {
			if str(c.id) == r.PathValue("id") {
				p.Data["check"], p.Data["annotations"] = s.forge.checkBase(repo, c), c.annotations
				return true
			}
		}
		return false
	})
}
