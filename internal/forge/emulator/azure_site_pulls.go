package emulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (s *site) azurePulls(w http.ResponseWriter, r *http.Request) {
	s.inAzure(w, r, "azure_pulls.html", "pulls", func(p *page, repo *repository) bool {
		want := r.URL.Query().Get("_a")
		if !slices.Contains([]string{"completed", "abandoned"}, want) {
			want = "active"
		}
		list := []obj{}
		for _, pr := range slices.Backward(repo.pulls()) {
			if pr.azure.status == want {
				list = append(list, s.pullView(p, pr))
			}
		}
		p.Data["pulls"], p.Data["state"] = list, want
		return true
	})
}

func (s *site) pullView(p *page, pr *pull) obj {
	status := map[string]string{"active": "Active", "completed": "Completed", "abandoned": "Abandoned"}[pr.azure.status]
	class := map[string]string{"active": "open", "completed": "merged", "abandoned": "closed"}[pr.azure.status]
	if pr.draft && pr.issue.open {
		status, class = "Draft", "draft"
	}
	return obj{"id": pr.issue.number, "title": pr.issue.title, "body": pr.issue.body, "author": personJSON(pr.issue.author), "created": azureDate(pr.azure.created),
		"status": status, "class": class, "draft": pr.draft, "open": pr.issue.open, "source": pr.headRef, "target": pr.baseRef, "head": pr.headSHA,
		"url": p.RepoURL + "/pullrequest/" + strconv.Itoa(pr.issue.number)}
}

func (s *site) azurePull(w http.ResponseWriter, r *http.Request) {
	s.inAzure(w, r, "azure_pull.html", "pulls", func(p *page, repo *repository) bool {
		number, _ := strconv.Atoi(r.PathValue("number"))
		i := repo.issue(number)
		if i == nil {
			return false
		}
		p.Title = i.title + " · " + strconv.Itoa(number)
		return s.gatherAzurePull(p, i.pull) == nil
	})
}

var voteWords = map[int]string{10: "Approved", 5: "Approved with suggestions", 0: "No vote", -5: "Waiting for the author", -10: "Rejected"}
var voteClasses = map[int]string{10: "success", 5: "success", -5: "pending", -10: "failure"}

func (s *site) gatherAzurePull(p *page, pr *pull) error {
	f, repo := s.forge, pr.issue.repo
	last := pr.azure.iterations[len(pr.azure.iterations)-1]
	stats, err := f.compare(repo, last.target, pr.headSHA)
	if err != nil {
		return err
	}
	commits, err := s.commitViews(p, repo, stats.commits)
	if err != nil {
		return err
	}
	reviewers, statuses, items := []obj{}, []obj{}, []obj{}
	for _, rv := range pr.azure.reviewers {
		if rv.user != nil {
			reviewers = append(reviewers, obj{"person": personJSON(rv.user), "vote": voteWords[rv.vote], "class": voteClasses[rv.vote], "required": rv.required})
		}
	}
	seen := map[string]bool{}
	for _, st := range slices.Backward(pr.azure.statuses) {
		context := contextOf(st.genre, st.name)
		if !seen[context] {
			statuses = append(statuses, obj{"context": context, "state": st.state, "class": runStates[st.state][1], "description": st.description, "target": st.target})
		}
		seen[context] = true
	}
	for _, item := range pr.azure.items {
		items = append(items, s.itemView(p, item))
	}
	p.Data["pull"], p.Data["threads"], p.Data["reviewers"], p.Data["statuses"], p.Data["items"] = s.pullView(p, pr), threadViews(pr), reviewers, statuses, items
	p.Data["commits"], p.Data["files"], p.Data["unmet"] = commits, f.filesJSON(repo, pr.headSHA, stats.files), f.unmetPolicies(pr)
	p.Data["iterations"] = len(pr.azure.iterations)
	return nil
}

// threadViews are the conversations and events, oldest first.
func threadViews(pr *pull) []obj {
	out := []obj{}
	for _, t := range pr.azure.threads {
		said := []obj{}
		for _, c := range t.comments {
			if !c.deleted {
				said = append(said, obj{"id": c.id, "author": personJSON(c.author), "text": c.content, "at": azureDate(c.published), "edited": c.edited.After(c.published)})
			}
		}
		o := obj{"id": t.id, "comments": said, "event": t.properties["CodeReviewThreadType"] != nil, "status": t.status}
		if t.context != nil {
			o["path"] = t.context.FilePath
			if at := t.context.RightFileStart; at != nil {
				o["line"] = at.Line
			}
		}
		if len(said) > 0 {
			out = append(out, o)
		}
	}
	return out
}

func (s *site) pullPath(r *http.Request) string {
	return "git/repositories/" + pathEscape(r.PathValue("repo")) + "/pullrequests/" + pathEscape(r.PathValue("number"))
}

// pullSay says what the form says: a comment, at a line of a file or on the whole, or an answer in a thread.
func (s *site) pullSay(r *http.Request) (refused string) {
	text := strings.TrimSpace(r.PostFormValue("body"))
	if text != "" {
		if thread := r.PostFormValue("thread"); thread != "" {
			return s.callAzure(r, post, s.pullPath(r)+"/threads/"+pathEscape(thread)+"/comments", obj{"content": text, "parentCommentId": 1, "commentType": "text"})
		}
		if refused = s.callAzure(r, post, s.pullPath(r)+"/threads", newThreadJSON(text, nil)); refused != "" {
			return refused
		}
	}
	if remark := strings.TrimSpace(r.PostFormValue("remark")); remark != "" {
		line, _ := strconv.Atoi(r.PostFormValue("line"))
		place := obj{"line": max(line, 1), "offset": 1}
		return s.callAzure(r, post, s.pullPath(r)+"/threads", newThreadJSON(remark, obj{"filePath": "/" + r.PostFormValue("path"), "rightFileStart": place, "rightFileEnd": place}))
	}
	return ""
}

func newThreadJSON(text string, context obj) obj {
	o := obj{"comments": []obj{{"content": text, "parentCommentId": 0, "commentType": "text"}}, "status": "active"}
	if context != nil {
		o["threadContext"] = context
	}
	return o
}

func (s *site) pullComment(w http.ResponseWriter, r *http.Request) {
	if strings.TrimSpace(r.PostFormValue("body")+r.PostFormValue("remark")) == "" {
		back(w, r, "A comment cannot be empty.")
		return
	}
	back(w, r, s.pullSay(r))
}

// pullVote gives the viewer's vote, after what they say to it.
func (s *site) pullVote(w http.ResponseWriter, r *http.Request) {
	vote, err := strconv.Atoi(r.PostFormValue("vote"))
	if err != nil {
		back(w, r, "There is no such vote.")
		return
	}
	refused := s.pullSay(r)
	s.forge.mu.Lock()
	voter := s.viewer(r)
	s.forge.mu.Unlock()
	if refused == "" && voter != nil {
		refused = s.callAzure(r, put, s.pullPath(r)+"/reviewers/"+s.forge.userGUID(voter), obj{"vote": vote})
	}
	back(w, r, refused)
}

// pullState publishes, makes a draft, completes, abandons or reactivates.
func (s *site) pullState(w http.ResponseWriter, r *http.Request) {
	changes := map[string]obj{"publish": {"isDraft": false}, "draft": {"isDraft": true}, "abandon": {"status": "abandoned"}, "reactivate": {"status": "active"},
		"complete": {"status": "completed", "lastMergeSourceCommit": obj{"commitId": r.PostFormValue("sha")}}}
	change := changes[r.PostFormValue("to")]
	if change == nil {
		back(w, r, "There is no such state.")
		return
	}
	back(w, r, s.callAzure(r, patch, s.pullPath(r), change))
}
