package manifest

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
)

// Principal is who a role is bound to or who is in a team, as manifests write it:
//
//	github:583231            a person, by the forge's own number
//	github:583231 (octocat)  the same; the login is for readers and decides nothing
//	github:@octocat          a login, which is looked up once, when it is applied
//	azuredevops:GUID         a person at Azure DevOps, by the id of their identity
//	azuredevops:@mail        the address that they sign in with, looked up like a login
//	service:deploy-pipeline  a program, by the name that it is bound and has tokens by
//	oidc:entra/ID            a person who signs in with an OpenID Connect provider
//	team:NAME                a team
//
// In a finished [Set] no principal is a bare login: what is kept is the id, with
// the login that it had then as display text.
type Principal struct {
	Subject forge.Subject
	Team    string
	Login   string
	// host is where a bare login is.
	host string
}

var (
	displayLogin = regexp.MustCompile(`^(.*) \(([A-Za-z0-9][^\s()]{0,253})\)$`)
	plainLogin   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$`)
	gitHubLogin  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,49}$`)
	// azureLogin is an address (a guest's can have #EXT# in it), or DOMAIN\name at a server of one's own.
	azureLogin = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+'&~#-]{0,126}[@\\][A-Za-z0-9._-]{1,126}$`)
)

// showable tells that a login can stand beside its id.
func showable(host, login string) bool {
	return plainLogin.MatchString(login) || host == forge.AzureDevOps && azureLogin.MatchString(login)
}

const teamPrefix = "team:"

// bareLogin reads HOST:@LOGIN.
func bareLogin(text string) (host, login string, is bool) {
	host, login, is = strings.Cut(text, ":@")
	return host, login, is && (host == forge.GitHub || host == forge.AzureDevOps)
}

// checkLogin says what is wrong with a login that is to be looked up.
func checkLogin(host, login string) error {
	switch {
	case host == forge.GitHub && !gitHubLogin.MatchString(login):
		return fmt.Errorf("%q cannot be a login", login)
	case host == forge.AzureDevOps && !azureLogin.MatchString(login):
		return fmt.Errorf("%q cannot be a login there; want the address that the person signs in with, for example azuredevops:@maria@example.com", login)
	}
	return nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Principal) UnmarshalText(text []byte) error {
	s := string(text)
	if name, is := strings.CutPrefix(s, teamPrefix); is {
		if !bindingName.MatchString(name) {
			return fmt.Errorf("%q cannot be the name of a team", name)
		}
		*p = Principal{Team: name}
		return nil
	}
	if host, login, is := bareLogin(s); is {
		if err := checkLogin(host, login); err != nil {
			return err
		}
		*p = Principal{Login: login, host: host}
		return nil
	}
	login := ""
	if m := displayLogin.FindStringSubmatch(s); m != nil {
		s, login = m[1], m[2]
	}
	subject, err := forge.ParseSubject(s)
	if err != nil {
		return fmt.Errorf("%w, github:@LOGIN, azuredevops:@MAIL or team:NAME", err)
	}
	if login != "" && !showable(subject.Host, login) {
		return fmt.Errorf("%q cannot be a login at %s", login, subject.Host)
	}
	*p = Principal{Subject: subject, Login: login}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (p Principal) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String returns the form that UnmarshalText reads.
func (p Principal) String() string {
	switch {
	case p.Team != "":
		return teamPrefix + p.Team
	case p.unresolved():
		return p.host + ":@" + p.Login
	case p.Subject.IsZero():
		return ""
	case p.Login != "":
		return p.Subject.String() + " (" + p.Login + ")"
	}
	return p.Subject.String()
}

func (p Principal) unresolved() bool { return p.Subject.IsZero() && p.Team == "" && p.Login != "" }

// IsZero reports whether p names nobody.
func (p Principal) IsZero() bool { return p == Principal{} }

// same leaves out what is display text.
func (p Principal) same() Principal { return Principal{Subject: p.Subject, Team: p.Team} }
