package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/parser"
)

// mutations are the ones that the REST API has no counterpart for.
var mutations = []string{"convertPullRequestToDraft", "markPullRequestReadyForReview"}

// queries are kept so that a client can ask who it is and how much it may still ask; a schema needs a query type.
var queries = []string{"rateLimit", "viewer"}

// entities are the types of which only the fields with scalar values are kept: each has hundreds of others, which
// together reach the whole schema.
var entities = []string{"Query", "Mutation", "PullRequest", "User"}

// trimGraphQL keeps the mutations, their inputs and payloads, and the scalar fields of what they return.
func trimGraphQL(pkg *archive, _ string) ([]byte, error) {
	text, err := pkg.read("package/schema.graphql")
	if err != nil {
		return nil, err
	}
	doc, parseErr := parser.ParseSchema(&ast.Source{Name: "schema.graphql", Input: string(text)})
	if parseErr != nil {
		return nil, fmt.Errorf("parsing the schema: %w", parseErr)
	}
	kept := &ast.SchemaDocument{}
	t := graphTrim{all: doc.Definitions, kept: kept}
	t.keep("Query")
	t.keep("Mutation")
	slices.SortFunc(kept.Definitions, func(a, b *ast.Definition) int { return strings.Compare(a.Name, b.Name) })
	var out bytes.Buffer
	fmt.Fprintf(&out, "# From %s %s, MIT, see LICENSE.octokit.\n", pkg.name, pkg.version)
	formatter.NewFormatter(&out, formatter.WithoutDescription()).FormatSchemaDocument(kept)
	return out.Bytes(), nil
}

type graphTrim struct {
	all  ast.DefinitionList
	kept *ast.SchemaDocument
}

// keep copies a type and the types that its remaining fields name. Built-in scalars have no definition.
func (t *graphTrim) keep(name string) {
	def := t.all.ForName(name)
	if def == nil || t.kept.Definitions.ForName(name) != nil {
		return
	}
	def.Directives, def.Interfaces = nil, nil
	t.kept.Definitions = append(t.kept.Definitions, def)
	def.Fields = slices.DeleteFunc(def.Fields, func(f *ast.FieldDefinition) bool { return !t.wanted(def, f) })
	for _, field := range def.Fields {
		field.Directives = nil
		t.keep(field.Type.Name())
		for _, argument := range field.Arguments {
			argument.Directives = nil
			t.keep(argument.Type.Name())
		}
	}
}

func (t *graphTrim) wanted(def *ast.Definition, field *ast.FieldDefinition) bool {
	switch {
	case def.Name == "Mutation":
		return slices.Contains(mutations, field.Name)
	case def.Name == "Query":
		return slices.Contains(queries, field.Name)
	case def.Kind == ast.InputObject || def.Kind == ast.Enum:
		return true
	}
	result := t.all.ForName(field.Type.Name())
	if result == nil || result.Kind == ast.Scalar || result.Kind == ast.Enum {
		return true
	}
	return !slices.Contains(entities, def.Name) && (slices.Contains(entities, result.Name) || result.Name == "Actor")
}
