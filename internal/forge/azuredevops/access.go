package azuredevops

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/security"

	"github.com/coderflow/coderflow/internal/forge"
)

// The security namespace "Git Repositories" and its bits.
// https://learn.microsoft.com/azure/devops/organizations/security/namespace-reference
var gitNamespace = uuid.MustParse("2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87")

const (
	bitAdminister            = 1
	bitRead                  = 2
	bitContribute            = 4
	bitForcePush             = 8
	bitCreateBranch          = 16
	bitBypassPush            = 128 // policies, when pushing
	bitEditPolicies          = 2048
	bitManagePermissions     = 8192
	bitPullRequestContribute = 16384
	bitBypassCompletion      = 32768 // policies, when completing a pull request
)

// repositoryToken names a repository in the namespace.
func repositoryToken(r *git.GitRepository) (string, error) {
	of, err := projectID(r)
	if err != nil {
		return "", err
	}
	return "repoV2/" + of + "/" + r.Id.String(), nil
}

// AccessOf implements [forge.Repositories]: what the service itself evaluates for the
// identity, groups included, by the identity's GUID.
//
// https://learn.microsoft.com/rest/api/azure/devops/security/access-control-lists/query
func (a *Adapter) AccessOf(ctx context.Context, ref forge.RepositoryRef, user forge.User) (forge.Access, error) {
	doing := fmt.Sprintf("read what %s may do in %s", user.Login, ref.FullName())
	if user.Subject.Host != forge.AzureDevOps || !guidShape.MatchString(user.Subject.ID) {
		return forge.AccessNone, nil
	}
	repository, err := a.fetchRepository(ctx, ref)
	if err != nil {
		return forge.AccessNone, err
	}
	who, err := a.identityByID(ctx, user.Subject.ID)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		return forge.AccessNone, nil
	case err != nil:
		return forge.AccessNone, err
	case is(who.Descriptor) == "" || is(who.IsContainer) || who.IsActive != nil && !*who.IsActive:
		return forge.AccessNone, nil
	}
	token, err := repositoryToken(repository)
	if err != nil {
		return forge.AccessNone, err
	}
	extended, recurse := true, false
	lists, err := a.security.QueryAccessControlLists(ctx, security.QueryAccessControlListsArgs{
		SecurityNamespaceId: &gitNamespace, Token: &token, Descriptors: who.Descriptor, IncludeExtendedInfo: &extended, Recurse: &recurse,
	})
	if err != nil {
		return forge.AccessNone, translate(doing, err)
	}
	return levelOf(effective(is(lists), token, *who.Descriptor)), nil
}

// effective is what counts of the lists of one token for one identity. An entry without
// what the service evaluated counts for nothing.
func effective(lists []security.AccessControlList, token, descriptor string) int {
	for _, list := range lists {
		if !strings.EqualFold(strings.Trim(is(list.Token), "/"), token) {
			continue
		}
		for of, entry := range is(list.AcesDictionary) {
			if !strings.EqualFold(of, descriptor) || entry.ExtendedInfo == nil {
				continue
			}
			return is(entry.ExtendedInfo.EffectiveAllow) &^ is(entry.ExtendedInfo.EffectiveDeny)
		}
	}
	return 0
}

// levelOf maps bits to levels. Approving takes Contribute and Contribute to pull requests.
func levelOf(bits int) forge.Access {
	has := func(want int) bool { return bits&want == want }
	switch {
	case !has(bitRead):
		return forge.AccessNone
	case !has(bitContribute | bitPullRequestContribute):
		if has(bitPullRequestContribute) {
			return forge.AccessTriage
		}
		return forge.AccessRead
	case has(bitAdminister), has(bitManagePermissions):
		return forge.AccessAdmin
	case has(bitEditPolicies):
		return forge.AccessMaintain
	}
	return forge.AccessWrite
}

// hasPermission asks what the caller itself may do.
// https://learn.microsoft.com/rest/api/azure/devops/security/permissions/has-permissions
func hasPermission(ctx context.Context, client security.Client, repository *git.GitRepository, bits int) (bool, error) {
	token, err := repositoryToken(repository)
	if err != nil {
		return false, err
	}
	found, err := client.HasPermissions(ctx, security.HasPermissionsArgs{SecurityNamespaceId: &gitNamespace, Permissions: &bits, Tokens: &token})
	if err != nil {
		return false, translate("read what the credential may do in "+is(repository.Name), err)
	}
	return len(is(found)) == 1 && (*found)[0], nil
}
