package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
)

// gitCredentials reads the tokens that git providers name.
func (l *loader) gitCredentials(raw map[string]gitCredentialFile) map[string]forge.Secret {
	credentials := make(map[string]forge.Secret, len(raw))
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		at := "gitCredentials." + name
		if !modelName.MatchString(name) {
			l.wrong(at, "want a lower-case letter, then up to 39 letters, digits and hyphens as the name of a credential")
			continue
		}
		token := l.secret(at+".tokenFile", raw[name].TokenFile, "a token for git")
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			l.wrong(at+".tokenFile", "is not one token: it holds a character that cannot be in one")
			continue
		}
		credentials[name] = forge.Secret(token)
	}
	return credentials
}

// overrideGitCredential applies a variable such as
// CODERFLOW_GIT_CREDENTIALS_PARTNER_BOT_TOKEN_FILE, whose middle names a
// credential. It reports whether the variable is one of them.
func (l *loader) overrideGitCredential(raw *file, variable, value string) bool {
	rest, is := strings.CutPrefix(variable, prefix+"GIT_CREDENTIALS_")
	words, found := strings.CutSuffix(rest, "_TOKEN_FILE")
	if !is || !found || words == "" {
		return false
	}
	name := strings.ToLower(strings.ReplaceAll(words, "_", "-"))
	if raw.GitCredentials == nil {
		raw.GitCredentials = map[string]gitCredentialFile{}
	}
	raw.GitCredentials[name] = gitCredentialFile{TokenFile: value}
	l.set["gitCredentials."+name+".tokenFile"] = variable
	return true
}
