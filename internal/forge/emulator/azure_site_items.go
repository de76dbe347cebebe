package emulator

import (
	"html"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (s *site) items(w http.ResponseWriter, r *http.Request) {
	s.inAzure(w, r, "azure_items.html", "issues", func(p *page, repo *repository) bool {
		want := r.URL.Query().Get("state")
		if want != "closed" && want != "all" {
			want = "open"
		}
		items := []obj{}
		for _, item := range slices.Backward(s.forge.azure.items) {
			if item.project == repo.owner && (want == "all" || item.open() == (want == "open")) {
				items = append(items, s.itemView(p, item))
			}
		}
		p.Data["items"], p.Data["state"] = items, want
		return true
	})
}

func (s *site) itemView(p *page, item *workItem) obj {
	author, _ := item.fields["System.CreatedBy"].(*user)
	return obj{"id": item.id, "kind": item.kind(), "title": item.text("System.Title"), "state": item.text("System.State"), "open": item.open(),
		"tags": item.tags(), "author": personJSON(author), "created": s.forge.fieldJSON(item.fields["System.CreatedDate"]), "comments": item.liveComments(),
		"description": item.text("System.Description"), "url": p.Data["project"].(string) + "/_workitems/edit/" + strconv.Itoa(item.id)}
}

func (s *site) newItemPage(w http.ResponseWriter, r *http.Request) {
	s.inAzure(w, r, "azure_new_item.html", "issues", func(p *page, _ *repository) bool {
		p.Data["kinds"] = sortedKeys(itemStates)
		return true
	})
}

func (s *site) item(w http.ResponseWriter, r *http.Request) {
	s.inAzure(w, r, "azure_item.html", "issues", func(p *page, repo *repository) bool {
		number, _ := strconv.Atoi(r.PathValue("number"))
		item := s.forge.itemOf(repo, number)
		if item == nil {
			return false
		}
		said, history, states := []obj{}, []obj{}, []string{}
		for _, c := range item.comments {
			if !c.deleted {
				said = append(said, obj{"id": c.id, "author": personJSON(c.author), "text": c.text, "at": azureDate(c.created), "edited": c.version > 1, "reacted": reactedTo(c.reactions)})
			}
		}
		for _, up := range slices.Backward(item.updates) {
			history = append(history, obj{"by": up.by.displayName(), "at": azureDate(up.at), "what": changesOf(up)})
		}
		for _, state := range itemStates[item.kind()] {
			states = append(states, state[0])
		}
		p.Data["item"], p.Data["said"], p.Data["history"], p.Data["states"] = s.itemView(p, item), said, history, states
		p.Title = item.text("System.Title") + " · #" + strconv.Itoa(item.id)
		return true
	})
}

// changesOf says in a few words what a revision changed.
func changesOf(up *itemUpdate) string {
	var out []string
	for _, name := range []string{"System.Title", "System.State", "System.Tags", "System.Description"} {
		change, changed := up.fields[name]
		if !changed {
			continue
		}
		after, _ := change[1].(string)
		if name == "System.Description" {
			after = "changed"
		}
		out = append(out, strings.TrimPrefix(name, "System.")+": "+firstOf(after, "none"))
	}
	if up.comment != nil {
		out = append(out, "a comment")
	}
	return strings.Join(out, ", ")
}

var itemSymbols = map[string]string{"like": "👍", "dislike": "👎", "heart": "❤️", "hooray": "🎉", "smile": "😄", "confused": "😕"}

func reactedTo(list []*reaction) []string {
	out := []string{}
	for _, r := range list {
		out = append(out, itemSymbols[r.content]+" "+r.author.displayName())
	}
	return out
}

// asHTML is typed text as the service's editor writes it: a div a line.
func asHTML(text string) string {
	var out strings.Builder
	for line := range strings.SplitSeq(strings.ReplaceAll(strings.TrimRight(text, "\r\n"), "\r\n", "\n"), "\n") {
		out.WriteString("<div>" + firstOf(html.EscapeString(line), "<br>") + "</div>")
	}
	return out.String()
}

func fieldOperation(name, value string) obj {
	return obj{"op": "replace", "path": "/fields/" + name, "value": value}
}

func (s *site) createItem(w http.ResponseWriter, r *http.Request) {
	list := []obj{fieldOperation("System.Title", r.PostFormValue("title"))}
	if text := r.PostFormValue("body"); strings.TrimSpace(text) != "" {
		list = append(list, fieldOperation("System.Description", asHTML(text)))
	}
	if tags := r.PostFormValue("tags"); strings.TrimSpace(tags) != "" {
		list = append(list, fieldOperation("System.Tags", tags))
	}
	kind := firstOf(r.PostFormValue("kind"), "User Story")
	if refused := s.callAzure(r, post, "wit/workitems/$"+pathEscape(kind), list); refused != "" {
		back(w, r, refused)
		return
	}
	s.forge.mu.Lock()
	last := s.forge.azure.lastItem
	s.forge.mu.Unlock()
	http.Redirect(w, r, s.azureHome()+"/"+pathEscape(r.PathValue("owner"))+"/_workitems/edit/"+strconv.Itoa(last), http.StatusSeeOther)
}

func (s *site) itemComment(w http.ResponseWriter, r *http.Request) {
	text := r.PostFormValue("body")
	if strings.TrimSpace(text) == "" {
		back(w, r, "A comment cannot be empty.")
		return
	}
	back(w, r, s.callAzure(r, post, "wit/workitems/"+pathEscape(r.PathValue("number"))+"/comments", obj{"text": asHTML(text)}))
}

// itemFields sets the state, or adds or takes away a tag.
func (s *site) itemFields(w http.ResponseWriter, r *http.Request) {
	list := []obj{}
	if state := r.PostFormValue("state"); state != "" {
		list = append(list, fieldOperation("System.State", state))
	}
	add, gone := r.PostFormValue("tag"), r.PostFormValue("remove")
	if add != "" || gone != "" {
		number, _ := strconv.Atoi(r.PathValue("number"))
		s.forge.mu.Lock()
		var tags []string
		if item := s.forge.itemByID(number); item != nil {
			tags = slices.DeleteFunc(item.tags(), func(tag string) bool { return tag == gone })
		}
		s.forge.mu.Unlock()
		list = append(list, fieldOperation("System.Tags", strings.Join(append(tags, splitTags(add)...), ";")))
	}
	back(w, r, s.callAzure(r, patch, "wit/workitems/"+pathEscape(r.PathValue("number")), list))
}

func (s *site) runs(w http.ResponseWriter, r *http.Request) {
	s.inAzure(w, r, "azure_runs.html", "runs", func(p *page, repo *repository) bool {
		list := []obj{}
		for _, run := range slices.Backward(s.forge.azure.runs) {
			if run.pipeline.repo.owner == repo.owner {
				list = append(list, s.runView(p, run))
			}
		}
		p.Data["runs"] = list
		return true
	})
}

func (s *site) runView(p *page, run *pipelineRun) obj {
	return obj{"id": run.ID, "pipeline": run.Pipeline, "outcome": firstOf(run.Result, run.State), "by": personJSON(run.by), "at": azureDate(run.created),
		"ref": run.Ref, "version": run.Version, "log": strings.Join(run.Log, "\n"), "url": p.Data["project"].(string) + "/_build/results?buildId=" + strconv.Itoa(run.ID)}
}

func (s *site) run(w http.ResponseWriter, r *http.Request) {
	s.inAzure(w, r, "azure_run.html", "runs", func(p *page, repo *repository) bool {
		id, _ := strconv.Atoi(r.URL.Query().Get("buildId"))
		if id < 1 || id > len(s.forge.azure.runs) || s.forge.azure.runs[id-1].pipeline.repo.owner != repo.owner {
			return false
		}
		p.Data["run"] = s.runView(p, s.forge.azure.runs[id-1])
		return true
	})
}
