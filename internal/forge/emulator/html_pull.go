package emulator

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

func (s *site) pull(w http.ResponseWriter, r *http.Request) {
	number, format := r.PathValue("number"), ""
	for _, ending := range []string{".diff", ".patch"} {
		if cut, found := strings.CutSuffix(number, ending); found {
			number, format = cut, ending
			r.SetPathValue("number", number)
		}
	}
	if format != "" {
		s.rawPull(w, r, format)
		return
	}
	s.inRepo(w, r, "pull.html", "pulls", func(p *page, repo *repository) bool {
		i := wantedIssue(r, repo)
		if i == nil || i.pull == nil {
			return false
		}
		s.conversation(p, i)
		return s.gatherPull(p, i.pull, s.viewer(r)) == nil
	})
}

func (s *site) gatherPull(p *page, pr *pull, viewer *user) error {
	f, repo := s.forge, pr.issue.repo
	stats, err := f.compare(repo, pr.baseSHA, pr.headSHA)
	if err != nil {
		return err
	}
	commits, err := f.commitsJSON(repo, stats.commits)
	if err != nil {
		return err
	}
	said, checks := p.Data["said"].([]obj), []obj{}
	for _, rv := range pr.reviews {
		if rv.state != "PENDING" || rv.author == viewer {
			said = append(said, f.reviewJSON(rv).with(obj{"at": rv.id, "remarks": remarksOf(rv)}))
		}
	}
	// Ids rise with time, over all kinds of objects.
	slices.SortFunc(said, func(a, b obj) int { return cmp.Compare(a["at"].(int64), b["at"].(int64)) })
	for _, c := range repo.checks {
		if c.head == pr.headSHA {
			checks = append(checks, f.checkBase(repo, c))
		}
	}
	p.Data["pull"], p.Data["commits"], p.Data["said"], p.Data["checks"] = f.pullJSON(pr), commits, said, checks
	p.Data["files"], p.Data["unmet"] = f.filesJSON(repo, pr.headSHA, stats.files), f.unmet(pr)
	p.Data["own"] = pr.issue.author == viewer
	return nil
}

// shownHunk is how many lines of a hunk stand above a remark.
const shownHunk = 4

// remarksOf are what a review says of lines, each with the lines before it.
func remarksOf(rv *review) []obj {
	out := []obj{}
	for _, c := range rv.comments {
		lines := strings.Split(strings.TrimRight(c.hunk, "\n"), "\n")
		out = append(out, obj{
			"id": c.id, "path": c.path, "line": c.line, "body": c.body, "hunk": strings.Join(lines[max(0, len(lines)-shownHunk):], "\n"),
		})
	}
	return out
}

// rawPull answers the .diff and .patch addresses.
func (s *site) rawPull(w http.ResponseWriter, r *http.Request, format string) {
	res, err := s.perform(r, http.MethodGet, "/pulls/"+r.PathValue("number"), nil, "application/vnd.github.v3"+format)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(res.raw)
}
