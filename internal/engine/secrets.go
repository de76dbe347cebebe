package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/secret"
)

// Secrets are what containers are given and must not say.
type Secrets interface {
	// Open returns the secrets that containers of the environment and context get, ordered by name.
	Open(ctx context.Context, environment string, c secret.Context) ([]secret.Value, error)
	// Redactor knows everything that a container of the environment must not say:
	// its secrets of every context, and the server's own keys.
	Redactor(ctx context.Context, environment string) (*secret.Redactor, error)
	// Tripwire knows the canaries of the environment, of every context; nil if it has none.
	Tripwire(ctx context.Context, environment string) (*secret.Tripwire, error)
}

// MissingSecretError says that a profile asks for secrets that nobody has set.
type MissingSecretError struct {
	Environment string
	Names       []string
}

// Error implements error.
func (e *MissingSecretError) Error() string {
	return fmt.Sprintf("the profile needs secrets that environment %s has not: %s (coderflow secrets set %s/%s --for deploy)",
		e.Environment, strings.Join(e.Names, ", "), e.Environment, e.Names[0])
}

// deploySecrets are those that the profile names, of its own environment alone.
func (e *Engine) deploySecrets(ctx context.Context, environment string, p deploy.Profile) ([]secret.Value, error) {
	if len(p.Secrets) == 0 {
		return nil, nil
	}
	all, err := e.Secrets.Open(ctx, environment, secret.ForDeploy)
	if err != nil {
		return nil, fmt.Errorf("open the secrets of environment %s: %w", environment, err)
	}
	var given []secret.Value
	var missing []string
	for _, name := range p.Secrets {
		if i := slices.IndexFunc(all, func(v secret.Value) bool { return v.Name() == name }); i >= 0 {
			given = append(given, all[i])
		} else {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, &MissingSecretError{Environment: environment, Names: missing}
	}
	return given, nil
}

// redact takes secrets out of output and keeps its length. Unless the output is
// complete, its last bytes may be left for the next time.
func (e *Engine) redact(ctx context.Context, environment string, output []byte, complete bool) ([]byte, error) {
	redactor, err := e.Secrets.Redactor(ctx, environment)
	if err != nil {
		return nil, fmt.Errorf("read what must not be shown: %w", err)
	}
	clean, _ := redactor.Overwrite(output, complete)
	return clean, nil
}
