package forge

import (
	"fmt"
	"regexp"
	"strings"
)

// GitHub and AzureDevOps are the hosts that a [Subject] or [RepositoryRef] can
// belong to. One CoderFlow installation serves at most one of each.
const (
	GitHub      = "github"
	AzureDevOps = "azuredevops"
)

// Service and OIDC are the hosts of subjects that no forge knows: pipelines, and
// people who sign in with an OpenID Connect provider. No forge reports them, so
// none of them can ever approve a proposal.
const (
	Service = "service"
	OIDC    = "oidc"
)

// Subject identifies who acts: a host and that host's own immutable id (GitHub:
// the decimal user id; Azure DevOps: the identity's GUID; a service: the name by
// which an admin binds it; OIDC: PROVIDER/ID, the provider's name in
// coderflow.yaml and its claim that never changes). The zero value identifies
// nobody and is never permitted anything.
type Subject struct {
	Host string
	ID   string
}

var subjectID = map[string]*regexp.Regexp{
	GitHub:      regexp.MustCompile(`^[1-9][0-9]{0,18}$`),
	AzureDevOps: regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`),
	Service:     regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`),
	OIDC:        regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}/[A-Za-z0-9._~:@|+=-]{1,255}$`),
}

// ParseSubject reads the form "github:583231".
func ParseSubject(s string) (Subject, error) {
	host, id, found := strings.Cut(s, ":")
	if !found {
		return Subject{}, fmt.Errorf("subject %q: want HOST:ID, for example github:583231", s)
	}
	pattern, known := subjectID[host]
	if !known {
		return Subject{}, fmt.Errorf("subject %q: unknown host %q (known: github, azuredevops, service, oidc)", s, host)
	}
	if !pattern.MatchString(id) {
		return Subject{}, fmt.Errorf("subject %q: %q is not an id there; want github:NUMBER, azuredevops:GUID, service:NAME or oidc:PROVIDER/ID", s, id)
	}
	return Subject{Host: host, ID: id}, nil
}

// Kind tells what the subject is by its host: a service is a [Bot], anybody else
// who can be named is a [Person].
func (s Subject) Kind() UserKind {
	switch s.Host {
	case "":
		return Other
	case Service:
		return Bot
	}
	return Person
}

// String returns the form that [ParseSubject] reads.
func (s Subject) String() string { return s.Host + ":" + s.ID }

// IsZero reports whether s identifies nobody.
func (s Subject) IsZero() bool { return s == Subject{} }

// MarshalText implements encoding.TextMarshaler.
func (s Subject) MarshalText() ([]byte, error) {
	if s.IsZero() {
		return nil, nil
	}
	return []byte(s.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Subject) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = Subject{}
		return nil
	}
	parsed, err := ParseSubject(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// UserKind tells people from machines.
type UserKind string

// The kinds of account. Only [Person] may request or approve anything.
const (
	Person UserKind = "person"
	Bot    UserKind = "bot"
	Other  UserKind = "other" // organizations, mannequins, whatever a forge adds
)

// User is an account as the forge reported it. Login and Name are display text.
type User struct {
	Subject Subject  `json:"subject"`
	Login   string   `json:"login"`
	Name    string   `json:"name,omitempty"`
	Kind    UserKind `json:"kind"`
}

// address is a mail address that a commit can have as it is.
var address = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*@[A-Za-z0-9][A-Za-z0-9.-]*$`)

// NoreplyEmail is the address that the forge links to the account, without
// publishing a real one where there is another. GitHub: ID+LOGIN@users.noreply.github.com, see
// https://docs.github.com/account-and-profile/reference/email-addresses-reference.
// Azure DevOps has no such addresses: it links the one that a person signs in with,
// which everybody in the organization sees. Who signs in with something else has one
// that leads nowhere (RFC 2606).
func (u User) NoreplyEmail() string {
	if u.Subject.Host == AzureDevOps {
		if address.MatchString(u.Login) {
			return u.Login
		}
		return u.Subject.ID + "@azuredevops.invalid"
	}
	return u.Subject.ID + "+" + u.Login + "@users.noreply." + u.Subject.Host + ".com"
}

// RepositoryRef names a repository. ID is the identity; Owner and Name are how
// the forge's API addresses it at present.
type RepositoryRef struct {
	Host  string `json:"host"`
	ID    string `json:"id"`
	Owner string `json:"owner"`
	Name  string `json:"name"`
}

// FullName is "owner/name", for display and for the forge's API.
func (r RepositoryRef) FullName() string { return r.Owner + "/" + r.Name }

// Key is the repository's identity as text, "github:1296269".
func (r RepositoryRef) Key() string { return r.Host + ":" + r.ID }
