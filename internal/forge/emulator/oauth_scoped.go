package emulator

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
)

// covers says whether a person's token for an App reaches the repository: the App is
// installed there, and a scoped token names it.
func (t *userToken) covers(r *repository) bool {
	return t.app.installationFor(r) != nil && (t.repos == nil || t.repos[r.id])
}

// allows says whether the token carries a permission of the App on the repository.
// What the person may there is another question.
func (t *userToken) allows(r *repository, name, level string) bool {
	if !t.covers(r) {
		return false
	}
	has := t.app.manifest.Permissions[name]
	if t.permissions != nil {
		has = t.permissions[name]
	}
	return permissionRank(has) >= permissionRank(level)
}

// refreshToken gives a new pair of tokens for a refresh token, once; the former pair
// is good no more.
// https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens
func (f *Forge) refreshToken(a *app, refresh string) (obj, error) {
	for value, t := range f.oauth.tokens {
		if refresh == "" || t.refresh != refresh || t.app != a || !f.opts.Now().Before(t.refreshUntil) {
			continue
		}
		f.endUserToken(value, t)
		return f.newUserToken(a, t.user), nil
	}
	return nil, oauthFailure("bad_refresh_token", "The refresh token passed is incorrect or expired.")
}

// scopeAppToken makes a token for some repositories and permissions out of a person's.
// https://docs.github.com/rest/apps/apps#create-a-scoped-access-token
func (c *call) scopeAppToken() (response, error) {
	var in struct {
		AccessToken   string            `json:"access_token"`
		Target        string            `json:"target"`
		TargetID      int64             `json:"target_id"`
		Repositories  []string          `json:"repositories"`
		RepositoryIDs []int64           `json:"repository_ids"`
		Permissions   map[string]string `json:"permissions"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	t := c.f.oauth.tokens[in.AccessToken]
	if c.vars["client_id"] != c.who.app.clientID || t == nil || t.app != c.who.app || t.repos != nil || !c.f.opts.Now().Before(t.expires) {
		return response{}, notFound()
	}
	inst := c.targeted(in.Target, in.TargetID)
	if inst == nil {
		return response{}, failure(http.StatusUnprocessableEntity, "Either target or target_id must name an account with an installation.")
	}
	scoped := &userToken{app: t.app, user: t.user, expires: t.expires, scopedOf: t}
	var err error
	if scoped.repos, err = narrowRepos(inst, in.Repositories, in.RepositoryIDs); err != nil {
		return response{}, err
	}
	if scoped.permissions, err = narrowPermissions(inst, in.Permissions); err != nil {
		return response{}, err
	}
	for id := range scoped.repos {
		if inst.repos[id].level(t.user) < levelRead {
			return response{}, failure(http.StatusUnprocessableEntity, "There is at least one repository that does not exist or is not accessible to the parent installation.")
		}
	}
	value := "ghu_" + randomHex(18)
	c.f.oauth.tokens[value] = scoped
	return ok(c.f.authorizationJSON(value, scoped, inst))
}

// targeted is the installation of an account.
func (c *call) targeted(login string, id int64) *installation {
	for _, inst := range c.who.app.installations {
		if id != 0 && inst.account.id == id || id == 0 && login != "" && inst.account.login == login {
			return inst
		}
	}
	return nil
}

func (f *Forge) authorizationJSON(value string, t *userToken, inst *installation) obj {
	sum := sha256.Sum256([]byte(value))
	now := stamp(f.now())
	return obj{
		"id": 1, "url": f.base + apiPrefix + "/authorizations/1", "token": value, "token_last_eight": value[len(value)-8:],
		"hashed_token": hex.EncodeToString(sum[:]), "scopes": []string{}, "note": nil, "note_url": nil, "fingerprint": nil,
		"app":        obj{"client_id": t.app.clientID, "name": t.app.manifest.Name, "url": f.base + "/apps/" + t.app.slug},
		"created_at": now, "updated_at": now, "expires_at": stamp(t.expires), "user": f.userJSON(t.user),
		"installation": obj{
			"permissions": t.permissions, "repository_selection": "selected", "single_file_name": nil,
			"repositories_url": f.base + apiPrefix + "/user/repos", "account": f.userJSON(inst.account),
		},
	}
}
