package web

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/token"
)

// accessPage is who can do what, and why.
type accessPage struct {
	Self        selfView
	Tokens      []issuedView
	Roles       []roleView
	Permissions []policy.PermissionInfo
	Resources   []string // that the viewer may ask about
	Asked       accessQuestion
	Answer      *accessAnswer
	Error       string // what is wrong with the question
}

// accessQuestion is whether somebody, or who, may do something somewhere.
type accessQuestion struct {
	Subject    string // empty: who may
	Permission policy.Permission
	Resource   string
}

// accessAnswer is the decision about one person, or everybody who may.
type accessAnswer struct {
	Who      string
	Decision *policy.Decision
	Holders  []holderView
}

// showAccess is the page about access. What it tells of others is what the API
// tells the viewer of them.
func showAccess(c *call) error {
	view := accessPage{Self: c.self(), Permissions: policy.Permissions(), Resources: c.seenResources()}
	for _, r := range c.rules.AllRoles() {
		view.Roles = append(view.Roles, roleView{r.Name, r.Description, policy.Shadows(r.Name), r.Permissions})
	}
	tokens, err := c.s.API.TokenDesk.OwnedTokens(c.Request().Context(), c.user.Subject)
	if err != nil {
		return err
	}
	tokens = slices.DeleteFunc(tokens, func(k token.Token) bool { return !c.handles(k) || k.Ended(c.s.Now()) != "" })
	view.Tokens = collect(tokens, c.viewToken)
	query := c.QueryParams()
	view.Asked = accessQuestion{query.Get("subject"), policy.Permission(query.Get("permission")), query.Get("resource")}
	if query.Has("permission") {
		view.Answer, err = c.answer(view.Asked)
		if told := asked(err); told != "" {
			view.Error, err = told, nil
		}
	}
	if err != nil {
		return err
	}
	return c.page("access", console.Page{Title: "Access", Section: "access", Body: view})
}

// answer decides by the rows of the API: everybody may ask about themselves, and
// whoever manages bindings on the resource about others.
func (c *call) answer(q accessQuestion) (*accessAnswer, error) {
	c.query.Set("permission", string(q.Permission))
	c.query.Set("resource", q.Resource)
	permission, err := c.permissionAsked()
	if err != nil {
		return nil, err
	}
	c.row = apiRow{permission: policy.BindingsManage, on: onResource, oneself: q.Subject != ""}
	user := c.user
	if q.Subject != "" {
		c.query.Set("subject", q.Subject)
		subject, err := forge.ParseSubject(q.Subject)
		if err != nil {
			return nil, bad("Who: want HOST:ID, for example github:583231, or nothing for everybody")
		}
		user = forge.User{Subject: subject, Kind: subject.Kind()}
	}
	if err := c.permitResource(); err != nil {
		return nil, err
	}
	if q.Subject == "" {
		return &accessAnswer{Holders: c.holders(permission, c.resource)}, nil
	}
	user.Login = loginOf(c.rules, user.Subject)
	d := c.rules.DecideOn(user, permission, c.resource)
	return &accessAnswer{Who: cmp.Or(user.Login, user.Subject.String()), Decision: &d}, nil
}

// asked is what is wrong with a question, for whoever asked; empty: nothing, or
// something that is not theirs to know.
func asked(err error) string {
	if told := (*apiError)(nil); errors.As(err, &told) && told.status < http.StatusInternalServerError {
		return told.text
	}
	return ""
}

// seenResources are those that the viewer sees.
func (c *call) seenResources() []string {
	list := []string{policy.Server, policy.Everything}
	for _, name := range slices.Sorted(maps.Keys(c.rules.Environments)) {
		if on := policy.EnvironmentResource(name); c.sees(on) {
			list = append(list, on)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.rules.Teams)) {
		if on := policy.TeamResource(name); c.sees(on) {
			list = append(list, on)
		}
	}
	return list
}
