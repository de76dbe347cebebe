package manifest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/sandbox"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// wrong reports one mistake at a key path below the manifest's root.
type wrong func(path, format string, args ...any)

const (
	maxScript    = 64 << 10
	maxArguments = 256
	// maxLabel is GitHub's bound on the name of a label.
	maxLabel = 50
	// maxProposalFiles is how many files GitHub lists of a pull request.
	maxProposalFiles = 3000
	// maxRevisions bounds the rounds of one task.
	maxRevisions = 100
	// maxProposalFile is the largest file that GitHub takes in a push.
	maxProposalFile = 100 << 20
)

var (
	environmentName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,39}$`)
	bindingName     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)
	repositoryName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$`)
	branchName      = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}$`)
	imageName       = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9._/:@-]{0,254}$`)
	variableName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	reservedName    = regexp.MustCompile(`^(PATH|HOME|IFS|ENV|BASH_ENV|SHELLOPTS|BASHOPTS|LD_.*|CODERFLOW_.*)$`)
)

func cutName(full string) (owner, name string, ok bool) { return strings.Cut(full, "/") }

func (e *Environment) check(w wrong) {
	if !environmentName.MatchString(e.Name) {
		w("metadata.name", "want a letter or underscore, then up to 39 letters, digits, hyphens and underscores; this is %q", e.Name)
	}
	checkLine(w, "spec.description", e.Description, 1<<10)
	e.checkRepositories(w)
	if e.Label == "" || len(e.Label) > maxLabel {
		w("spec.label", "want between 1 and %d characters", maxLabel)
	}
	checkLine(w, "spec.label", e.Label, maxLabel)
	if strings.HasPrefix(strings.ToLower(e.Label), "coderflow:") {
		w("spec.label", "labels that begin with \"coderflow:\" name an environment and are set up by themselves")
	}
	for i, b := range e.BaseBranches {
		if !branchName.MatchString(b) || strings.Contains(b, "..") || strings.Contains(b, "//") ||
			strings.HasSuffix(b, "/") || strings.HasSuffix(b, ".lock") || strings.HasPrefix(b, "refs/") || strings.HasPrefix(b, "coderflow/") {
			w(fmt.Sprintf("spec.baseBranches[%d]", i), "%q is not the name of a branch that tasks can be based on", b)
		}
	}
	e.Agent.check(w)
	checkText(w, "spec.scripts.setup", e.Scripts.Setup)
	checkText(w, "spec.scripts.cleanup", e.Scripts.Cleanup)
	if r := e.Sandbox.Runtime; r != "" && !sandbox.RuntimeRule.MatchString(r) {
		w("spec.sandbox.runtime", "%q is not the name of a runtime; `docker info` lists those of the engine", r)
	}
	e.Limits.check(w)
	e.Proposal.check(w)
	e.checkModel(w)
	e.checkAgents(w)
	e.Network.check(w)
	e.Retention.check(w)
	e.Deployments.check(w)
	e.Gate.check(w)
	e.checkChecks(w)
	e.checkJudges(w)
	e.checkJudgeRules(w)
	e.Landing.check(w)
	e.Scheduling.check(w)
}

func (e *Environment) checkRepositories(w wrong) {
	if len(e.Repositories) == 0 {
		w("spec.repositories", "name at least one repository")
	}
	checkRepositories(w, e.Repositories, forge.GitHub)
}

// forgeHosts are where repositories and teams are.
var forgeHosts = []string{forge.GitHub, forge.AzureDevOps}

// checkHost also gives the host its default.
func checkHost(w wrong, at string, host *string, fallback string) (known bool) {
	if *host == "" {
		*host = fallback
	}
	if !slices.Contains(forgeHosts, *host) {
		w(at, "unknown forge host %q%s", *host, sy.Nearest(*host, forgeHosts))
		return false
	}
	return true
}

// checkRepositories also gives each its default host.
func checkRepositories(w wrong, repositories []Repository, fallback string) {
	seen := map[string]bool{}
	for i := range repositories {
		r := &repositories[i]
		at := fmt.Sprintf("spec.repositories[%d]", i)
		known := checkHost(w, at+".host", &r.Host, fallback)
		if err := checkRepositoryName(r.Host, r.Name); err != nil {
			w(at+".name", "%v", err)
		}
		if !anyID.MatchString(string(r.ID)) {
			continue // reported while decoding
		}
		if known && !forge.ValidID(r.Host, string(r.ID)) {
			w(at+".id", "want %s, not %q; spec.repositories[%d].host is %s", repositoryIDHelp[r.Host], r.ID, i, r.Host)
		}
		if seen[r.Ref().Key()] {
			w(at+".id", "repository %s is listed twice", r.ID)
		}
		seen[r.Ref().Key()] = true
	}
}

func checkRepositoryName(host, name string) error {
	switch {
	case host == forge.AzureDevOps:
		return forge.CheckAzureRepository(name)
	case !repositoryName.MatchString(name):
		return fmt.Errorf("want OWNER/NAME, not %q", name)
	}
	return nil
}

func (a Agent) check(w wrong) {
	preset, err := agent.Lookup(a.Preset)
	switch {
	case err != nil:
		w("spec.agent.preset", "unknown preset %q%s", a.Preset, sy.Nearest(a.Preset, agent.Names()))
	case preset.OwnCommand && len(a.Command) == 0:
		w("spec.agent.command", "the preset %q needs a command: a list, the program first", a.Preset)
	case !preset.OwnCommand && len(a.Command) > 0:
		w("spec.agent.command", "the preset %q brings its own command", a.Preset)
	}
	if len(a.Command) > maxArguments {
		w("spec.agent.command", "has more than %d arguments", maxArguments)
	}
	for i, argument := range a.Command {
		checkText(w, fmt.Sprintf("spec.agent.command[%d]", i), argument)
	}
	if len(a.Command) > 0 && a.Command[0] == "" {
		w("spec.agent.command[0]", "names no program")
	}
	checkImage(w, "spec.agent.image", a.Image)
	for _, key := range slices.Sorted(maps.Keys(a.Env)) {
		at := "spec.agent.env." + key
		switch {
		case !variableName.MatchString(key):
			w(at, "%q cannot be the name of an environment variable", key)
		case reservedName.MatchString(key):
			w(at, "%s is reserved: CoderFlow or the loader reads it", key)
		}
		checkText(w, at, a.Env[key])
	}
}

func checkImage(w wrong, at, image string) {
	if image != "" && !imageName.MatchString(image) {
		w(at, "%q is not an image reference", image)
	}
}

func checkText(w wrong, at, text string) {
	switch {
	case len(text) > maxScript:
		w(at, "is longer than %d KiB", maxScript>>10)
	case strings.ContainsRune(text, 0):
		w(at, "contains a NUL byte")
	}
}

func checkLine(w wrong, at, text string, most int) {
	if len(text) > most || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		w(at, "want one line of at most %d bytes", most)
	}
}

func (l Limits) check(w wrong) {
	for _, err := range unjoin(l.Sandbox().Validate()) {
		var field *sandbox.FieldError
		if !errors.As(err, &field) {
			w("spec.limits", "%v", err)
			continue
		}
		key := field.Field
		if renamed, ok := limitKeys[key]; ok {
			key = renamed
		}
		w("spec.limits."+key, "%s", field.Problem)
	}
}

func (p Proposal) check(w wrong) {
	if p.MaxFiles < 1 || p.MaxFiles > maxProposalFiles {
		w("spec.proposal.maxFiles", "want between 1 and %d, which is all that GitHub shows of a pull request", maxProposalFiles)
	}
	if p.MaxFileBytes < 1 || p.MaxFileBytes > maxProposalFile {
		w("spec.proposal.maxFileBytes", "want between 1 byte and %s", sy.Size(maxProposalFile))
	}
	if p.MaxTotalBytes < 1 || p.MaxTotalBytes > maxProposalFile {
		w("spec.proposal.maxTotalBytes", "want between 1 byte and %s", sy.Size(maxProposalFile))
	}
	if p.MaxRevisions < 1 || p.MaxRevisions > maxRevisions {
		w("spec.proposal.maxRevisions", "want between 1, which is none but the first, and %d", maxRevisions)
	}
	checkExpiry(w, p.ExpiresAfter)
	p.SecretPatterns.check(w)
}

func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}
