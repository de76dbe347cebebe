package contract_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// cornerSteps are what the flow meets seldom: forks, organizations, an empty repository, odd changes, long lists.
var cornerSteps = []step{
	{"a pull request from a fork", func(w *world) {
		_, err := w.forge.Fork(full, "carol")
		w.check(err)
		w.pushTo("carol/"+repo, "carol", "typo", map[string]string{"README.md": "# A sample\n"}, "Correct a typo")
		p := must(w.carol.PullRequests.Create(w.ctx, owner, repo, &github.NewPullRequest{
			Title: github.String("Typo"), Head: github.String("carol:typo"), Base: github.String("main"), MaintainerCanModify: github.Bool(true),
		}))
		must(w.bot.PullRequests.Get(w.ctx, owner, repo, p.GetNumber()))
		must(w.carol.Repositories.Get(w.ctx, "carol", repo))
		must(w.carol.Issues.CreateComment(w.ctx, owner, repo, p.GetNumber(), &github.IssueComment{Body: github.String("@alice please")}))
		refused[*github.PullRequestMergeResult](403)(w.carol.PullRequests.Merge(w.ctx, owner, repo, p.GetNumber(), "", nil))
	}},
	{"a conflict", func(w *world) {
		w.push("left", "README.md", "# Left\n", "Left")
		w.pushTo(full, "bob", "right", map[string]string{"README.md": "# Right\n"}, "Right")
		w.push("main", "README.md", "# Middle\n", "Middle")
		p := must(w.bob.PullRequests.Create(w.ctx, owner, repo, &github.NewPullRequest{Title: github.String("Right"), Head: github.String("right"), Base: github.String("left")}))
		must(w.bob.PullRequests.Get(w.ctx, owner, repo, p.GetNumber()))
		refused[*github.PullRequestMergeResult](405)(w.bob.PullRequests.Merge(w.ctx, owner, repo, p.GetNumber(), "", nil))
	}},
	{"binary, empty, odd and removed files", func(w *world) {
		sha := w.pushTo(full, "bob", "odd", map[string]string{
			"logo.png": "\x89PNG\x00\x01", "empty": "", "with space.txt": "x\n", "umläut.txt": "ü\n", "README.md": "",
		}, "Odd files\n\nWith a body.")
		p := must(w.bob.PullRequests.Create(w.ctx, owner, repo, &github.NewPullRequest{Title: github.String("Odd"), Head: github.String("odd"), Base: github.String("main")}))
		must(w.bot.PullRequests.ListFiles(w.ctx, owner, repo, p.GetNumber(), &github.ListOptions{PerPage: 2}))
		must(w.bot.Repositories.GetCommit(w.ctx, owner, repo, sha, nil))
		_, _, response, err := w.bot.Repositories.GetContents(w.ctx, owner, repo, "with space.txt", &github.RepositoryContentGetOptions{Ref: sha})
		done(response, err)
	}},
	{"a branch and a tag come and go", func(w *world) {
		w.push("short-lived", "z.txt", "z\n", "Add z")
		p := must(w.bob.PullRequests.Create(w.ctx, owner, repo, &github.NewPullRequest{Title: github.String("Z"), Head: github.String("short-lived"), Base: github.String("main")}))
		done(w.bob.Git.DeleteRef(w.ctx, owner, repo, "heads/short-lived"))
		must(w.bob.PullRequests.Get(w.ctx, owner, repo, p.GetNumber()))
		must(w.bob.Git.CreateRef(w.ctx, owner, repo, &github.Reference{Ref: github.String("refs/tags/v1"), Object: &github.GitObject{SHA: &w.head}}))
	}},
	{"an organization's private and empty repositories", func(w *world) {
		_, err := w.forge.CreateUser("acme", emulator.UserOptions{Organization: true})
		w.check(err)
		_, err = w.forge.CreateRepository("acme", "secret", map[string]string{"a": "b\n"}, emulator.RepositoryOptions{Private: true, RefuseDrafts: true})
		w.check(err)
		_, err = w.forge.CreateRepository("acme", "empty", nil, emulator.RepositoryOptions{})
		w.check(err)
		for _, level := range []string{"read", "triage", "write", "maintain", "admin"} {
			w.check(w.forge.AddCollaborator("acme/secret", "bob", level))
			must(w.bob.Repositories.Get(w.ctx, "acme", "secret"))
		}
		_, err = w.forge.Install("acme/secret", "acme/empty")
		w.check(err)
		must(w.app.Apps.FindRepositoryInstallation(w.ctx, "acme", "secret"))
		must(w.app.Apps.ListInstallations(w.ctx, nil))
		must(w.bob.Repositories.GetPermissionLevel(w.ctx, "acme", "secret", "bob"))
		must(w.nobody.Repositories.Get(w.ctx, "acme", "empty"))
		must(w.nobody.Repositories.ListBranches(w.ctx, "acme", "empty", nil))
		refused[[]*github.RepositoryCommit](409)(w.nobody.Repositories.ListCommits(w.ctx, "acme", "empty", nil))
		w.pushTo("acme/secret", "bob", "x", map[string]string{"x": "x\n"}, "Add x")
		refused[*github.PullRequest](422)(w.bob.PullRequests.Create(w.ctx, "acme", "secret", &github.NewPullRequest{
			Title: github.String("X"), Head: github.String("x"), Base: github.String("main"), Draft: github.Bool(true),
		}))
	}},
	{"an organization's team", func(w *world) {
		id, err := w.forge.CreateTeam("acme", "The Reviewers")
		w.check(err)
		for _, login := range []string{"alice", "bob"} {
			w.check(w.forge.AddTeamMember("acme", "the-reviewers", login))
		}
		found := must(w.bob.Teams.GetTeamBySlug(w.ctx, "acme", "the-reviewers"))
		must(w.bob.Teams.ListTeamMembersBySlug(w.ctx, "acme", "the-reviewers", nil))
		some := must(w.bob.Teams.ListTeamMembersByID(w.ctx, found.GetOrganization().GetID(), id,
			&github.TeamListTeamMembersOptions{Role: "all", ListOptions: github.ListOptions{PerPage: 1}}))
		if len(some) != 1 || found.GetID() != id || found.GetMembersCount() != 2 {
			panic(fmt.Errorf("%v has %v", found, some))
		}
		refused[*github.Team](404)(w.carol.Teams.GetTeamBySlug(w.ctx, "acme", "the-reviewers")) // not of the organization
		refused[*github.Team](404)(w.bot.Teams.GetTeamBySlug(w.ctx, "acme", "the-reviewers"))   // installed elsewhere
		refused[*github.Team](401)(w.nobody.Teams.GetTeamBySlug(w.ctx, "acme", "the-reviewers"))
	}},
	{"a person is renamed", func(w *world) {
		w.check(w.forge.RenameUser("carol", "caroline"))
		must(w.bot.Users.Get(w.ctx, "caroline"))
		refused[*github.User](404)(w.bot.Users.Get(w.ctx, "carol"))
	}},
	{"everything is listed, page by page", func(w *world) {
		for _, path := range []string{
			"issues?state=all", "issues/events", "issues/comments", "pulls?state=all", "branches", "commits", "labels",
			"issues/1/events", "issues/1/comments", fmt.Sprintf("pulls/%d/reviews", w.pull), fmt.Sprintf("issues/%d/events", w.pull),
			"deployments", "commits/" + w.head + "/check-runs", "commits/" + w.head + "/statuses", "commits/" + w.head + "/status",
		} {
			mark := "?"
			if strings.Contains(path, "?") {
				mark = "&"
			}
			w.get(w.alice, "repos/"+full+"/"+path)
			w.get(w.alice, "repos/"+full+"/"+path+mark+"per_page=1&page=2")
		}
		w.get(w.alice, "repos/"+full+"/activity?per_page=2")
	}},
}

// quiet waits until all deliveries were made.
func (w *world) quiet() {
	ctx, cancel := context.WithTimeout(w.ctx, settleTime)
	defer cancel()
	w.check(w.forge.Settle(ctx))
}
