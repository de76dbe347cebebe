package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	ado "github.com/microsoft/azure-devops-go-api/azuredevops/v7"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/webapi"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// azurePeople act through the REST API of Azure DevOps. Their issues are work items of the
// sample project, their labels tags, and their reviews votes.
type azurePeople struct{ hub *emulator.Forge }

var _ acts = azurePeople{}

// is is what a pointer points to; the library has one for everything.
func is[T any](p *T) (value T) {
	if p != nil {
		value = *p
	}
	return value
}

func to[T any](value T) *T { return &value }

var sampleProjectName, sampleRepository = to(sampleOwner), to(sampleName)

func (p azurePeople) as(login string) *ado.Connection {
	return ado.NewPatConnection(p.hub.Info().Azure.OrganizationURL, p.hub.ClientFor(login))
}

func (p azurePeople) git(ctx context.Context, login string) (git.Client, error) {
	return git.NewClient(ctx, p.as(login))
}

func (p azurePeople) work(ctx context.Context, login string) (workitemtracking.Client, error) {
	return workitemtracking.NewClient(ctx, p.as(login))
}

func (p azurePeople) known(login string) emulator.UserInfo {
	users := p.hub.Info().Users
	at := slices.IndexFunc(users, func(u emulator.UserInfo) bool { return u.Login == login || u.GUID == login })
	if at < 0 {
		return emulator.UserInfo{}
	}
	return users[at]
}

func (p azurePeople) ours(u forge.User) bool { return u.Subject.ID == p.hub.Info().Azure.AccountGUID }

func azureUser(i *webapi.IdentityRef) forge.User {
	one := is(i)
	return forge.User{
		Subject: forge.Subject{Host: forge.AzureDevOps, ID: strings.ToLower(is(one.Id))}, Login: is(one.UniqueName), Name: is(one.DisplayName), Kind: forge.Person,
	}
}

func (p azurePeople) openIssue(ctx context.Context, login, title, body string) (forge.Issue, error) {
	work, err := p.work(ctx, login)
	if err != nil {
		return forge.Issue{}, err
	}
	made, err := work.CreateWorkItem(ctx, workitemtracking.CreateWorkItemArgs{
		Project: sampleProjectName, Type: to("User Story"),
		Document: &[]webapi.JsonPatchOperation{setField("Title", title), setField("Description", inHTML(body))},
	})
	if err != nil {
		return forge.Issue{}, err
	}
	number := is(made.Id)
	return forge.Issue{
		Number: number, Title: title, Body: body, Open: true, URL: p.page("_workitems/edit/" + strconv.Itoa(number)),
		Author: forge.User{Subject: forge.Subject{Host: forge.AzureDevOps, ID: p.known(login).GUID}, Login: p.known(login).Mail, Kind: forge.Person},
	}, nil
}

func setField(name string, value any) webapi.JsonPatchOperation {
	return webapi.JsonPatchOperation{Op: &webapi.OperationValues.Add, Path: to("/fields/System." + name), Value: value}
}

// page is an address of the sample project for browsers.
func (p azurePeople) page(path string) string {
	return p.hub.Info().Azure.OrganizationURL + "/" + sampleOwner + "/" + path
}

func (p azurePeople) editItem(ctx context.Context, login string, number int, field string, value any) error {
	work, err := p.work(ctx, login)
	if err != nil {
		return err
	}
	_, err = work.UpdateWorkItem(ctx, workitemtracking.UpdateWorkItemArgs{
		Id: &number, Project: sampleProjectName, Document: &[]webapi.JsonPatchOperation{setField(field, value)},
	})
	return err
}

func (p azurePeople) editIssue(ctx context.Context, login string, number int, body string) error {
	return p.editItem(ctx, login, number, "Description", inHTML(body))
}

func (p azurePeople) setIssueOpen(ctx context.Context, login string, number int, open bool) error {
	state := "Closed"
	if open {
		state = "Active"
	}
	return p.editItem(ctx, login, number, "State", state)
}

// addLabel adds a tag: adding to the field keeps those that are there.
func (p azurePeople) addLabel(ctx context.Context, login string, number int, label string) error {
	return p.editItem(ctx, login, number, "Tags", label)
}

func (p azurePeople) labels(ctx context.Context, number int) ([]string, error) {
	work, err := p.work(ctx, tom)
	if err != nil {
		return nil, err
	}
	item, err := work.GetWorkItem(ctx, workitemtracking.GetWorkItemArgs{Id: &number, Project: sampleProjectName})
	if err != nil {
		return nil, err
	}
	text, _ := is(item.Fields)["System.Tags"].(string)
	return strings.FieldsFunc(strings.ReplaceAll(text, "; ", ";"), func(r rune) bool { return r == ';' }), nil
}

func (p azurePeople) comment(ctx context.Context, login string, topic forge.Topic, body string) (forge.Comment, error) {
	if topic.PullRequest {
		return p.thread(ctx, login, topic.Number, body, nil)
	}
	work, err := p.work(ctx, login)
	if err != nil {
		return forge.Comment{}, err
	}
	made, err := work.AddComment(ctx, workitemtracking.AddCommentArgs{
		Request: &workitemtracking.CommentCreate{Text: to(inHTML(body))}, Project: sampleProjectName, WorkItemId: &topic.Number,
	})
	if err != nil {
		return forge.Comment{}, err
	}
	return itemComment(topic, *made), nil
}

func itemComment(topic forge.Topic, c workitemtracking.Comment) forge.Comment {
	return forge.Comment{
		ID: strconv.Itoa(is(c.Id)), Topic: topic, Author: azureUser(c.CreatedBy), Body: inText(is(c.Text)),
		CreatedAt: is(c.CreatedDate).Time, UpdatedAt: is(c.ModifiedDate).Time,
	}
}

// editComment takes the comment's id, which has that of its thread in front on a pull request.
func (p azurePeople) editComment(ctx context.Context, login string, comment forge.Comment, body string) error {
	thread, id, inThread := strings.Cut(comment.ID, ".")
	number, err := strconv.Atoi(cmp.Or(id, thread))
	if err != nil {
		return err
	}
	if !inThread {
		work, err := p.work(ctx, login)
		if err != nil {
			return err
		}
		_, err = work.UpdateComment(ctx, workitemtracking.UpdateCommentArgs{
			Request: &workitemtracking.CommentUpdate{Text: to(inHTML(body))}, Project: sampleProjectName, WorkItemId: &comment.Topic.Number, CommentId: &number,
		})
		return err
	}
	in, err := strconv.Atoi(thread)
	if err != nil {
		return err
	}
	client, err := p.git(ctx, login)
	if err != nil {
		return err
	}
	_, err = client.UpdateComment(ctx, git.UpdateCommentArgs{
		Comment: &git.Comment{Content: &body}, Project: sampleProjectName, RepositoryId: sampleRepository, PullRequestId: &comment.Topic.Number, ThreadId: &in, CommentId: &number,
	})
	return err
}

func (p azurePeople) comments(ctx context.Context, topic forge.Topic) ([]forge.Comment, error) {
	if topic.PullRequest {
		return p.threadComments(ctx, topic)
	}
	work, err := p.work(ctx, tom)
	if err != nil {
		return nil, err
	}
	list, err := work.GetComments(ctx, workitemtracking.GetCommentsArgs{
		Project: sampleProjectName, WorkItemId: &topic.Number, Top: to(200), Order: &workitemtracking.CommentSortOrderValues.Asc,
	})
	if err != nil {
		return nil, fmt.Errorf("read the comments of work item %d: %w", topic.Number, err)
	}
	var comments []forge.Comment
	for _, c := range is(list.Comments) {
		comments = append(comments, itemComment(topic, c))
	}
	return comments, nil
}
