package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
)

// oidcNames are those that subjects can have, see forge.ParseSubject.
var (
	oidcName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	claimName = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,100}$`)
	scopeName = regexp.MustCompile(`^[!#-\[\]-~]{1,200}$`) // RFC 6749, section 3.3
)

// takenNames are providers of their own, and words of the addresses.
var takenNames = []string{forge.GitHub}

func (l *loader) oidc(raw map[string]oidcFile) []OIDC {
	var providers []OIDC
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		at := "oidc." + name
		switch {
		case !oidcName.MatchString(name):
			l.wrong(at, "want a lower-case letter, then up to 39 letters, digits and hyphens as the name of a provider")
		case slices.Contains(takenNames, name):
			l.wrong(at, "this name is taken; GitHub's sign-in is configured by github.oauth")
		default:
			providers = append(providers, l.oidcProvider(at, name, raw[name]))
		}
	}
	return providers
}

func (l *loader) oidcProvider(at, name string, raw oidcFile) OIDC {
	p := OIDC{Name: name, Title: raw.Title, Issuer: raw.Issuer, ClientID: raw.ClientID, SubjectClaim: raw.SubjectClaim, Scopes: raw.Scopes}
	if p.Title == "" {
		p.Title = name
	}
	if len(p.Title) > 80 || strings.ContainsFunc(p.Title, func(r rune) bool { return r < ' ' }) {
		l.wrong(at+".title", "want up to 80 characters on one line")
	}
	l.url(at+".issuer", raw.Issuer, false) // kept as it is: the provider says exactly this
	if strings.TrimSpace(raw.ClientID) == "" {
		l.wrong(at+".clientID", "is required: the provider shows it where the client was registered")
	}
	if raw.ClientSecretFile != "" {
		p.ClientSecret = forge.Secret(l.secret(at+".clientSecretFile", raw.ClientSecretFile, "the client's secret"))
	}
	if p.SubjectClaim == "" {
		p.SubjectClaim = "sub"
	}
	if !claimName.MatchString(p.SubjectClaim) {
		l.wrong(at+".subjectClaim", "want the name of a claim, such as sub or oid")
	}
	if slices.Contains([]string{"email", "preferred_username", "upn", "unique_name", "name"}, p.SubjectClaim) {
		l.wrong(at+".subjectClaim", "%s can be changed, and be another person's tomorrow; want a claim that identifies a person for ever, such as sub or oid", p.SubjectClaim)
	}
	for _, scope := range raw.Scopes {
		if !scopeName.MatchString(scope) {
			l.wrong(at+".scopes", "%q is not a scope", scope)
		}
	}
	return p
}

// oidcSuffixes are the ends of variables of a provider, longest first: the middle
// is its name.
var oidcSuffixes = []struct {
	end, key string
	set      func(*oidcFile, string)
}{
	{"_CLIENT_SECRET_FILE", "clientSecretFile", func(f *oidcFile, v string) { f.ClientSecretFile = v }},
	{"_SUBJECT_CLAIM", "subjectClaim", func(f *oidcFile, v string) { f.SubjectClaim = v }},
	{"_CLIENT_ID", "clientID", func(f *oidcFile, v string) { f.ClientID = v }},
	{"_ISSUER", "issuer", func(f *oidcFile, v string) { f.Issuer = v }},
	{"_SCOPES", "scopes", func(f *oidcFile, v string) { f.Scopes = splitList(v) }},
	{"_TITLE", "title", func(f *oidcFile, v string) { f.Title = v }},
}

// overrideOIDC applies a variable such as CODERFLOW_OIDC_ENTRA_CLIENT_ID, whose
// middle names a provider. It reports whether the variable is one of them.
func (l *loader) overrideOIDC(raw *file, variable, value string) bool {
	rest, isOIDC := strings.CutPrefix(variable, prefix+"OIDC_")
	if !isOIDC {
		return false
	}
	for _, s := range oidcSuffixes {
		words, found := strings.CutSuffix(rest, s.end)
		if !found || words == "" {
			continue
		}
		name := strings.ToLower(strings.ReplaceAll(words, "_", "-"))
		if raw.OIDC == nil {
			raw.OIDC = map[string]oidcFile{}
		}
		provider := raw.OIDC[name]
		s.set(&provider, value)
		raw.OIDC[name] = provider
		l.set["oidc."+name+"."+s.key] = variable
		return true
	}
	return false
}
