package secret

import (
	"fmt"
	"regexp"
	"strings"
)

// Context is which containers of an environment get a secret.
type Context string

// The contexts. None includes another: what a deployment needs, a task does not get.
const (
	ForTask    Context = "task"    // the agent's container
	ForDeploy  Context = "deploy"  // the containers of deployment profiles
	ForGateway Context = "gateway" // no container at all: known to the gateway, for redaction and requests
)

// forPerson is of what belongs to a person and no environment: it is sealed like a
// secret, and nobody can set it as one.
const forPerson Context = "person"

// PersonSlot is where a person's token for git belongs; subject is "github:583231".
func PersonSlot(subject string) Slot {
	return Slot{Environment: subject, Context: forPerson, Name: "git"}
}

// sealable says what is wrong with a slot for something to be sealed.
func (s Slot) sealable() error {
	if s.Context == forPerson && s.Name == "git" && s.Environment != "" {
		return nil
	}
	return s.Check()
}

// Contexts lists them.
func Contexts() []Context { return []Context{ForTask, ForDeploy, ForGateway} }

// Slot is where a stored secret belongs.
type Slot struct {
	Environment string  `json:"environment"`
	Context     Context `json:"context"`
	// Name is the file's name below /run/secrets.
	Name string `json:"name"`
}

var slotName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)

// Check says what is wrong with a slot. Whether the environment exists is not
// looked at.
func (s Slot) Check() error {
	switch {
	case s.Environment == "" || strings.ContainsAny(s.Environment, "/\x00"):
		return fmt.Errorf("secret %q: an environment is needed", s.Name)
	case s.Context != ForTask && s.Context != ForDeploy && s.Context != ForGateway:
		return fmt.Errorf("secret %q: the context is task, deploy or gateway, not %q", s.Name, s.Context)
	case !slotName.MatchString(s.Name):
		return fmt.Errorf("secret %q: a name has up to 64 letters, digits, underscores, dots and dashes, and begins with a letter or underscore", s.Name)
	}
	return nil
}

// String is ENVIRONMENT/CONTEXT/NAME.
func (s Slot) String() string { return s.Environment + "/" + string(s.Context) + "/" + s.Name }
