package azuredevops

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/location"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/security"

	"github.com/coderflow/coderflow/internal/forge"
)

// patLife is how long git may use a personal access token before it is asked for again.
// When such a token ends is not told.
const patLife = 30 * time.Minute

// ReadToken implements [forge.TokenSource].
func (a *Adapter) ReadToken(ctx context.Context, ref forge.RepositoryRef) (forge.Token, error) {
	return a.gitCredential(ctx, ref)
}

// PushToken implements [forge.TokenSource]. A token of Azure DevOps cannot be narrowed to
// one repository: what it may do is what its account may. That account should have no
// right to bypass policies, which [Adapter.Rights] looks for.
func (a *Adapter) PushToken(ctx context.Context, ref forge.RepositoryRef) (forge.Token, error) {
	return a.gitCredential(ctx, ref)
}

// gitCredential checks that the names still belong to the id: git asks by them.
func (a *Adapter) gitCredential(ctx context.Context, ref forge.RepositoryRef) (forge.Token, error) {
	found, err := a.fetchRepository(ctx, ref)
	if err != nil {
		return forge.Token{}, err
	}
	if now := refOf(found); !strings.EqualFold(now.Owner, ref.Owner) || !strings.EqualFold(now.Name, ref.Name) {
		return forge.Token{}, fmt.Errorf("repository %s is called %s now; change its name in the environment: %w", ref.FullName(), now.FullName(), forge.ErrNotFound)
	}
	end := a.clock().Add(patLife)
	if a.gitToken != "" {
		return forge.Token{Value: a.gitToken, Expires: end, Source: "azure devops personal access token for git"}, nil
	}
	value, expires, err := a.credential.token(ctx)
	if err != nil {
		return forge.Token{}, err
	}
	if expires.IsZero() {
		expires = end
	}
	return forge.Token{Value: value, Expires: expires, Source: a.credential.source()}, nil
}

// GitURL implements [forge.TokenSource].
func (a *Adapter) GitURL(ref forge.RepositoryRef) string {
	return a.organization + "/" + url.PathEscape(ref.Owner) + "/_git/" + url.PathEscape(ref.Name)
}

// CheckCredential implements [forge.Credentials]: the token reads the repository, by its
// id, and the service says what it may do there.
func (a *Adapter) CheckCredential(ctx context.Context, ref forge.RepositoryRef, given forge.Secret, push bool) error {
	id, err := repositoryID(ref)
	if err != nil {
		return err
	}
	client := a.client(a.organization, accessToken(given)).api()
	repositories := &git.ClientImpl{Client: *client}
	found, err := repositories.GetRepository(ctx, git.GetRepositoryArgs{RepositoryId: &id})
	if err != nil {
		return translate("read repository "+ref.FullName()+" with the credential", err)
	}
	if found.Id == nil || found.Id.String() != id {
		return fmt.Errorf("read repository %s: %w", ref.FullName(), forge.ErrNotFound)
	}
	want, word := bitRead, "read"
	if push {
		want, word = bitContribute, "contribute"
	}
	allowed, err := hasPermission(ctx, &security.ClientImpl{Client: *client}, found, want)
	if err != nil {
		return err
	}
	if !allowed {
		return fmt.Errorf("%s to %s: the credential's account has no such right: %w", word, cmp.Or(ref.FullName(), id), forge.ErrForbidden)
	}
	return nil
}

// gitSelf is the account of the token for git.
func (a *Adapter) gitSelf(ctx context.Context) (forge.Subject, error) {
	a.mu.Lock()
	known := a.gitSubject
	a.mu.Unlock()
	if !known.IsZero() {
		return known, nil
	}
	client := a.client(a.organization, accessToken(a.gitToken)).api()
	found, err := connectionOf(ctx, &location.ClientImpl{Client: *client})
	if err != nil {
		return forge.Subject{}, fmt.Errorf("with the token for git: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gitSubject = userOfIdentity(found).Subject
	return a.gitSubject, nil
}
