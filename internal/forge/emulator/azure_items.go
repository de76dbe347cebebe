package emulator

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// itemStates are the states of each type of the process Agile, in order, with their categories.
// https://learn.microsoft.com/en-us/azure/devops/boards/work-items/workflow-and-state-categories
var itemStates = map[string][][2]string{
	"Bug":        {{"New", "Proposed"}, {"Active", "InProgress"}, {"Resolved", "Resolved"}, {"Closed", "Completed"}},
	"User Story": {{"New", "Proposed"}, {"Active", "InProgress"}, {"Resolved", "Resolved"}, {"Closed", "Completed"}, {"Removed", "Removed"}},
	"Task":       {{"New", "Proposed"}, {"Active", "InProgress"}, {"Closed", "Completed"}, {"Removed", "Removed"}},
	"Issue":      {{"Active", "InProgress"}, {"Closed", "Completed"}},
	"Feature":    {{"New", "Proposed"}, {"Active", "InProgress"}, {"Resolved", "Resolved"}, {"Closed", "Completed"}, {"Removed", "Removed"}},
}

// settable are the fields that a client may write.
var settable = []string{"System.Title", "System.Description", "System.State", "System.Reason", "System.Tags", "System.AreaPath", "System.IterationPath",
	"System.AssignedTo", "System.History", "Microsoft.VSTS.Common.Priority", "Microsoft.VSTS.TCM.ReproSteps", "Microsoft.VSTS.Common.AcceptanceCriteria"}

// rich are the fields with HTML.
var rich = []string{"System.Description", "System.History", "Microsoft.VSTS.TCM.ReproSteps", "Microsoft.VSTS.Common.AcceptanceCriteria"}

func (f *Forge) itemByID(id int) *workItem {
	for _, w := range f.azure.items {
		if w.id == id {
			return w
		}
	}
	return nil
}

func noItem(id int) error {
	return azureFailure(http.StatusNotFound, "WorkItemUnauthorizedAccessException",
		"TF401232: Work item %d does not exist, or you do not have permissions to read it.", id)
}

// category is that of the work item's state.
func (w *workItem) category() string {
	for _, s := range itemStates[w.kind()] {
		if s[0] == w.text("System.State") {
			return s[1]
		}
	}
	return ""
}

func (w *workItem) kind() string { return w.text("System.WorkItemType") }

func (w *workItem) text(field string) string {
	value, _ := w.fields[field].(string)
	return value
}

func (w *workItem) tags() []string {
	var out []string
	for tag := range strings.SplitSeq(w.text("System.Tags"), ";") {
		if tag = strings.TrimSpace(tag); tag != "" {
			out = append(out, tag)
		}
	}
	return out
}

// open says whether the work is not done: its state is neither completed nor removed.
func (w *workItem) open() bool { return w.category() != "Completed" && w.category() != "Removed" }

func (f *Forge) itemURL(w *workItem) string {
	return f.orgURL() + "/" + f.projectGUID(w.project) + "/_apis/wit/workItems/" + strconv.Itoa(w.id)
}

func (f *Forge) itemPage(w *workItem) string {
	return f.orgURL() + "/" + pathEscape(w.project.login) + "/_workitems/edit/" + strconv.Itoa(w.id)
}

// newItem needs the lock; the fields have been checked.
func (f *Forge) newItem(project *user, kind string, by *user, fields map[string]any) *workItem {
	f.azure.lastItem++
	w := &workItem{id: f.azure.lastItem, project: project, fields: map[string]any{}}
	all := map[string]any{"System.Id": w.id, "System.TeamProject": project.login, "System.WorkItemType": kind, "System.State": itemStates[kind][0][0],
		"System.Reason": "New", "System.AreaPath": project.login, "System.IterationPath": project.login, "System.CreatedBy": by, "Microsoft.VSTS.Common.Priority": 2}
	for name, value := range fields {
		all[name] = value
	}
	f.azure.items = append(f.azure.items, w)
	f.reviseItem(w, by, all, nil, nil)
	return w
}

// reviseItem makes a new revision of what differs, with its update, and tells of it. A comment or a relation is a
// revision, too.
func (f *Forge) reviseItem(w *workItem, by *user, fields map[string]any, said *itemComment, relation obj) *itemUpdate {
	changed := map[string][2]any{}
	for name, value := range fields {
		if !reflect.DeepEqual(w.fields[name], value) {
			changed[name] = [2]any{w.fields[name], value}
		}
	}
	if len(changed) == 0 && said == nil && relation == nil {
		return nil
	}
	before, now, first := w.tags(), f.moment(), w.rev == 0
	w.rev++
	put := func(name string, value any) {
		changed[name] = [2]any{w.fields[name], value}
	}
	put("System.Rev", w.rev)
	put("System.ChangedDate", now)
	if w.fields["System.ChangedBy"] != by {
		put("System.ChangedBy", by)
	}
	put("System.AuthorizedDate", now)
	changed["System.RevisedDate"] = [2]any{now, endOfTime}
	if first {
		put("System.CreatedDate", now)
		put("System.CommentCount", 0)
	}
	if said != nil && said.version == 1 && !said.deleted {
		said.inRevision = w.rev
		put("System.CommentCount", w.liveComments())
		changed["System.History"] = [2]any{nil, said.text}
	}
	for name, change := range changed {
		if change[1] == nil {
			delete(w.fields, name)
		} else if name != "System.History" && name != "System.RevisedDate" {
			w.fields[name] = change[1]
		}
	}
	if relation != nil {
		w.relations = append(w.relations, relation)
	}
	up := &itemUpdate{rev: w.rev, by: by, at: now, fields: changed, comment: said}
	w.updates = append(w.updates, up)
	f.noteTags(w, before)
	f.hookItem(w, up, first)
	return up
}

func (w *workItem) liveComments() int {
	n := 0
	for _, c := range w.comments {
		if !c.deleted {
			n++
		}
	}
	return n
}

// noteTags records tags that came and went, as issue events have them.
func (f *Forge) noteTags(w *workItem, before []string) {
	for _, tag := range before {
		if !slices.Contains(w.tags(), tag) {
			w.events = append(w.events, "unlabeled:"+tag)
		}
	}
	for _, tag := range w.tags() {
		if !slices.Contains(before, tag) {
			w.events = append(w.events, "labeled:"+tag)
		}
	}
}

// joinTags is the service's form: each tag once, whatever its case, in alphabetical order.
func joinTags(tags []string) string {
	var out []string
	for _, tag := range tags {
		tag = strings.TrimSpace(tag)
		if tag != "" && !slices.ContainsFunc(out, func(have string) bool { return strings.EqualFold(have, tag) }) {
			out = append(out, tag)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return strings.Join(out, "; ")
}

func splitTags(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ';' || c == ',' })
}

// fieldJSON is a value as the API shows it.
func (f *Forge) fieldJSON(value any) any {
	switch v := value.(type) {
	case *user:
		return f.identityRef(v)
	case time.Time:
		return azureDate(v)
	}
	return value
}

func (f *Forge) fieldsJSON(w *workItem, only []string) obj {
	out := obj{}
	for name, value := range w.fields {
		if len(only) == 0 && name != "System.Id" && name != "System.Rev" && name != "System.AuthorizedDate" ||
			slices.ContainsFunc(only, func(want string) bool { return strings.EqualFold(want, name) }) {
			out[name] = f.fieldJSON(value)
		}
	}
	return out
}

// itemJSON is a work item; expand is one of none, relations, fields, links or all.
func (f *Forge) itemJSON(w *workItem, only []string, expand string) obj {
	o := obj{"id": w.id, "rev": w.rev, "fields": f.fieldsJSON(w, only), "url": f.itemURL(w)}
	expand = strings.ToLower(expand)
	if (expand == "relations" || expand == "all") && len(w.relations) > 0 {
		o["relations"] = w.relations
	}
	if expand == "links" || expand == "all" || expand == "" {
		self := f.itemURL(w)
		o["_links"] = obj{"self": href(self), "workItemUpdates": href(self + "/updates"), "workItemComments": href(self + "/comments"), "html": href(f.itemPage(w))}
	}
	if n := len(w.comments); n > 0 {
		last := w.comments[n-1]
		o["commentVersionRef"] = obj{"commentId": last.id, "version": last.version, "url": f.itemCommentURL(last) + "/versions/" + strconv.Itoa(last.version)}
	}
	return o
}

// plain turns a number of JSON into an int.
func plain(value any) any {
	if number, is := value.(json.Number); is {
		if n, err := number.Int64(); err == nil {
			return int(n)
		}
		return number.String()
	}
	return value
}
