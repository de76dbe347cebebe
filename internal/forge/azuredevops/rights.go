package azuredevops

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/policy"

	"github.com/coderflow/coderflow/internal/forge"
)

// Types of branch policies, which are the same in every organization.
var (
	statusPolicy    = uuid.MustParse("cbdc66da-9728-4af8-aada-9a5a32e4a226")
	reviewersPolicy = uuid.MustParse("fa4e907d-c16b-4a4c-9dfa-4906e5d171dd")
)

// Right is one thing that CoderFlow may or may not do in a repository, or that keeps others
// from going around it.
type Right struct {
	Name string
	OK   bool
	// Needed tells that CoderFlow does not work, or is not safe, without it.
	Needed bool
	// Says what is, and what to do about it, in a sentence.
	Says string
}

// repositoryRights are the bits that are looked at; absent are those that the account
// should not have.
var repositoryRights = []struct {
	name   string
	bit    int
	absent bool
	why    string
}{
	{"Read", bitRead, false, "to fetch, and to read pull requests"},
	{"Contribute", bitContribute, false, "to push proposals and what was approved, and to set statuses of commits"},
	{"Create branch", bitCreateBranch, false, "to push the branch of a proposal"},
	{"Contribute to pull requests", bitPullRequestContribute, false, "to open pull requests, comment on them and set their statuses"},
	{"Bypass policies when pushing", bitBypassPush, true, "to push past the policies of branches"},
	{"Bypass policies when completing pull requests", bitBypassCompletion, true, "to complete pull requests past their policies"},
}

// Rights reports what the account of CoderFlow may do in the repository, and which policies
// guard its default branch. What it could not find out is an error.
func (a *Adapter) Rights(ctx context.Context, ref forge.RepositoryRef) ([]Right, error) {
	repository, err := a.fetchRepository(ctx, ref)
	if err != nil {
		return nil, err
	}
	var rights []Right
	for _, r := range repositoryRights {
		has, err := hasPermission(ctx, a.security, repository, r.bit)
		if err != nil {
			return nil, err
		}
		rights = append(rights, Right{Name: r.name, OK: has != r.absent, Needed: true, Says: rightSays(r.name, r.why, refOf(repository), has, r.absent)})
	}
	policies, err := a.policies(ctx, repository)
	if err != nil {
		return nil, err
	}
	return append(rights, gatePolicy(policies, repository), reviewPolicy(policies, repository)), nil
}

func rightSays(name, why string, ref forge.RepositoryRef, has, absent bool) string {
	switch {
	case has && !absent:
		return fmt.Sprintf("CoderFlow's account has %q in %s", name, ref.FullName())
	case has:
		return fmt.Sprintf("CoderFlow's account has %q in %s, which lets its token be used %s; deny it under Project settings, Repositories, Security", name, ref.FullName(), why)
	case absent:
		return fmt.Sprintf("CoderFlow's account has no %q in %s", name, ref.FullName())
	}
	return fmt.Sprintf("CoderFlow's account lacks %q in %s, which it needs %s; allow it under Project settings, Repositories, Security", name, ref.FullName(), why)
}

// policies are those of the default branch.
func (a *Adapter) policies(ctx context.Context, repository *git.GitRepository) ([]policy.PolicyConfiguration, error) {
	of, err := projectID(repository)
	if err != nil {
		return nil, err
	}
	branch := is(repository.DefaultBranch)
	if branch == "" { // nothing was pushed yet
		return nil, nil
	}
	var all []policy.PolicyConfiguration
	var token *string
	for range maxPages {
		found, err := a.git.GetPolicyConfigurations(ctx, git.GetPolicyConfigurationsArgs{Project: &of, RepositoryId: repository.Id, RefName: &branch, ContinuationToken: token})
		if err != nil {
			return nil, translate("read the policies of "+branchOf(branch)+" in "+is(repository.Name), err)
		}
		for _, p := range is(found.PolicyConfigurations) {
			if is(p.IsEnabled) && !is(p.IsDeleted) && p.Type != nil && p.Type.Id != nil {
				all = append(all, p)
			}
		}
		if is(found.ContinuationToken) == "" {
			break
		}
		token = found.ContinuationToken
	}
	return all, nil
}

// gatePolicy is the one that keeps a pull request from being completed past the gate.
func gatePolicy(all []policy.PolicyConfiguration, repository *git.GitRepository) Right {
	genre, name, _ := strings.Cut(forge.GateRun, "/")
	r := Right{Name: "Status policy " + forge.GateRun, Needed: true, Says: fmt.Sprintf(
		"nothing keeps a proposal from being completed before it is approved: add a required status check %q to branch %s under Branch policies", forge.GateRun, branchOf(is(repository.DefaultBranch)))}
	for _, p := range all {
		settings, _ := p.Settings.(map[string]any)
		if *p.Type.Id != statusPolicy || settings["statusGenre"] != genre || settings["statusName"] != name {
			continue
		}
		if is(p.IsBlocking) {
			r.OK, r.Says = true, fmt.Sprintf("branch %s requires the status %q", branchOf(is(repository.DefaultBranch)), forge.GateRun)
			return r
		}
		r.Says = fmt.Sprintf("the status check %q of branch %s is optional and keeps nothing from being completed: make it required", forge.GateRun, branchOf(is(repository.DefaultBranch)))
	}
	return r
}

// reviewPolicy is advice: CoderFlow counts approvals by its own rules.
func reviewPolicy(all []policy.PolicyConfiguration, repository *git.GitRepository) Right {
	branch := branchOf(is(repository.DefaultBranch))
	r := Right{Name: "Minimum number of reviewers", Says: fmt.Sprintf("branch %s asks for no number of reviewers; CoderFlow's own rules hold for its proposals, and nothing for other pull requests", branch)}
	for _, p := range all {
		settings, _ := p.Settings.(map[string]any)
		if *p.Type.Id != reviewersPolicy || !is(p.IsBlocking) {
			continue
		}
		count, _ := settings["minimumApproverCount"].(float64)
		reset, _ := settings["resetOnSourcePush"].(bool)
		r.OK, r.Says = true, fmt.Sprintf("branch %s asks for %.0f reviewers", branch, count)
		if reset {
			r.Says += ", whose votes are reset by a push: after CoderFlow pushed what was approved, completing the pull request takes new votes"
		}
	}
	return r
}
