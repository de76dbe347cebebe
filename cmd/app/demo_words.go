package main

import (
	"fmt"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// words are what a forge calls the things of the story.
type words struct {
	begins   string // what there is at the beginning
	issue    string
	pull     string
	toRead   string // how the proposal is put up for review
	approves string
	objects  string
	closes   string
	landed   string // what its own rules do after CoderFlow
	visitor  string // what one can do at its pages
	issues   string // where they are, below the forge's address
	pulls    string
	inSignIn string // how the console is entered
}

func wordsOf(info emulator.Info) words {
	if info.Azure != nil {
		return words{
			begins: "a local organization of Azure DevOps with project " + sampleOwner + " and repository " + sampleName + ", and an account of its own for CoderFlow",
			issue:  "work item #%d", pull: "pull request !%d", toRead: "published for review: drafts take no votes",
			approves: "votes Approve on", objects: "votes Wait for author", closes: "abandons the pull request",
			landed:  "the pull request shows the real diff; the organization's own policies take over",
			visitor: "the forge: choose who you are, make a work item, comment /coderflow run",
			issues:  sampleOwner + "/_workitems", pulls: sampleOwner + "/_git/" + sampleName + "/pullrequests",
			inSignIn: "CoderFlow's console: what everybody may see; people sign in by OpenID Connect where that is configured",
		}
	}
	return words{
		begins: "a local forge with " + sampleRepo + ", and CoderFlow as its App",
		issue:  "issue #%d", pull: "pull request #%d", toRead: "a draft",
		approves: "approves", objects: "requests changes", closes: "closes the pull request",
		landed:  "the pull request is ready for review and shows the real diff; the forge's own rules take over",
		visitor: "the forge: choose who you are, open an issue, comment /coderflow run",
		issues:  sampleRepo + "/issues", pulls: sampleRepo + "/pulls",
		inSignIn: "CoderFlow's console: sign in as maria or tom; tasks, environments, access, deployments, audit",
	}
}

func (t *story) words() words { return wordsOf(t.hub.Info()) }

func (t *story) issueName() string { return fmt.Sprintf(t.words().issue, t.issue.Number) }

func (t *story) pullName() string { return fmt.Sprintf(t.words().pull, t.pr.Number) }
