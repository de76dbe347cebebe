package emulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// caller is who makes a request. The zero value is anonymous.
type caller struct {
	user  *user              // the person, or the bot of an installation token
	app   *app               // of an App JWT or installation token
	token *installationToken // nil for people and App JWTs
	// grant is set if an App acts as the person, by a token of theirs.
	grant *userToken
	// access is the token of a caller of Azure DevOps.
	access *accessToken
}

func (w caller) anonymous() bool { return w.user == nil && w.app == nil }
func (w caller) isApp() bool     { return w.app != nil && w.token == nil }

// via is the App that GitHub names as the one that performed an act, or nil.
func (w caller) via() *app {
	if w.token != nil {
		return w.app
	}
	return nil
}

// allows says whether an installation token carries a permission on the repository.
func (t *installationToken) allows(r *repository, name, level string) bool {
	return t.covers(r) && permissionRank(t.permissions[name]) >= permissionRank(level)
}

// covers says whether the token was made for the repository, and the App is still installed on it.
func (t *installationToken) covers(r *repository) bool {
	return t.installation.repos[r.id] != nil && (t.repos == nil || t.repos[r.id])
}

// sees says whether the caller may know that the repository exists.
func (w caller) sees(r *repository) bool {
	switch {
	case w.isApp():
		return w.app.installationFor(r) != nil
	case w.token != nil:
		return w.token.covers(r) || !r.private
	case w.grant != nil:
		return r.level(w.user) >= levelRead && (w.grant.covers(r) || !r.private)
	default:
		return r.level(w.user) >= levelRead
	}
}

func badCredentials() error { return failure(http.StatusUnauthorized, "Bad credentials") }

// authenticate needs the lock. A token that is sent must be good, also where none is needed.
func (f *Forge) authenticate(r *http.Request) (caller, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return caller{}, nil
	}
	if _, password, found := r.BasicAuth(); found {
		return f.bearer(password)
	}
	scheme, value, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") && !strings.EqualFold(scheme, "token") {
		return caller{}, badCredentials()
	}
	return f.bearer(strings.TrimSpace(value))
}

func (f *Forge) bearer(value string) (caller, error) {
	if strings.Count(value, ".") == 2 {
		return f.appFromJWT(value)
	}
	if t := f.tokens[value]; t != nil {
		if !f.opts.Now().Before(t.expires) || !slices.Contains(t.installation.app.installations, t.installation) {
			return caller{}, badCredentials()
		}
		return caller{user: t.installation.app.bot, app: t.installation.app, token: t}, nil
	}
	if t := f.oauth.tokens[value]; t != nil && f.opts.Now().Before(t.expires) {
		return caller{user: t.user, grant: t}, nil
	}
	for _, u := range f.users {
		if u.token != "" && u.token == value {
			return caller{user: u}, nil
		}
	}
	return caller{}, badCredentials()
}

// appFromJWT checks the token an App signs for itself: RS256, issuer the App's id or client id, and at
// most ten minutes to live.
func (f *Forge) appFromJWT(value string) (caller, error) {
	var claimed *app
	claims := jwt.RegisteredClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(f.opts.Now),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	_, err := parser.ParseWithClaims(value, &claims, func(*jwt.Token) (any, error) {
		for _, a := range f.apps {
			if claims.Issuer == strconv.FormatInt(a.id, 10) || claims.Issuer == a.clientID {
				claimed = a
				return &a.key.PublicKey, nil
			}
		}
		return nil, jwt.ErrTokenInvalidIssuer
	})
	if err != nil || claimed == nil {
		return caller{}, failure(http.StatusUnauthorized, "A JSON web token could not be decoded")
	}
	// Ten minutes, and the minute that clients are told to back-date by.
	if claims.ExpiresAt.Sub(f.opts.Now()) > 10*time.Minute+5*time.Second {
		return caller{}, failure(http.StatusUnauthorized,
			"'Expiration time' claim ('exp') is too far in the future")
	}
	return caller{app: claimed}, nil
}

// authorize checks the route's declared demands; c.repo is resolved already.
func (c *call) authorize() error {
	if c.who.grant != nil && c.route.pattern != "/user" && (c.route.pattern != "/repos/{owner}/{repo}" || c.r.Method != http.MethodGet) {
		return unsupported("%s %s with a person's token for an App", c.r.Method, c.route.pattern)
	}
	switch c.route.auth {
	case authApp:
		if !c.who.isApp() {
			return failure(http.StatusUnauthorized, "A JSON web token could not be decoded")
		}
		return nil
	case authNone, authClient:
		return nil
	}
	if c.who.isApp() {
		return failure(http.StatusForbidden, "Resource not accessible by integration")
	}
	if c.who.anonymous() && (c.r.Method != http.MethodGet || c.route.auth == authSomeone) {
		return failure(http.StatusUnauthorized, "Requires authentication")
	}
	if c.repo == nil {
		return nil
	}
	if c.who.token != nil {
		return c.authorizeToken()
	}
	if c.repo.level(c.who.user) < c.route.level {
		if c.route.level >= levelAdmin {
			return notFound()
		}
		return failure(http.StatusForbidden, "Must have %s access to Repository.", levelNames[c.route.level])
	}
	return nil
}

// authorizeToken holds the installation token against "name:level" or "name|other:level"; with the latter,
// `issues` is demanded on an issue proper and either suffices on a pull request, as GitHub does.
func (c *call) authorizeToken() error {
	names, level, _ := strings.Cut(c.route.access, ":")
	if names == "" {
		names, level = "metadata", "read"
	}
	options := strings.Split(names, "|")
	if len(options) > 1 {
		if i := c.target(); i != nil && i.pull == nil {
			options = options[:1]
		}
	}
	for _, name := range options {
		if c.who.token.allows(c.repo, name, level) {
			return nil
		}
	}
	// Stricter than GitHub on purpose: what is public may be read without the permission only where the
	// App is not installed, so that a permission missing in app.yml shows on public samples, too.
	if level == "read" && !c.repo.private && !c.who.token.covers(c.repo) {
		return nil
	}
	return forbiddenToApp()
}

// target is the issue or pull request that the route is about, directly or by a comment; nil for a list.
func (c *call) target() *issue {
	if c.vars["number"] != "" {
		return c.repo.issue(c.num("number"))
	}
	if c.vars["comment_id"] != "" {
		if found := c.repo.comment(c.id("comment_id")); found != nil {
			return found.issue
		}
	}
	return nil
}
