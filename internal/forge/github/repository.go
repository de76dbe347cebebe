package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/forge"
)

// Repository implements [forge.Repositories].
func (a *Adapter) Repository(ctx context.Context, ref forge.RepositoryRef) (forge.Repository, error) {
	client, err := a.rest(ref, opReadRepository)
	if err != nil {
		return forge.Repository{}, err
	}
	found, err := fetchRepository(ctx, client, ref)
	if err != nil {
		return forge.Repository{}, err
	}
	return repositoryOf(found), nil
}

// reader is rest for answers that do not name their repository's id: it first asks
// whether the name still belongs to ref. Narrowing alone does not tell, since any
// token can read a public repository.
func (a *Adapter) reader(ctx context.Context, ref forge.RepositoryRef, op operation) (*gh.Client, error) {
	client, err := a.rest(ref, op)
	if err != nil {
		return nil, err
	}
	if _, err := fetchRepository(ctx, client, ref); err != nil {
		return nil, err
	}
	return client, nil
}

// read does so while read asks: what it was told counts only if the name still belongs to ref.
func (a *Adapter) read(ctx context.Context, ref forge.RepositoryRef, op operation, read func(*gh.Client) error) error {
	client, err := a.rest(ref, op)
	if err != nil {
		return err
	}
	return atonce.Do(
		func() error { _, err := fetchRepository(ctx, client, ref); return err },
		func() error { return read(client) },
	)
}

func fetchRepository(ctx context.Context, client *gh.Client, ref forge.RepositoryRef) (*gh.Repository, error) {
	found, _, err := client.Repositories.Get(ctx, ref.Owner, ref.Name)
	if err != nil {
		return nil, translate("read repository "+ref.FullName(), err)
	}
	if strconv.FormatInt(found.GetID(), 10) != ref.ID {
		return nil, otherRepository(ref, found.GetID())
	}
	return found, nil
}

// BranchHead implements [forge.Repositories].
func (a *Adapter) BranchHead(ctx context.Context, ref forge.RepositoryRef, branch string) (string, error) {
	doing := fmt.Sprintf("read branch %q of %s", branch, ref.FullName())
	if !branchShape(branch) {
		return "", fmt.Errorf("%s: no branch can be called that: %w", doing, forge.ErrNotFound)
	}
	client, err := a.reader(ctx, ref, opReadBranch)
	if err != nil {
		return "", err
	}
	full := "refs/heads/" + branch
	found, _, err := client.Git.GetRef(ctx, ref.Owner, ref.Name, full)
	if err != nil {
		return "", translate(doing, err)
	}
	if found.GetRef() != full || found.GetObject().GetType() != "commit" || found.GetObject().GetSHA() == "" {
		return "", fmt.Errorf("%s: GitHub answered about %q: %w", doing, found.GetRef(), forge.ErrNotFound)
	}
	return found.GetObject().GetSHA(), nil
}

// branchShape keeps out what would lead the request's path elsewhere. Git allows
// none of it, see git-check-ref-format(1).
func branchShape(branch string) bool {
	for _, part := range strings.Split(branch, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.Contains(part, "..") {
			return false
		}
	}
	return !strings.ContainsFunc(branch, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune(" \\?*[~^:", r) })
}

// AccessOf implements [forge.Repositories]. The login is looked up by the user's
// id first, so a renamed user is still found and whoever took the old login is not.
func (a *Adapter) AccessOf(ctx context.Context, ref forge.RepositoryRef, user forge.User) (forge.Access, error) {
	id, err := strconv.ParseInt(user.Subject.ID, 10, 64)
	if err != nil || user.Subject.Host != forge.GitHub || id <= 0 {
		return forge.AccessNone, fmt.Errorf("access of %s: not a GitHub user: %w", user.Subject, forge.ErrNotFound)
	}
	access := forge.AccessNone
	err = a.read(ctx, ref, opReadAccess, func(client *gh.Client) (err error) {
		access, err = accessOf(ctx, client, ref, id)
		return err
	})
	if err != nil {
		return forge.AccessNone, err
	}
	return access, nil
}

func accessOf(ctx context.Context, client *gh.Client, ref forge.RepositoryRef, id int64) (forge.Access, error) {
	doing := fmt.Sprintf("read the access of user %d to %s", id, ref.FullName())
	now, _, err := client.Users.GetByID(ctx, id)
	if err != nil {
		return forge.AccessNone, translate(doing, err)
	}
	if now.GetID() != id || now.GetLogin() == "" {
		return forge.AccessNone, fmt.Errorf("%s: GitHub answered about user %d: %w", doing, now.GetID(), forge.ErrNotFound)
	}
	level, err := permissionLevel(ctx, client, ref, now.GetLogin())
	if err != nil {
		return forge.AccessNone, translate(doing, err)
	}
	if level.User.GetID() != id {
		return forge.AccessNone, fmt.Errorf("%s: the login %s now belongs to user %d: %w",
			doing, now.GetLogin(), level.User.GetID(), forge.ErrNotFound)
	}
	return level.access(), nil
}

// level is the answer of
// https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user;
// go-github v62 leaves out role_name.
type level struct {
	Permission string   `json:"permission"`
	RoleName   string   `json:"role_name"`
	User       *gh.User `json:"user"`
}

func permissionLevel(ctx context.Context, client *gh.Client, ref forge.RepositoryRef, login string) (level, error) {
	path := fmt.Sprintf("repos/%s/%s/collaborators/%s/permission", ref.Owner, ref.Name, url.PathEscape(login))
	req, err := client.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return level{}, err
	}
	var answer level
	if _, err := client.Do(ctx, req, &answer); err != nil {
		return level{}, err
	}
	if answer.User == nil {
		return level{}, errors.New("GitHub's answer names no user")
	}
	return answer, nil
}

// access takes the role where it is one of GitHub's own and fits the base
// permission, and the base permission otherwise (an organization's custom role).
// Unknown words are no access.
func (l level) access() forge.Access {
	base := map[string]forge.Access{
		"read": forge.AccessRead, "write": forge.AccessWrite, "admin": forge.AccessAdmin,
	}[l.Permission]
	switch {
	case base == forge.AccessRead && l.RoleName == "triage":
		return forge.AccessTriage
	case base == forge.AccessWrite && l.RoleName == "maintain":
		return forge.AccessMaintain
	case l.RoleName == "none":
		return forge.AccessNone
	default:
		return base
	}
}
