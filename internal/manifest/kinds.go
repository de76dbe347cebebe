package manifest

import (
	"errors"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// APIVersion is the one version of manifests that is understood.
const APIVersion = "coderflow.dev/v1"

// Kinds of manifest that this version applies.
const (
	KindEnvironment       = "Environment"
	KindDeploymentProfile = "DeploymentProfile"
	KindRole              = "Role"
	KindTeam              = "Team"
	KindRoleBinding       = "RoleBinding"
	KindGitProvider       = "GitProvider"
)

var kinds = []string{KindEnvironment, KindDeploymentProfile, KindRole, KindTeam, KindRoleBinding, KindGitProvider}

// envelope is what every manifest looks like.
type envelope[M, S any] struct {
	APIVersion string `yaml:"apiVersion,required"`
	Kind       string `yaml:"kind,required"`
	Metadata   M      `yaml:"metadata,required"`
	Spec       S      `yaml:"spec,required"`
}

type named struct {
	Name string `yaml:"name,required"`
}

type namedIn struct {
	Name        string `yaml:"name,required"`
	Environment string `yaml:"environment,required"`
}

// scalar takes any single value as its text, so that `default: 3` needs no quotes.
type scalar string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *scalar) UnmarshalText(text []byte) error {
	*s = scalar(text)
	return nil
}

type profileSpec struct {
	Description string `yaml:"description"`
	Image       string `yaml:"image"`
	Script      string `yaml:"script"`
	// AzurePipeline is run instead of a script. Then there is no image, network or secret here.
	AzurePipeline *azurePipelineSpec `yaml:"azurePipeline"`
	Timeout       sy.Duration        `yaml:"timeout"`
	// Concurrency is beside which other runs it may run. Default: environment, none of the same environment.
	Concurrency deploy.Concurrency `yaml:"concurrency"`
	Secrets     []string           `yaml:"secrets"`
	// Network is what a run can reach: none, or hosts. Default: none.
	Network    profileNetwork  `yaml:"network"`
	Parameters []parameterSpec `yaml:"parameters"`
}

// azurePipelineSpec names a pipeline of Azure DevOps.
type azurePipelineSpec struct {
	Project string `yaml:"project,required"`
	// Pipeline is its name, in a folder "folder/name", or its number.
	Pipeline scalar `yaml:"pipeline,required"`
	// Repository is what the pipeline calls the repository of the commit among its resources. Default: self, the one that it is written in.
	Repository string `yaml:"repository"`
}

func (s *azurePipelineSpec) pipeline() *deploy.Pipeline {
	if s == nil {
		return nil
	}
	return &deploy.Pipeline{Host: forge.AzureDevOps, Project: s.Project, Name: string(s.Pipeline), Repository: s.Repository}
}

func azurePipelineOf(p *deploy.Pipeline) *azurePipelineSpec {
	if p == nil {
		return nil
	}
	return &azurePipelineSpec{Project: p.Project, Pipeline: scalar(p.Name), Repository: p.Repository}
}

type parameterSpec struct {
	Name        string   `yaml:"name,required"`
	Description string   `yaml:"description"`
	Type        string   `yaml:"type"`
	Pattern     string   `yaml:"pattern"`
	Options     []scalar `yaml:"options"`
	Required    bool     `yaml:"required"`
	Default     scalar   `yaml:"default"`
}

const defaultDeployTimeout = 30 * time.Minute

type bindingSpec struct {
	Subject  Principal `yaml:"subject,required"`
	Role     string    `yaml:"role,required"`
	Resource string    `yaml:"resource,required"`
}

// read adds one document to the builder.
func (b *builder) read(d *sy.Document) {
	outline := d.Decode(&envelope[any, any]{}) // also notes where the keys are
	if v := d.Scalar("apiVersion"); v != "" && v != APIVersion {
		b.add(d.Problem("apiVersion", "want %s, not %q", APIVersion, v))
		return
	}
	switch kind := d.Scalar("kind"); {
	case kind == KindEnvironment:
		b.readEnvironment(d)
	case kind == KindDeploymentProfile:
		b.readProfile(d)
	case kind == KindRole:
		b.readRole(d)
	case kind == KindTeam:
		b.readTeam(d)
	case kind == KindRoleBinding:
		b.readBinding(d)
	case kind == KindGitProvider:
		b.readProvider(d)
	case kind == "":
		b.add(outline...)
	default:
		b.add(d.Problem("kind", "unknown kind %q%s", kind, sy.Nearest(kind, kinds)))
	}
}

func (b *builder) readEnvironment(d *sy.Document) {
	m := envelope[named, Environment]{Spec: defaultEnvironment()}
	problems := d.Decode(&m)
	m.Spec.Name = m.Metadata.Name
	report := b.reporter(d, problems)
	m.Spec.check(report.wrong)
	b.environments = append(b.environments, placed[Environment]{m.Spec, d})
}

func (b *builder) readProfile(d *sy.Document) {
	m := envelope[namedIn, profileSpec]{Spec: profileSpec{Timeout: sy.Duration(defaultDeployTimeout)}}
	report := b.reporter(d, d.Decode(&m))
	p := deploy.Profile{
		Name: m.Metadata.Name, Environment: m.Metadata.Environment, Description: m.Spec.Description,
		Image: m.Spec.Image, Script: m.Spec.Script, Timeout: time.Duration(m.Spec.Timeout), Secrets: m.Spec.Secrets,
		Concurrency: m.Spec.Concurrency, Network: deploy.Network{Hosts: m.Spec.Network.Hosts}, Pipeline: m.Spec.AzurePipeline.pipeline(),
	}
	for _, s := range m.Spec.Parameters {
		parameter := deploy.Parameter{
			Name: s.Name, Description: s.Description, Type: deploy.ParameterType(s.Type), Pattern: s.Pattern,
			Required: s.Required, Default: string(s.Default),
		}
		if s.Type == "" {
			parameter.Type = deploy.String
		}
		for _, option := range s.Options {
			parameter.Options = append(parameter.Options, string(option))
		}
		p.Parameters = append(p.Parameters, parameter)
	}
	checkProfile(report.wrong, p)
	b.profiles = append(b.profiles, placed[deploy.Profile]{p, d})
}

func checkProfile(w wrong, p deploy.Profile) {
	checkImage(w, "spec.image", p.Image)
	Network{Hosts: p.Network.Hosts}.check(w)
	for _, err := range unjoin(p.CheckDefinition()) {
		var field *deploy.DefinitionError
		switch {
		case !errors.As(err, &field):
			w("spec", "%v", err)
		case field.Field == "name":
			w("metadata.name", "%s", field.Problem)
		default:
			w("spec."+field.Field, "%s", field.Problem)
		}
	}
}

func (b *builder) readBinding(d *sy.Document) {
	var m envelope[named, bindingSpec]
	report := b.reporter(d, d.Decode(&m))
	binding := Binding{Name: m.Metadata.Name, Role: m.Spec.Role, Resource: m.Spec.Resource}
	binding.Subject = b.resolve(m.Spec.Subject, "spec.subject", report.wrong)
	binding.check(report.wrong)
	b.bindings = append(b.bindings, placed[Binding]{binding, d})
}
