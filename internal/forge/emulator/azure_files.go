package emulator

import (
	"net/http"
	"strings"
)

// getGitItem is one file at a version, with its text where that is asked for.
// https://learn.microsoft.com/en-us/rest/api/azure/devops/git/items/get
func (c *azureCall) getGitItem() (response, error) {
	if kind := c.param("versionDescriptor.versionType"); !strings.EqualFold(kind, "commit") || c.param("path") == "" || c.param("includeContent") != "true" {
		return response{}, c.unknown("an item without a path, its content or the version of a commit")
	}
	sha, path := c.f.git.resolve(c.repo, c.param("versionDescriptor.version")), strings.TrimPrefix(c.param("path"), "/")
	if sha == "" {
		return response{}, noCommit(c.param("versionDescriptor.version"))
	}
	text, err := c.f.git.in(c.repo, "cat-file", "blob", sha+":"+path)
	if err != nil {
		return response{}, azureFailure(http.StatusNotFound, "GitItemNotFoundException", "TF401174: The item '%s' could not be found in the repository '%s' at the version specified by '<Commit: %s >'.", path, c.repo.name, sha)
	}
	return ok(obj{"path": "/" + path, "commitId": sha, "gitObjectType": "blob", "url": c.f.gitAPI(c.repo) + "/items/" + path, "content": text})
}
