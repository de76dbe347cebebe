package contract

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
)

// Validator collects what does not fit. It is safe for concurrent use; each has its own findings, all share the
// parsed descriptions.
type Validator struct {
	published *published
	allowed   allowances

	mu       sync.Mutex
	findings []Finding
	seen     map[string]map[Caller]bool // operations by caller
}

// published are the parsed descriptions.
type published struct {
	rest     *schemas
	routes   routes
	webhooks *schemas
	graphql  *ast.Schema
}

// load parses the descriptions once in a process.
var load = sync.OnceValues(parsePublished)

func parsePublished() (*published, error) {
	rest, err := unpackObject("rest.json.gz")
	if err != nil {
		return nil, err
	}
	webhooks, err := unpackObject("webhooks.json.gz")
	if err != nil {
		return nil, err
	}
	p := &published{}
	if p.routes, err = newRoutes(rest); err != nil {
		return nil, err
	}
	if err = correct(rest); err != nil {
		return nil, err
	}
	if p.rest, err = newSchemas(rest, openAPI30); err != nil {
		return nil, err
	}
	if p.webhooks, err = newSchemas(webhooks, openAPI31); err != nil {
		return nil, err
	}
	if p.graphql, err = loadGraphQL(); err != nil {
		return nil, err
	}
	return p, nil
}

// New returns a validator without findings.
func New() (*Validator, error) {
	p, err := load()
	if err != nil {
		return nil, fmt.Errorf("loading GitHub's published contract: %w", err)
	}
	return &Validator{
		published: p,
		allowed:   allowances{used: map[int]bool{}},
		seen:      map[string]map[Caller]bool{},
	}, nil
}

// Findings returns what did not fit so far, in the order it was seen.
func (v *Validator) Findings() []Finding {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.findings)
}

// Caller is who made a request, told by the form of the credential.
type Caller string

// The callers that credentials tell apart.
const (
	AsApp          Caller = "app"          // a JSON Web Token signed with the App's key
	AsInstallation Caller = "installation" // an installation's token, ghs_…
	AsOther        Caller = "other"        // a person's token, or none
)

// Operations returns the operations that were called as the App or as one of its installations, each as
// "METHOD PATH" with the path as in the description, or "GRAPHQL mutationName"; sorted. [Permission] tells which
// permission each needs.
func (v *Validator) Operations() []string {
	return v.OperationsBy(AsApp, AsInstallation)
}

// OperationsBy returns the operations called by any of the callers, in the form of [Validator.Operations].
func (v *Validator) OperationsBy(callers ...Caller) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []string
	for operation, by := range v.seen {
		if slices.ContainsFunc(callers, func(c Caller) bool { return by[c] }) {
			list = append(list, operation)
		}
	}
	slices.Sort(list)
	return list
}

func (v *Validator) saw(operation string, by Caller) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seen[operation] == nil {
		v.seen[operation] = map[Caller]bool{}
	}
	v.seen[operation][by] = true
}

// caller reads an Authorization header.
func caller(authorization string) Caller {
	_, credential, _ := strings.Cut(authorization, " ")
	switch {
	case strings.HasPrefix(credential, "ghs_"):
		return AsInstallation
	case strings.Count(credential, ".") == 2:
		return AsApp
	}
	return AsOther
}

// report records a finding for each fault that no exception lets pass.
func (v *Validator) report(about Finding, faults ...fault) {
	for _, f := range faults {
		about.Pointer, about.Message = f.pointer, f.message
		if v.allowed.allow(about) {
			continue
		}
		v.mu.Lock()
		v.findings = append(v.findings, about)
		v.mu.Unlock()
	}
}

// AllOperations are the rows of operations.txt.
func AllOperations() ([]string, error) { return rows("operations.txt") }
