package gitops

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/forge"
)

// maxIdentity bounds a name or an address in a commit, in bytes.
const maxIdentity = 200

// crud is what git itself strips from both ends of a name (ident.c). It is
// stripped here first, so that what git writes is what we expect.
const crud = " .,:;<>\"\\'"

// authorOf makes the author line's identity of an approver. Name and login are
// texts that their owner chose: nothing in them can end the line, begin another
// header or forge a second address.
func authorOf(user forge.User) Identity {
	name := cleanName(user.Name)
	if name == "" {
		name = cleanName(user.Login)
	}
	if name == "" {
		name = cleanName(user.Subject.String())
	}
	return Identity{Name: name, Email: cleanEmail(user.NoreplyEmail())}
}

func cleanIdentity(id Identity) Identity {
	return Identity{Name: cleanName(id.Name), Email: cleanEmail(id.Email)}
}

func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || r == '<' || r == '>' || !unicode.IsPrint(r) && !unicode.IsSpace(r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, name)
	name = strings.Join(strings.Fields(name), " ")
	if len(name) > maxIdentity {
		name = strings.ToValidUTF8(name[:maxIdentity], "")
	}
	return strings.Trim(name, crud)
}

func cleanEmail(email string) string {
	email = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("+-_.@[]", r):
			return r
		}
		return -1
	}, email)
	return strings.Trim(email[:min(len(email), maxIdentity)], crud)
}
