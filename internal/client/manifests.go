package client

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/policy"
)

// Object names a manifest.
type Object struct {
	Kind        string `json:"kind"`
	Name        string `json:"name"`
	Environment string `json:"environment,omitempty"` // of a deployment profile
}

// ObjectNamed takes a full name apart: that of a profile is ENVIRONMENT/NAME.
func ObjectNamed(kind, name string) Object {
	if environment, short, found := strings.Cut(name, "/"); found {
		return Object{kind, short, environment}
	}
	return Object{Kind: kind, Name: name}
}

// FullName is the name with the environment that it is in.
func (o Object) FullName() string {
	if o.Environment == "" {
		return o.Name
	}
	return o.Environment + "/" + o.Name
}

// Manifest is one that is in force.
type Manifest struct {
	Object
	Manifest json.RawMessage `json:"manifest"` // the document
}

// Manifests are what the caller may see of what is in force.
type Manifests struct {
	Version   string     `json:"version"`
	AppliedAt time.Time  `json:"appliedAt"`
	AppliedBy string     `json:"appliedBy"`
	Complete  bool       `json:"complete"` // nothing was left out
	Items     []Manifest `json:"items"`
	YAML      string     `json:"yaml"` // the same, as apply reads it
}

// Manifests reads what is in force. Empty words of the object select all.
func (c *Client) Manifests(ctx context.Context, o Object) (Manifests, error) {
	var m Manifests
	return m, c.get(ctx, &m, given("kind", o.Kind, "name", o.Name, "environment", o.Environment), "manifests")
}

// AppliedVersion is a version of the manifests that was put in force.
type AppliedVersion struct {
	Version   string    `json:"version"`
	AppliedAt time.Time `json:"appliedAt"`
	AppliedBy string    `json:"appliedBy"`
}

// ManifestHistory lists versions, newest first.
func (c *Client) ManifestHistory(ctx context.Context, limit int) ([]AppliedVersion, error) {
	return list[AppliedVersion](ctx, c, limit, given(), "manifests", "history")
}

// Modes of an application.
const (
	Replace = "replace" // what is given replaces everything
	Merge   = "merge"   // what is given replaces its likes; the rest stays
)

// Application is a change of the manifests.
type Application struct {
	Files     map[string]string `json:"files"` // contents by name
	Mode      string            `json:"mode"`
	Delete    []Object          `json:"delete,omitempty"` // with Merge
	DryRun    bool              `json:"dryRun"`
	IfVersion string            `json:"ifVersion,omitempty"`
}

// Change is one object that an application makes, changes or removes.
type Change struct {
	Action string `json:"action"` // add, change or remove
	Object
	Diff []string `json:"diff,omitempty"`
}

// Applied is what an application did, or with DryRun would do.
type Applied struct {
	Version  string          `json:"version"`
	Applied  bool            `json:"applied"`
	Changes  []Change        `json:"changes"`
	Hidden   int             `json:"hidden"` // changes that the caller may not see
	Decision policy.Decision `json:"decision"`
}

// Apply changes the manifests that are in force.
func (c *Client) Apply(ctx context.Context, a Application) (Applied, error) {
	if a.Files == nil {
		a.Files = map[string]string{}
	}
	var done Applied
	return done, c.Do(ctx, http.MethodPost, []string{"manifests"}, nil, a, &done)
}
