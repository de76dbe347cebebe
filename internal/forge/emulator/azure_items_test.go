package emulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/webapi"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func (w *azureWorld) patch(login string, id int, operations ...webapi.JsonPatchOperation) (*workitemtracking.WorkItem, error) {
	return w.wit(login).UpdateWorkItem(w.t.Context(), workitemtracking.UpdateWorkItemArgs{Document: &operations, Id: &id, Project: ptr(project)})
}

func operation(op webapi.Operation, path string, value any) webapi.JsonPatchOperation {
	return webapi.JsonPatchOperation{Op: &op, Path: &path, Value: value}
}

func TestAzureWorkItemIsChangedByPatch(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id := w.item("alice", "A story", "bug; Zebra")
	if id != 1 {
		t.Errorf("first work item has number %d", id)
	}
	changed, err := w.patch("bob", id, operation("test", "/rev", 1), operation("replace", "/fields/System.Tags", "coderflow, bug"),
		operation("add", "/fields/System.Description", `<p onclick="x()">Text<!-- hidden --><script>alert(1)</script></p>`))
	must(t, err)
	fields := *changed.Fields
	if fields["System.Tags"] != "bug; coderflow" || fields["System.Description"] != "<p>Text</p>" || *changed.Rev != 2 || fields["System.State"] != "New" {
		t.Errorf("changed: %+v", fields)
	}
	_, err = w.patch("alice", id, operation("test", "/rev", 1), operation("add", "/fields/System.Title", "Other"))
	if status, key, message := refused(err); status != http.StatusPreconditionFailed || key != "TestPatchOperationFailedException" || !strings.Contains(message, "VS403351") {
		t.Errorf("stale revision: %v", err)
	}
	_, err = w.patch("alice", id, operation("add", "/fields/System.State", "Nonsense"))
	if status, _, _ := refused(err); status != 400 {
		t.Errorf("a state that is none: %v", err)
	}
	_, err = w.patch("alice", id, operation("add", "/fields/System.State", "Closed"))
	must(t, err)
	read := w.forge.Issues(azureRepo)
	if len(read) != 1 || read[0].State != "closed" || read[0].Title != "A story" || strings.Join(read[0].Labels, " ") != "bug coderflow" || read[0].Author != "alice" {
		t.Errorf("read as %+v", read)
	}
	if events := strings.Join(w.forge.IssueEvents(azureRepo, id), " "); events != "labeled:bug labeled:Zebra unlabeled:Zebra labeled:coderflow" {
		t.Errorf("events: %s", events)
	}
}

func TestAzureUpdatesTellWhoSetATag(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id := w.item("alice", "A story", "bug")
	_, err := w.patch("bob", id, operation("add", "/fields/System.Tags", "coderflow")) // add keeps what is there
	must(t, err)
	list, err := w.wit("alice").GetUpdates(t.Context(), workitemtracking.GetUpdatesArgs{Id: &id, Project: ptr(project)})
	must(t, err)
	last := (*list)[len(*list)-1]
	tags := (*last.Fields)["System.Tags"]
	if tags.OldValue != "bug" || tags.NewValue != "bug; coderflow" || last.RevisedBy.Id.String() != w.user("bob").GUID || *last.Id != 2 {
		t.Errorf("update: %+v", last)
	}
}

func TestAzureStatesHaveCategories(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	states, err := w.wit("alice").GetWorkItemTypeStates(t.Context(), workitemtracking.GetWorkItemTypeStatesArgs{Project: ptr(project), Type: ptr("User Story")})
	must(t, err)
	got := []string{}
	for _, s := range *states {
		got = append(got, *s.Name+":"+*s.Category)
	}
	if strings.Join(got, " ") != "New:Proposed Active:InProgress Resolved:Resolved Closed:Completed Removed:Removed" {
		t.Errorf("states: %v", got)
	}
}

func TestAzureItemCommentsArePagedEditedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id := w.item("alice", "A story", "")
	first := w.comment("alice", id, `<div>/coderflow run</div><!-- marker --><blink>x</blink><a href="javascript:x">y</a>`)
	if *first.Text != "<div>/coderflow run</div>x<a>y</a>" {
		t.Errorf("kept: %s", *first.Text)
	}
	for range 4 {
		w.comment("bob", id, "more")
	}
	order := workitemtracking.CommentSortOrderValues.Asc
	page, err := w.wit("alice").GetComments(t.Context(), workitemtracking.GetCommentsArgs{Project: ptr(project), WorkItemId: &id, Top: ptr(3), Order: &order})
	must(t, err)
	if *page.TotalCount != 5 || *page.Count != 3 || page.ContinuationToken == nil || *(*page.Comments)[0].Id != *first.Id {
		t.Fatalf("page: %+v", page)
	}
	rest, err := w.wit("alice").GetComments(t.Context(), workitemtracking.GetCommentsArgs{Project: ptr(project), WorkItemId: &id, Top: ptr(3), Order: &order, ContinuationToken: page.ContinuationToken})
	must(t, err)
	if *rest.Count != 2 || rest.ContinuationToken != nil {
		t.Errorf("rest: %+v", rest)
	}
	edited, err := w.wit("alice").UpdateComment(t.Context(), workitemtracking.UpdateCommentArgs{Request: &workitemtracking.CommentUpdate{Text: ptr("changed")}, Project: ptr(project), WorkItemId: &id, CommentId: first.Id})
	must(t, err)
	if *edited.Version != 2 || !edited.ModifiedDate.Time.After(edited.CreatedDate.Time) || *edited.Text != "changed" {
		t.Errorf("edited: %+v", edited)
	}
	_, err = w.wit("bob").UpdateComment(t.Context(), workitemtracking.UpdateCommentArgs{Request: &workitemtracking.CommentUpdate{Text: ptr("forged")}, Project: ptr(project), WorkItemId: &id, CommentId: first.Id})
	if status, _, _ := refused(err); status != 403 {
		t.Errorf("editing another's comment: %v", err)
	}
	must(t, w.wit("alice").DeleteComment(t.Context(), workitemtracking.DeleteCommentArgs{Project: ptr(project), WorkItemId: &id, CommentId: first.Id}))
	_, err = w.wit("alice").GetComment(t.Context(), workitemtracking.GetCommentArgs{Project: ptr(project), WorkItemId: &id, CommentId: first.Id})
	if status, _, _ := refused(err); status != 404 {
		t.Errorf("a deleted comment: %v", err)
	}
	if n := len(w.forge.Comments(azureRepo, id)); n != 4 {
		t.Errorf("%d comments are left", n)
	}
}

func TestAzureItemCommentsHaveReactions(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id := w.item("alice", "A story", "")
	said := w.comment("alice", id, "/coderflow run")
	kind := workitemtracking.CommentReactionTypeValues.Like
	for range 2 { // repeating it changes nothing
		got, err := w.wit("bob").CreateCommentReaction(t.Context(), workitemtracking.CreateCommentReactionArgs{Project: ptr(project), WorkItemId: &id, CommentId: said.Id, ReactionType: &kind})
		must(t, err)
		if *got.Count != 1 || !*got.IsCurrentUserEngaged {
			t.Errorf("reaction: %+v", got)
		}
	}
	if got := w.forge.Comments(azureRepo, id)[0].Reactions["like"]; len(got) != 1 || got[0] != "bob" {
		t.Errorf("reactions: %v", got)
	}
}

func TestAzureQueriesFindWorkItems(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	one := w.item("alice", "One", "coderflow")
	w.clock.Advance(time.Hour)
	two := w.item("alice", "Two", "other")
	find := func(query string, precise bool) ([]workitemtracking.WorkItemReference, error) {
		result, err := w.wit("bob").QueryByWiql(t.Context(), workitemtracking.QueryByWiqlArgs{Wiql: &workitemtracking.Wiql{Query: &query}, Project: ptr(project), TimePrecision: &precise})
		if err != nil {
			return nil, err
		}
		return *result.WorkItems, nil
	}
	got, err := find("SELECT [System.Id] FROM WorkItems WHERE [System.TeamProject] = @project AND [System.Tags] CONTAINS 'CoderFlow' AND [System.State] <> 'Closed'", false)
	must(t, err)
	if len(got) != 1 || *got[0].Id != one {
		t.Errorf("by tag: %+v", got)
	}
	since := w.clock.Now().Add(-time.Minute).Format(time.RFC3339)
	got, err = find("SELECT [System.Id] FROM WorkItems WHERE [System.TeamProject] = 'shop' AND [System.ChangedDate] >= '"+since+"' ORDER BY [System.ChangedDate] ASC", true)
	must(t, err)
	if len(got) != 1 || *got[0].Id != two {
		t.Errorf("by date: %+v", got)
	}
	if _, err = find("SELECT [System.Id] FROM WorkItems WHERE [System.ChangedDate] >= '"+since+"'", false); err == nil || !strings.Contains(err.Error(), "date precision") {
		t.Errorf("a time without precision: %v", err)
	}
	batch, err := w.wit("bob").GetWorkItemsBatch(t.Context(), workitemtracking.GetWorkItemsBatchArgs{WorkItemGetRequest: &workitemtracking.WorkItemBatchGetRequest{
		Ids: &[]int{two, one}, Fields: &[]string{"System.Title"}}})
	must(t, err)
	if len(*batch) != 2 || (*(*batch)[0].Fields)["System.Title"] != "Two" || len(*(*batch)[0].Fields) != 1 {
		t.Errorf("batch: %+v", batch)
	}
}

func TestAzureUnknownQueriesFailLoudly(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	_, err := w.wit("bob").QueryByWiql(t.Context(), workitemtracking.QueryByWiqlArgs{Wiql: &workitemtracking.Wiql{Query: ptr("SELECT [System.Id] FROM WorkItems WHERE [System.Title] = 'x'")}, Project: ptr(project)})
	if status, _, _ := refused(err); status != 501 || len(w.forge.Unknown()) != 1 {
		t.Errorf("unknown condition: %v, %v", err, w.forge.Unknown())
	}
}

func TestAzureStrangersSeeNoWorkItems(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id := w.item("alice", "A story", "")
	_, err := w.wit("mallory").GetWorkItem(t.Context(), workitemtracking.GetWorkItemArgs{Id: &id})
	if status, key, message := refused(err); status != 404 || key != "WorkItemUnauthorizedAccessException" || !strings.Contains(message, "TF401232") {
		t.Errorf("a stranger: %v", err)
	}
	_, err = w.wit("mallory").GetWorkItemTypeStates(t.Context(), workitemtracking.GetWorkItemTypeStatesArgs{Project: ptr(project), Type: ptr("Bug")})
	if status, _, message := refused(err); status != 404 || !strings.Contains(message, "TF200016") {
		t.Errorf("a stranger's project: %v", err)
	}
}

func TestAzureNumbersCanCollide(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t, func(o *emulator.Options) { o.Azure.NumbersCollide = true })
	item := w.item("alice", "A story", "")
	id, _ := w.pull("topic", false)
	if id != item {
		t.Fatalf("pull request %d, work item %d", id, item)
	}
	w.comment("alice", item, "on the story")
	must(t, w.vote("bob", id, 10))
	if said := w.forge.Comments(azureRepo, item); len(said) != 1 || said[0].Body != "on the story" {
		t.Errorf("comments of the work item: %+v", said)
	}
	if said := w.forge.PullRequestComments(azureRepo, id); len(said) != 0 {
		t.Errorf("comments of the pull request: %+v", said)
	}
	if read := w.forge.PullRequests(azureRepo); len(read) != 1 || len(read[0].Reviews) != 1 || read[0].Reviews[0].State != "APPROVED" {
		t.Errorf("read as %+v", read)
	}
}

func TestAzureUpdatesAreDatedByWhatFollowedThem(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id := w.item("alice", "A story", "")
	_, err := w.patch("bob", id, operation("add", "/fields/System.Tags", "coderflow"))
	must(t, err)
	list, err := w.wit("alice").GetUpdates(t.Context(), workitemtracking.GetUpdatesArgs{Id: &id, Project: ptr(project)})
	must(t, err)
	first, last := (*list)[0], (*list)[1]
	changed := (*last.Fields)["System.ChangedDate"].NewValue
	if last.RevisedDate.Time.Year() != 9999 || first.RevisedDate.Time.Format("2006-01-02T15:04:05.999Z") != changed {
		t.Errorf("dates: %s, %s; changed %v", first.RevisedDate, last.RevisedDate, changed)
	}
}
