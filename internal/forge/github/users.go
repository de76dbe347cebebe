package github

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// UserByLogin returns who has the login at present, or an error that is
// [forge.ErrNotFound]. Accounts are public: like [Adapter.Self] it asks with the
// token of a repository that was used before, or else with none, which a GitHub
// Enterprise Server in private mode does not answer.
//
// https://docs.github.com/rest/users/users#get-a-user
func (a *Adapter) UserByLogin(ctx context.Context, host, login string) (forge.User, error) {
	if host != forge.GitHub {
		return forge.User{}, fmt.Errorf("read the account @%s: %s is not GitHub", login, host)
	}
	client, err := a.publicReader()
	if err != nil {
		return forge.User{}, err
	}
	found, _, err := client.Users.Get(ctx, url.PathEscape(login))
	if err != nil {
		return forge.User{}, translate("read the account @"+login, err)
	}
	user := userOf(found)
	if user.Subject.IsZero() || !strings.EqualFold(user.Login, login) {
		return forge.User{}, fmt.Errorf("read the account @%s: GitHub answered about %q", login, user.Login)
	}
	return user, nil
}

func (a *Adapter) publicReader() (*gh.Client, error) {
	if ref, known := a.tokens.some(); known {
		return a.rest(ref, opReadRepository)
	}
	return a.client(&anonymous{a}), nil
}
