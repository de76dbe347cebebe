package contract

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

func loadGraphQL() (*ast.Schema, error) {
	text, err := unpack("schema.graphql.gz")
	if err != nil {
		return nil, err
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: string(text)})
	if err != nil {
		return nil, fmt.Errorf("loading the GraphQL schema: %w", err)
	}
	return schema, nil
}

// GraphQL holds a query and its variables against the schema.
func (v *Validator) GraphQL(query string, variables map[string]any) {
	_, faults := v.parseGraphQL(query, variables)
	v.report(Finding{Method: "GRAPHQL", Side: Request}, faults...)
}

// parseGraphQL returns the operations of a query; nil if there are faults.
func (v *Validator) parseGraphQL(query string, variables map[string]any) (ast.OperationList, []fault) {
	doc, err := parser.ParseQuery(&ast.Source{Input: query})
	if err != nil {
		return nil, []fault{{message: err.Error()}}
	}
	var faults []fault
	for _, found := range validator.ValidateWithRules(v.published.graphql, doc, rules.NewDefaultRules()) {
		faults = append(faults, fault{message: found.Error()})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	for _, operation := range doc.Operations {
		if _, err := validator.VariableValues(v.published.graphql, operation, variables); err != nil {
			return nil, []fault{{message: gqlerror.WrapIfUnwrapped(err).Error()}}
		}
	}
	return doc.Operations, nil
}

// checkGraphQL reports on a request and returns the check of the answer.
func (v *Validator) checkGraphQL(x *exchange) func() {
	about := Finding{Method: "GRAPHQL", Path: x.path, Side: Request}
	var body struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	if err := json.Unmarshal(x.requestBody, &body); err != nil {
		v.report(about, fault{message: "the body is not JSON: " + err.Error()})
		return func() {}
	}
	operations, faults := v.parseGraphQL(body.Query, body.Variables)
	v.report(about, faults...)
	by := caller(x.request.Header.Get("Authorization"))
	for _, operation := range operations {
		for _, field := range fieldsOf(operation.SelectionSet) {
			about.Operation = field.Name
			v.saw("GRAPHQL "+field.Name, by)
		}
	}
	return func() {
		about.Side, about.Status = Response, x.answer.status
		v.report(about, graphQLAnswer(x.answer, operations)...)
	}
}

// graphQLAnswer checks that an answer has errors, or the data that was asked for.
func graphQLAnswer(answer *recorder, operations ast.OperationList) []fault {
	if answer.status == http.StatusUnauthorized || answer.status == http.StatusForbidden || answer.status >= 500 {
		if answer.status == http.StatusNotImplemented {
			return []fault{{message: "not implemented"}}
		}
		return nil
	}
	if answer.status != http.StatusOK {
		return []fault{{message: "GraphQL answers 200, also with errors"}}
	}
	var body struct {
		Data   map[string]any
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal(answer.body.Bytes(), &body); err != nil {
		return []fault{{message: "is not JSON: " + err.Error()}}
	}
	if len(body.Errors) > 0 {
		if body.Errors[0].Message == "" {
			return []fault{{"/errors/0/message", "is missing"}}
		}
		return nil
	}
	var faults []fault
	for _, operation := range operations {
		faults = append(faults, selected(operation.SelectionSet, body.Data, "/data")...)
	}
	return faults
}

// selected compares an object with what was selected of it: each field is there, null only where it may be.
func selected(set ast.SelectionSet, got map[string]any, pointer string) []fault {
	var faults []fault
	for _, field := range fieldsOf(set) {
		at := pointer + "/" + field.Alias
		value, ok := got[field.Alias]
		switch {
		case !ok:
			faults = append(faults, fault{at, "was asked for and is missing"})
		case value == nil && field.Definition.Type.NonNull:
			faults = append(faults, fault{at, "is null, which the schema excludes"})
		case value != nil && len(field.SelectionSet) > 0:
			inner, ok := value.(map[string]any)
			if !ok {
				faults = append(faults, fault{at, "is no object"})
				continue
			}
			faults = append(faults, selected(field.SelectionSet, inner, at)...)
		}
	}
	return faults
}

// fieldsOf are the fields of a selection set, those of its fragments included.
func fieldsOf(set ast.SelectionSet) []*ast.Field {
	var fields []*ast.Field
	for _, selection := range set {
		switch selection := selection.(type) {
		case *ast.Field:
			fields = append(fields, selection)
		case *ast.InlineFragment:
			fields = append(fields, fieldsOf(selection.SelectionSet)...)
		case *ast.FragmentSpread:
			fields = append(fields, fieldsOf(selection.Definition.SelectionSet)...)
		}
	}
	return fields
}
