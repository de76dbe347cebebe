package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/deploy"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// Object is one manifest of a set, as it can be written to a file.
type Object struct {
	Kind string
	Name string // of a profile: ENVIRONMENT/NAME
	body mapping
}

// MarshalJSON implements json.Marshaler: the manifest itself.
func (o Object) MarshalJSON() ([]byte, error) { return json.Marshal(o.body) }

// Objects returns every manifest of the set, by kind, then name.
func (s *Set) Objects() ([]Object, error) {
	var list []Object
	add := func(kind, name string, metadata any, spec, byDefault any) error {
		o, err := object(kind, name, metadata, spec, byDefault)
		list = append(list, o)
		return err
	}
	for _, name := range s.environmentNames() {
		if err := add(KindEnvironment, name, named{name}, s.Environments[name], defaultEnvironment()); err != nil {
			return nil, err
		}
	}
	for _, environment := range slices.Sorted(maps.Keys(s.Profiles)) {
		for _, name := range slices.Sorted(maps.Keys(s.Profiles[environment])) {
			spec := specOf(s.Profiles[environment][name])
			if err := add(KindDeploymentProfile, environment+"/"+name, namedIn{name, environment}, spec, defaultProfile()); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Roles)) {
		spec := roleSpec{s.Roles[name].Description, s.Roles[name].Permissions}
		if err := add(KindRole, name, named{name}, spec, roleSpec{}); err != nil {
			return nil, err
		}
	}
	for _, name := range s.teamNames() {
		if err := add(KindTeam, name, named{name}, teamSpecOf(s.Teams[name]), teamSpec{}); err != nil {
			return nil, err
		}
	}
	for _, b := range s.Bindings {
		if err := add(KindRoleBinding, b.Name, named{b.Name}, bindingSpec{b.Subject, b.Role, b.Resource}, bindingSpec{}); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Providers)) {
		if err := add(KindGitProvider, name, named{name}, s.Providers[name].spec(), providerSpec{}); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func object(kind, name string, metadata, spec, byDefault any) (Object, error) {
	body := mapping{{"apiVersion", scalarNode{text: APIVersion}}, {"kind", scalarNode{text: kind}}}
	m, err := nodeOf(reflect.ValueOf(metadata), reflect.Zero(reflect.TypeOf(metadata)))
	if err != nil {
		return Object{}, fmt.Errorf("write %s %s: %w", kind, name, err)
	}
	n, err := nodeOf(reflect.ValueOf(spec), reflect.ValueOf(byDefault))
	if err != nil {
		return Object{}, fmt.Errorf("write %s %s: %w", kind, name, err)
	}
	return Object{kind, name, append(body, entry{"metadata", m}, entry{"spec", n})}, nil
}

func teamSpecOf(t Team) teamSpec { return teamSpec{t.Description, t.Members, t.Forge} }

func defaultProfile() profileSpec { return profileSpec{Timeout: sy.Duration(defaultDeployTimeout)} }

func specOf(p deploy.Profile) profileSpec {
	spec := profileSpec{
		Description: p.Description, Image: p.Image, Script: p.Script, Timeout: sy.Duration(p.Timeout), Secrets: p.Secrets,
		Concurrency: p.Concurrency, Network: profileNetwork{p.Network.Hosts}, AzurePipeline: azurePipelineOf(p.Pipeline),
	}
	for _, parameter := range p.Parameters {
		s := parameterSpec{
			Name: parameter.Name, Description: parameter.Description, Type: string(parameter.Type), Pattern: parameter.Pattern,
			Required: parameter.Required, Default: scalar(parameter.Default),
		}
		for _, option := range parameter.Options {
			s.Options = append(s.Options, scalar(option))
		}
		spec.Parameters = append(spec.Parameters, s)
	}
	return spec
}

// YAML writes objects as one file of manifests.
func YAML(objects []Object) []byte {
	var b bytes.Buffer
	for i, o := range objects {
		if i > 0 {
			b.WriteString("---\n")
		}
		writeYAML(&b, o.body, 0)
	}
	return b.Bytes()
}

// Select keeps the objects of a kind, and of that those with a name. Both may be
// empty. A kind may be written in any case and in the plural, a profile's name
// without its environment.
func Select(objects []Object, kind, name string) ([]Object, error) {
	if kind == "" {
		return objects, nil
	}
	wanted, err := kindNamed(kind)
	if err != nil {
		return nil, err
	}
	var found []Object
	var names []string
	for _, o := range objects {
		if o.Kind != wanted {
			continue
		}
		names = append(names, o.Name)
		_, short, _ := strings.Cut(o.Name, "/")
		if name == "" || o.Name == name || short == name {
			found = append(found, o)
		}
	}
	if name != "" && len(found) == 0 {
		return nil, fmt.Errorf("there is no %s %q%s", wanted, name, sy.Nearest(name, names))
	}
	return found, nil
}

// kindNamed finds a kind by what people call it.
func kindNamed(word string) (string, error) {
	short := map[string]string{"profile": KindDeploymentProfile, "binding": KindRoleBinding, "provider": KindGitProvider}
	singular := strings.TrimSuffix(strings.ToLower(word), "s")
	if kind, ok := short[singular]; ok {
		return kind, nil
	}
	for _, kind := range kinds {
		if strings.ToLower(kind) == singular {
			return kind, nil
		}
	}
	return "", fmt.Errorf("unknown kind %q%s", word, sy.Nearest(word, kinds))
}
