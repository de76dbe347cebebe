package manifest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/sandbox"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Environment is one environment with its defaults filled in.
type Environment struct {
	Name         string       `json:"name" yaml:"-"`
	Description  string       `json:"description,omitempty" yaml:"description"`
	Repositories []Repository `json:"repositories" yaml:"repositories,required"`
	// Label starts a task when somebody with the permission sets it, besides
	// "coderflow:NAME", which always does.
	Label string `json:"label" yaml:"label"`
	// BaseBranches may be named with --base. Empty: the default branch only.
	BaseBranches []string `json:"baseBranches,omitempty" yaml:"baseBranches"`
	Agent        Agent    `json:"agent" yaml:"agent,required"`
	// Agents are others that a request can choose with --agent NAME, or several of with --agents.
	Agents map[string]NamedAgent `json:"agents,omitempty" yaml:"agents"`
	// StateLabels shows the state of tasks by labels on their issues.
	StateLabels bool     `json:"stateLabels" yaml:"stateLabels"`
	Scripts     Scripts  `json:"scripts,omitzero" yaml:"scripts"`
	Sandbox     Sandbox  `json:"sandbox,omitzero" yaml:"sandbox"`
	Limits      Limits   `json:"limits" yaml:"limits"`
	Proposal    Proposal `json:"proposal" yaml:"proposal"`
	Gate        Gate     `json:"gate" yaml:"gate"`
	// Checks are commands that are run on what is proposed.
	Checks []Check `json:"checks,omitempty" yaml:"checks"`
	// Judges are AI reviewers of what is proposed.
	Judges  []Judge `json:"judges,omitempty" yaml:"judges"`
	Landing Landing `json:"landing,omitzero" yaml:"landing"`
	// Model is what the agent may use through the gateway. Nil: no model.
	Model *Model `json:"model,omitempty" yaml:"model"`
	// Network is what else it may reach.
	Network   Network   `json:"network,omitzero" yaml:"network"`
	Retention Retention `json:"retention" yaml:"retention"`
	// Deployments is what it deploys by itself.
	Deployments Deployments `json:"deployments" yaml:"deployments"`
	// Scheduling says where its agents run, and how many at once.
	Scheduling Scheduling `json:"scheduling,omitzero" yaml:"scheduling"`
}

// Repository is a repository by its id at the forge. Name is display text.
type Repository struct {
	Host string       `json:"host" yaml:"host"`
	ID   RepositoryID `json:"id" yaml:"id,required"`
	Name string       `json:"name" yaml:"name,required"` // "acme/shop"
}

// RepositoryID is the forge's own id for a repository: at GitHub a number, at Azure
// DevOps a GUID.
type RepositoryID string

// anyID is the id of something at one of the forges.
var anyID = regexp.MustCompile(`^([1-9][0-9]{0,18}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *RepositoryID) UnmarshalText(text []byte) error {
	if !anyID.Match(text) {
		return fmt.Errorf("want %s; at azuredevops %s; not %q", repositoryIDHelp[forge.GitHub], repositoryIDHelp[forge.AzureDevOps], text)
	}
	*r = RepositoryID(text)
	return nil
}

// repositoryIDHelp says what the id of a repository is at each forge.
var repositoryIDHelp = map[string]string{
	forge.GitHub:      `the repository's numeric id (GET /repos/OWNER/NAME shows it as "id"), for example 1296269`,
	forge.AzureDevOps: `the repository's GUID in lower case (GET PROJECT/_apis/git/repositories/NAME shows it as "id"), for example 5febef5a-833d-4e14-b9c0-14cb638f91e6`,
}

// Agent is what works on a task.
type Agent struct {
	Preset string `json:"preset" yaml:"preset,required"`
	// Command is the argv of the preset "exec"; no shell is involved.
	Command []string `json:"command,omitempty" yaml:"command"`
	// Image is the sandbox image. Empty: the server's.
	Image string            `json:"image,omitempty" yaml:"image"`
	Env   map[string]string `json:"env,omitempty" yaml:"env"`
}

// Scripts are shell texts that are mounted read-only and run around the agent.
type Scripts struct {
	Setup   string `json:"setup,omitempty" yaml:"setup"`
	Cleanup string `json:"cleanup,omitempty" yaml:"cleanup"`
}

// Sandbox says how the task's container is made, besides its limits.
type Sandbox struct {
	// Runtime is an OCI runtime of the Docker engine, such as "runsc". Empty:
	// the engine's default.
	Runtime string `json:"runtime,omitempty" yaml:"runtime"`
}

// Limits are the bounds of the task's container, in manifest notation.
type Limits struct {
	Memory         sy.Size     `json:"memory" yaml:"memory"`
	CPUs           float64     `json:"cpus" yaml:"cpus"`
	Pids           int64       `json:"pids" yaml:"pids"`
	OpenFiles      int64       `json:"openFiles" yaml:"openFiles"`
	FileSize       sy.Size     `json:"fileSize" yaml:"fileSize"`
	Tmp            sy.Size     `json:"tmp" yaml:"tmp"`
	Home           sy.Size     `json:"home" yaml:"home"`
	OutputBytes    sy.Size     `json:"outputBytes" yaml:"outputBytes"`
	Workspace      sy.Size     `json:"workspace" yaml:"workspace"`           // disk space of what a task adds or changes
	WorkspaceFiles int64       `json:"workspaceFiles" yaml:"workspaceFiles"` // files and directories of that
	WallTime       sy.Duration `json:"wallTime" yaml:"wallTime"`
	Grace          sy.Duration `json:"grace" yaml:"grace"`
	CleanupTime    sy.Duration `json:"cleanupTime" yaml:"cleanupTime"`
}

// Sandbox returns the limits as the sandbox takes them.
func (l Limits) Sandbox() sandbox.Limits {
	return sandbox.Limits{
		Memory: int64(l.Memory), CPUs: l.CPUs, Pids: l.Pids, NoFile: l.OpenFiles, FileSize: int64(l.FileSize),
		TmpSize: int64(l.Tmp), HomeSize: int64(l.Home), OutputBytes: int64(l.OutputBytes),
		Workspace: int64(l.Workspace), WorkspaceFiles: l.WorkspaceFiles,
		Wall: time.Duration(l.WallTime), Grace: time.Duration(l.Grace), CleanupTime: time.Duration(l.CleanupTime),
	}
}

func limitsOf(s sandbox.Limits) Limits {
	return Limits{
		Memory: sy.Size(s.Memory), CPUs: s.CPUs, Pids: s.Pids, OpenFiles: s.NoFile, FileSize: sy.Size(s.FileSize),
		Tmp: sy.Size(s.TmpSize), Home: sy.Size(s.HomeSize), OutputBytes: sy.Size(s.OutputBytes),
		Workspace: sy.Size(s.Workspace), WorkspaceFiles: s.WorkspaceFiles,
		WallTime: sy.Duration(s.Wall), Grace: sy.Duration(s.Grace), CleanupTime: sy.Duration(s.CleanupTime),
	}
}

// limitKeys are the manifest's keys for the sandbox's field names, where they differ.
var limitKeys = map[string]string{"noFile": "openFiles", "tmpSize": "tmp", "homeSize": "home", "wall": "wallTime"}

// Proposal bounds what a task may propose. Over a bound there is no proposal.
type Proposal struct {
	MaxFiles      int     `json:"maxFiles" yaml:"maxFiles"`
	MaxFileBytes  sy.Size `json:"maxFileBytes" yaml:"maxFileBytes"`
	MaxTotalBytes sy.Size `json:"maxTotalBytes" yaml:"maxTotalBytes"`
	// ExpiresAfter is how long a proposal waits for a decision.
	ExpiresAfter sy.Duration `json:"expiresAfter" yaml:"expiresAfter"`
	// MaxRevisions bounds how often it is made anew because somebody asked for it.
	MaxRevisions int `json:"maxRevisions" yaml:"maxRevisions"`
	// ReviseOnReview makes a review that requests changes ask for a revision.
	ReviseOnReview bool `json:"reviseOnReview" yaml:"reviseOnReview"`
	// SecretPatterns says where what looks like a secret may stand.
	SecretPatterns SecretPatterns `json:"secretPatterns,omitzero" yaml:"secretPatterns"`
}

// DefaultRevisions bounds the revisions of a task where its environment says nothing.
const DefaultRevisions = 20

// SecretPatterns are exceptions from the rule that a proposal with something in it
// that looks like somebody's secret is refused: keys made for tests. What they let
// through is a risk of the proposal.
type SecretPatterns struct {
	// Allow are globs of paths: * is any characters but a slash, ** any directories.
	// Case matters.
	Allow []string `json:"allow,omitempty" yaml:"allow"`
}

// Allows says that a file may hold what looks like a secret.
func (s SecretPatterns) Allows(path string) bool {
	return slices.ContainsFunc(s.Allow, func(glob string) bool {
		return matchesPath(strings.Split(glob, "/"), strings.Split(path, "/"))
	})
}

// matchesPath compares the components of a path with those of a glob. (Gates fold
// case and links into their globs so that they match more; an exception must not.)
func matchesPath(glob, at []string) bool {
	fits := make([]bool, len(at)+1) // fits[n]: the glob so far is the first n components
	fits[0] = true
	for _, g := range glob {
		next := make([]bool, len(at)+1)
		for n := range fits {
			switch {
			case g == "**":
				next[n] = fits[n] || n > 0 && next[n-1]
			case n > 0 && fits[n-1]:
				ok, err := path.Match(g, at[n-1])
				next[n] = ok && err == nil
			}
		}
		fits = next
	}
	return fits[len(at)]
}

func (s SecretPatterns) check(w wrong) {
	if len(s.Allow) > maxRuleItems {
		w("spec.proposal.secretPatterns.allow", "has more than %d paths", maxRuleItems)
	}
	for i, glob := range s.Allow {
		at := fmt.Sprintf("spec.proposal.secretPatterns.allow[%d]", i)
		if err := policy.CheckGlob(glob); err != nil {
			w(at, "%q: %v", glob, err)
		}
		if strings.Trim(glob, "*/") == "" {
			w(at, "%q is every file; name the directory of the keys for tests", glob)
		}
	}
}

// Build returns the bounds of the proposal itself, which ignored files do not count for.
func (p Proposal) Build() gitops.Limits {
	return gitops.Limits{MaxFiles: p.MaxFiles, MaxFileBytes: int64(p.MaxFileBytes), MaxTotalBytes: int64(p.MaxTotalBytes)}
}

// Collect returns the bounds of reading the workspace. They are wider: build
// output that the ignore rules leave out of the proposal is read too.
func (p Proposal) Collect() guestproto.Limits {
	l := guestproto.DefaultLimits()
	l.FileBytes = max(l.FileBytes, int64(p.MaxFileBytes))
	l.TotalBytes = max(l.TotalBytes, int64(p.MaxTotalBytes))
	return l
}

// defaultEnvironment holds the value of every key that a manifest leaves out.
func defaultEnvironment() Environment {
	return Environment{
		Label: "coderflow", StateLabels: true,
		Limits: limitsOf(sandbox.DefaultLimits()),
		Proposal: Proposal{
			MaxFiles: 500, MaxFileBytes: 1 << 20, MaxTotalBytes: 4 << 20, ExpiresAfter: sy.Duration(DefaultExpiry),
			MaxRevisions: DefaultRevisions, ReviseOnReview: true,
		},
		Gate:      Gate{CommitMessage: policy.MessageProposed, Approvals: 1},
		Retention: DefaultRetention(), Deployments: Deployments{Keep: DefaultKeep},
	}
}

// EnvironmentLabel is the label that starts a task in exactly this environment.
func EnvironmentLabel(name string) string { return "coderflow:" + name }

// Ref returns the repository as the forge port addresses it.
func (r Repository) Ref() forge.RepositoryRef {
	owner, name, _ := cutName(r.Name)
	return forge.RepositoryRef{Host: r.Host, ID: string(r.ID), Owner: owner, Name: name}
}

// ReachesOut reports whether tasks get anything to talk to: a model or a host.
func (e Environment) ReachesOut() bool { return e.Model != nil || len(e.Network.Hosts) > 0 }

// AllowsBase reports whether a task may be based on the branch.
func (e Environment) AllowsBase(branch, defaultBranch string) bool {
	if len(e.BaseBranches) == 0 {
		return branch != "" && branch == defaultBranch
	}
	for _, allowed := range e.BaseBranches {
		if branch == allowed {
			return true
		}
	}
	return false
}
