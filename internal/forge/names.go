package forge

import (
	"fmt"
	"strings"
	"unicode"
)

// MaxAzureName bounds the names of projects, repositories and teams at Azure DevOps.
const MaxAzureName = 64

// notInAzureNames are the printable characters that no name at Azure DevOps has.
// https://learn.microsoft.com/azure/devops/organizations/settings/naming-restrictions
const notInAzureNames = "/:\\~&%;@'\"?<>|#$*}{,+=[]`"

// CheckAzureName says what is wrong with the name of a project, repository or team at
// Azure DevOps: they may have spaces, and nothing that a path, a quote or a reader of a
// line takes for something else.
func CheckAzureName(name string) error {
	runes := []rune(name)
	switch {
	case name == "" || len(runes) > MaxAzureName:
		return fmt.Errorf("want between 1 and %d characters", MaxAzureName)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("%q begins or ends with a space", name)
	case runes[0] == '_' || runes[0] == '.' || runes[len(runes)-1] == '.':
		return fmt.Errorf("%q begins with an underscore or a period, or ends with a period", name)
	}
	for _, r := range runes {
		// What is no character, above U+FFFF, invisible or turns the line around.
		if r == unicode.ReplacementChar || r > 0xffff || r != ' ' && !unicode.IsPrint(r) || strings.ContainsRune(notInAzureNames, r) {
			return fmt.Errorf("%q has the character %q, which no name at Azure DevOps has", name, r)
		}
	}
	return nil
}

// CheckAzureRepository says what is wrong with PROJECT/REPOSITORY.
func CheckAzureRepository(full string) error {
	project, name, found := strings.Cut(full, "/")
	if !found {
		return fmt.Errorf("want PROJECT/REPOSITORY, not %q", full)
	}
	if err := CheckAzureName(project); err != nil {
		return fmt.Errorf("want PROJECT/REPOSITORY, not %q: the project's name: %w", full, err)
	}
	if err := CheckAzureName(name); err != nil {
		return fmt.Errorf("want PROJECT/REPOSITORY, not %q: the repository's name: %w", full, err)
	}
	return nil
}

// ValidID reports whether the text can be an id of the host: of a person, of a
// repository, an organization or a team. All of a host's ids have one form.
func ValidID(host, id string) bool {
	pattern, known := subjectID[host]
	return known && pattern.MatchString(id)
}
