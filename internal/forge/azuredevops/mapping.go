package azuredevops

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge"
)

// WorkItemRule says which repository the work items of a project are about, or those of
// one of its areas. A work item belongs to a project and not to a repository.
type WorkItemRule struct {
	Project    string
	AreaPath   string // PROJECT\AREA, with all areas below it; empty is the whole project
	Repository string // name, or PROJECT/NAME where it is in another project
}

func checkRules(rules []WorkItemRule) ([]WorkItemRule, error) {
	for i, r := range rules {
		of, name := r.place()
		if !segment(r.Project) || !segment(of) || !segment(name) {
			return nil, fmt.Errorf("azuredevops: work items, entry %d: want a project and a repository, which is NAME or PROJECT/NAME", i+1)
		}
	}
	return rules, nil
}

// place is the project and the name of the repository.
func (r WorkItemRule) place() (project, name string) {
	if of, name, found := strings.Cut(r.Repository, "/"); found {
		return of, name
	}
	return r.Project, r.Repository
}

// covers reports whether the rule is about an area, and how closely.
func (r WorkItemRule) covers(project, area string) (closeness int, ok bool) {
	if !strings.EqualFold(r.Project, project) {
		return 0, false
	}
	want, area := strings.ToLower(strings.Trim(r.AreaPath, `\`)), strings.ToLower(strings.Trim(area, `\`))
	if want == "" || want == area || strings.HasPrefix(area, want+`\`) {
		return len(want) + 1, true
	}
	return 0, false
}

// mapper finds repositories of work items. What it read it keeps, so one is for one call.
type mapper struct {
	a     *Adapter
	found map[string]forge.RepositoryRef
	all   map[string][]git.GitRepository
}

func (a *Adapter) mapper() *mapper {
	return &mapper{a: a, found: map[string]forge.RepositoryRef{}, all: map[string][]git.GitRepository{}}
}

// repository is the one that the closest rule names; without a rule the one that has the
// project's name, or its only one. Otherwise none is known: the ref has no id.
func (m *mapper) repository(ctx context.Context, project, area string) (forge.RepositoryRef, error) {
	best, closest := WorkItemRule{}, 0
	for _, r := range m.a.rules {
		if closeness, ok := r.covers(project, area); ok && closeness > closest {
			best, closest = r, closeness
		}
	}
	if closest > 0 {
		return m.named(ctx, best)
	}
	return m.only(ctx, project)
}

func (m *mapper) named(ctx context.Context, r WorkItemRule) (forge.RepositoryRef, error) {
	of, name := r.place()
	key := of + "/" + name
	if ref, known := m.found[key]; known {
		return ref, nil
	}
	found, err := m.a.git.GetRepository(ctx, git.GetRepositoryArgs{Project: &of, RepositoryId: &name})
	if err := translate("read repository "+key, err); errors.Is(err, forge.ErrNotFound) {
		m.found[key] = forge.RepositoryRef{Host: forge.AzureDevOps, Owner: of, Name: name}
		return m.found[key], nil
	} else if err != nil {
		return forge.RepositoryRef{}, err
	}
	m.found[key] = refOf(found)
	return m.found[key], nil
}

func (m *mapper) only(ctx context.Context, project string) (forge.RepositoryRef, error) {
	all, known := m.all[project]
	if !known {
		found, err := m.a.git.GetRepositories(ctx, git.GetRepositoriesArgs{Project: &project})
		if err != nil {
			return forge.RepositoryRef{}, translate("list the repositories of "+project, err)
		}
		all = is(found)
		m.all[project] = all
	}
	var usable []git.GitRepository
	for _, r := range all {
		if strings.EqualFold(is(r.Name), project) {
			return refOf(&r), nil
		}
		if !is(r.IsDisabled) {
			usable = append(usable, r)
		}
	}
	if len(usable) == 1 {
		return refOf(&usable[0]), nil
	}
	return forge.RepositoryRef{Host: forge.AzureDevOps, Owner: project}, nil
}
