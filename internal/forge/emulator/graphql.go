package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/graphql-go/graphql/language/ast"
	"github.com/graphql-go/graphql/language/parser"
)

// graphQLRequest is the body of POST /api/graphql.
type graphQLRequest struct {
	Query         string         `json:"query"`
	Variables     map[string]any `json:"variables"`
	OperationName string         `json:"operationName"`
}

// draftMutations are the whole of GraphQL here; the value is the draft state that they leave.
var draftMutations = map[string]bool{"markPullRequestReadyForReview": false, "convertPullRequestToDraft": true}

// serveGraphQL answers 200 with an errors list on failure, as GraphQL does, and 401 for bad credentials.
func (f *Forge) serveGraphQL(w http.ResponseWriter, r *http.Request) {
	var in graphQLRequest
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAPIBody)).Decode(&in)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rateHeaders(w.Header())
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(obj{"message": "Problems parsing JSON", "documentation_url": docsAddress})
		return
	}
	who, err := f.authenticate(r)
	if err == nil && (who.anonymous() || who.isApp() || who.grant != nil) {
		err = failure(http.StatusUnauthorized, "This endpoint requires you to be authenticated.")
	}
	if err != nil {
		message := err.Error()
		if api, is := errors.AsType[*apiError](err); is {
			message = api.message
		}
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(obj{"message": message, "documentation_url": docsAddress})
		return
	}
	data, failed := f.executeGraphQL(who, in)
	answer := obj{"data": data}
	if failed != nil {
		answer["errors"] = []obj{failed}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func graphQLError(kind, message string) obj {
	return obj{"type": kind, "message": message, "path": []string{}, "locations": []obj{{"line": 1, "column": 1}}}
}

// executeGraphQL runs the one operation of the document.
func (f *Forge) executeGraphQL(who caller, in graphQLRequest) (any, obj) {
	doc, err := parser.Parse(parser.ParseParams{Source: in.Query})
	if err != nil {
		return nil, graphQLError("PARSE", err.Error())
	}
	unknown := func(what string) (any, obj) {
		f.recordUnknown("GraphQL " + what)
		return nil, graphQLError("NOT_IMPLEMENTED", "The local forge does not know: GraphQL "+what)
	}
	if len(doc.Definitions) != 1 {
		return unknown("document with several definitions")
	}
	op, is := doc.Definitions[0].(*ast.OperationDefinition)
	if !is || op.Operation != "mutation" || len(op.SelectionSet.Selections) != 1 {
		return unknown(in.Query)
	}
	field, is := op.SelectionSet.Selections[0].(*ast.Field)
	if !is {
		return unknown(in.Query)
	}
	draft, known := draftMutations[field.Name.Value]
	if !known {
		return unknown("mutation " + field.Name.Value)
	}
	p, failed := f.graphQLPull(who, field, in.Variables)
	if failed != nil {
		return nil, failed
	}
	if field.SelectionSet == nil {
		return unknown(field.Name.Value + " without a selection")
	}
	before := p.draft
	p.draft = draft
	result, err := selectPayload(field.SelectionSet, p, in.Variables)
	p.draft = before
	if err != nil {
		return unknown(err.Error())
	}
	f.setDraft(p, who, draft)
	return obj{responseKey(field): result}, nil
}

// graphQLPull finds the pull request that input.pullRequestId names and checks that the caller may change it.
func (f *Forge) graphQLPull(who caller, field *ast.Field, variables map[string]any) (*pull, obj) {
	input := obj{}
	for _, arg := range field.Arguments {
		if arg.Name.Value == "input" {
			input, _ = literal(arg.Value, variables).(map[string]any)
		}
	}
	id, _ := input["pullRequestId"].(string)
	missing := graphQLError("NOT_FOUND", fmt.Sprintf("Could not resolve to a node with the global id of '%s'", id))
	for _, r := range f.repos {
		for _, p := range r.pulls() {
			if nodeID("PR", p.id) != id {
				continue
			}
			switch {
			case !who.sees(r):
				return nil, missing
			// An App needs both, as GitHub does not document: https://github.com/cli/cli/discussions/6924
			case who.token != nil && !(who.token.allows(r, "pull_requests", "write") && who.token.allows(r, "contents", "write")):
				return nil, graphQLError("FORBIDDEN", "Resource not accessible by integration")
			case who.token == nil && r.level(who.user) < levelWrite && p.issue.author != who.user:
				return nil, graphQLError("FORBIDDEN", who.user.login+" does not have the correct permissions to execute this mutation")
			case !p.issue.open:
				return nil, graphQLError("UNPROCESSABLE", "Pull request is closed")
			}
			return p, nil
		}
	}
	return nil, missing
}

// literal evaluates an argument; variables may stand anywhere in it.
func literal(v ast.Value, variables map[string]any) any {
	switch v := v.(type) {
	case *ast.Variable:
		return variables[v.Name.Value]
	case *ast.StringValue:
		return v.Value
	case *ast.ObjectValue:
		out := map[string]any{}
		for _, field := range v.Fields {
			out[field.Name.Value] = literal(field.Value, variables)
		}
		return out
	default:
		return nil
	}
}

// selectPayload answers the selection on the mutation's payload.
func selectPayload(set *ast.SelectionSet, p *pull, variables map[string]any) (any, error) {
	return selectFields(set, map[string]func(*ast.Field) (any, error){
		"clientMutationId": func(*ast.Field) (any, error) {
			input, _ := variables["input"].(map[string]any)
			return input["clientMutationId"], nil
		},
		"pullRequest": func(field *ast.Field) (any, error) {
			if field.SelectionSet == nil {
				return nil, fmt.Errorf("pullRequest without a selection")
			}
			return selectPull(field.SelectionSet, p)
		},
	})
}

func selectPull(set *ast.SelectionSet, p *pull) (any, error) {
	state := "OPEN"
	switch {
	case !p.merged.IsZero():
		state = "MERGED"
	case !p.issue.open:
		state = "CLOSED"
	}
	values := obj{"id": nodeID("PR", p.id), "databaseId": p.id, "fullDatabaseId": str(p.id), "number": p.issue.number,
		"isDraft": p.draft, "state": state, "title": p.issue.title, "headRefOid": p.headSHA, "headRefName": p.headRef,
		"baseRefName": p.baseRef, "__typename": "PullRequest"}
	fields := map[string]func(*ast.Field) (any, error){}
	for name, value := range values {
		fields[name] = func(*ast.Field) (any, error) { return value, nil }
	}
	return selectFields(set, fields)
}

// selectFields answers exactly what was selected; a field it does not know is an error.
func selectFields(set *ast.SelectionSet, known map[string]func(*ast.Field) (any, error)) (any, error) {
	out := obj{}
	for _, selection := range set.Selections {
		field, is := selection.(*ast.Field)
		if !is {
			return nil, fmt.Errorf("fragment")
		}
		resolve := known[field.Name.Value]
		if resolve == nil {
			return nil, fmt.Errorf("field %s", field.Name.Value)
		}
		value, err := resolve(field)
		if err != nil {
			return nil, err
		}
		out[responseKey(field)] = value
	}
	return out, nil
}

func responseKey(field *ast.Field) string {
	if field.Alias != nil {
		return field.Alias.Value
	}
	return field.Name.Value
}
