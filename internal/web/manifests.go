package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
)

// InForce are the manifests in force at one moment and the rules they make.
type InForce struct {
	Seq       int64  // of the application; 0: none was made
	Version   string // empty: none is in force
	AppliedAt time.Time
	AppliedBy string
	Set       *manifest.Set // empty, not nil, if none is in force
	Policy    *policy.Policy
}

// ManifestChange is one change of the manifests by somebody, for the store and
// the audit log.
type ManifestChange struct {
	Was     InForce
	Set     *manifest.Set
	By      string
	Changes []manifest.Change
	// Refusals are why it may not be made; empty: it may.
	Refusals []string
	// Token and Request are their ids.
	Token, Request string
}

// Manifests are the versions of the manifests.
type Manifests interface {
	InForce(ctx context.Context) (InForce, error)
	// ManifestHistory lists applications before one, 0 for the newest, without
	// their content, newest first.
	ManifestHistory(ctx context.Context, before int64, limit int) ([]InForce, error)
	// PutInForce puts the set in the place of what was, audited, or fails with
	// task.ErrStale if that is in force no more.
	PutInForce(ctx context.Context, c ManifestChange) error
	// NoteRefusedChange audits a refusal.
	NoteRefusedChange(ctx context.Context, c ManifestChange) error
}

// Site is what a set of manifests meets on this server.
type Site interface {
	// PolicyOf are the rules that the set makes here, but for who is in teams at
	// the forge.
	PolicyOf(set *manifest.Set) *policy.Policy
	// CheckSet says why this server cannot serve an environment of the set.
	CheckSet(set *manifest.Set, environment string) error
	manifest.Resolver
	manifest.TeamResolver
}

type objectView struct {
	Kind        string          `json:"kind"`
	Name        string          `json:"name"`
	Environment string          `json:"environment,omitempty"` // of a profile
	Manifest    json.RawMessage `json:"manifest"`
}

type manifestsView struct {
	Version   string       `json:"version"`
	AppliedAt *time.Time   `json:"appliedAt,omitempty"`
	AppliedBy string       `json:"appliedBy,omitempty"`
	Complete  bool         `json:"complete"`
	Items     []objectView `json:"items"`
	YAML      string       `json:"yaml"`
}

// readManifests gives what the caller may see of what is in force.
func readManifests(c *call) error {
	now, s, err := c.sight()
	if err != nil {
		return err
	}
	objects, err := now.Set.Objects()
	if err != nil {
		return err
	}
	visible := s.visible(objects)
	answer := manifestsView{Version: now.Version, Complete: len(visible) == len(objects), Items: []objectView{}}
	if len(visible) > 0 || answer.Complete {
		answer.AppliedAt, answer.AppliedBy = moment(now.AppliedAt), now.AppliedBy
	}
	if visible, err = c.wanted(visible); err != nil {
		return err
	}
	for _, o := range visible {
		v, err := viewObject(o)
		if err != nil {
			return err
		}
		answer.Items = append(answer.Items, v)
	}
	answer.YAML = string(manifest.YAML(visible))
	return c.JSON(http.StatusOK, answer)
}

func viewObject(o manifest.Object) (objectView, error) {
	encoded, err := json.Marshal(o)
	environment, name := profileName(o.Kind, o.Name)
	return objectView{o.Kind, name, environment, encoded}, err
}

// profileName takes the name of a profile apart, and leaves every other.
func profileName(kind, name string) (environment, short string) {
	if kind != manifest.KindDeploymentProfile {
		return "", name
	}
	environment, short, _ = strings.Cut(name, "/")
	return environment, short
}

// wanted are the objects that the query asks for. An object that is not there is
// like one that the caller may not see.
func (c *call) wanted(objects []manifest.Object) ([]manifest.Object, error) {
	kind, name, environment := c.query.Get("kind"), c.query.Get("name"), c.query.Get("environment")
	if kind == "" && name != "" {
		return nil, bad("name: give the kind too")
	}
	if _, err := manifest.Select(nil, kind, ""); err != nil {
		return nil, bad("kind: want a kind of manifest, for example environment, profile, role, team or binding")
	}
	found, err := manifest.Select(objects, kind, name)
	if err != nil {
		return nil, &apiError{status: http.StatusNotFound, text: "there is no such manifest in force, or you may not see it"}
	}
	if environment == "" {
		return found, nil
	}
	var of []manifest.Object
	for _, o := range found {
		in, short := profileName(o.Kind, o.Name)
		if in == environment || o.Kind == manifest.KindEnvironment && short == environment {
			of = append(of, o)
		}
	}
	if name != "" && len(of) == 0 {
		return nil, &apiError{status: http.StatusNotFound, text: "there is no such manifest in force, or you may not see it"}
	}
	return of, nil
}

type applicationView struct {
	Version   string    `json:"version"`
	AppliedAt time.Time `json:"appliedAt"`
	AppliedBy string    `json:"appliedBy"`
}

func manifestHistory(c *call) error {
	limit, err := c.number("limit", pageLength, 1, maxPageLength)
	if err != nil {
		return err
	}
	before, err := c.number("cursor", 0, 1, 1<<62)
	if err != nil {
		return err
	}
	list, err := c.s.API.Manifests.ManifestHistory(c.Request().Context(), before, int(limit))
	if err != nil {
		return err
	}
	answer := page[applicationView]{Items: collect(list, func(m InForce) applicationView {
		return applicationView{m.Version, m.AppliedAt.UTC(), m.AppliedBy}
	})}
	if n := len(list); n == int(limit) && list[n-1].Seq > 1 {
		answer.Cursor = strconv.FormatInt(list[n-1].Seq, 10)
	}
	return c.JSON(http.StatusOK, answer)
}
