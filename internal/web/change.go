package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// Bounds of one change of the manifests.
const (
	maxManifests   = 1 << 20 // bytes of the body
	maxFiles       = 200
	maxFileName    = 200 // bytes
	maxLookups     = 50  // names that the forge is asked about
	lookupTime     = 15 * time.Second
	changesAtOnce  = 4 // of everybody together; each reads up to maxManifests of YAML
	maxShownText   = 500
	maxShownValue  = 200
	maxShownChecks = 50
)

// changeBody is what POST /manifests takes.
type changeBody struct {
	Files     map[string]string `json:"files"`
	Mode      string            `json:"mode"` // replace, which is the default, or merge
	Delete    []manifest.Key    `json:"delete"`
	DryRun    bool              `json:"dryRun"`
	IfVersion string            `json:"ifVersion"` // "none": if nothing is in force
}

// The modes.
const (
	modeReplace = "replace"
	modeMerge   = "merge"
)

func (b *changeBody) check() error {
	switch {
	case b.Mode == "":
		b.Mode = modeReplace
	case b.Mode != modeReplace && b.Mode != modeMerge:
		return bad("mode: want replace or merge")
	}
	switch {
	case b.Mode == modeReplace && len(b.Delete) > 0:
		return bad("delete: what is not given is removed in the mode replace; the mode merge deletes")
	case b.Mode == modeReplace && len(b.Files) == 0:
		return bad("files: want at least one; replacing everything by nothing would leave nobody who may do anything")
	case len(b.Files) > maxFiles:
		return bad(fmt.Sprintf("files: want at most %d", maxFiles))
	}
	for name := range b.Files {
		if name == "" || len(name) > maxFileName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == ':' }) {
			return bad(fmt.Sprintf("files: want names of 1 to %d bytes without control characters and colons", maxFileName))
		}
	}
	return nil
}

// changeManifests puts manifests in force, if the caller may make every part of
// the change. The whole way is one decision about one version: whoever was faster
// wins, and the other is told.
func changeManifests(c *call) error {
	body := bodyOf[changeBody](c)
	if err := body.check(); err != nil {
		return err
	}
	if c.token.Scope.Narrowed() {
		reason := policy.No("a token that is narrowed to permissions or environments changes no manifests; use one that is not")
		return &apiError{status: http.StatusForbidden, text: "this token changes no manifests", reason: &reason}
	}
	free, err := c.seat()
	if err != nil {
		return err
	}
	defer free()
	e, err := c.edit(body)
	if err != nil {
		return err
	}
	decision := e.decide()
	if !decision.Allowed {
		return e.refuse(decision, body.DryRun)
	}
	if body.DryRun || e.after.Version == e.was.Version {
		return e.answer(decision, false)
	}
	if err := e.unfrozen(); err != nil {
		return err
	}
	err = c.s.API.Manifests.PutInForce(c.Request().Context(), e.record(nil))
	if errors.Is(err, task.ErrStale) {
		return &apiError{status: http.StatusConflict, text: "somebody else put manifests in force meanwhile, so nothing was changed; look at what is in force now and try again"}
	}
	if err != nil {
		return err
	}
	return e.answer(decision, true)
}

// seat is a place for the work of a change, one for each subject.
func (c *call) seat() (free func(), err error) {
	const text = "too many changes of manifests at the same time"
	own, ok := c.s.changes.take(c.user.Subject.String())
	if !ok {
		return nil, tooMany(time.Second, text)
	}
	all, ok := c.s.allChanges.take("")
	if !ok {
		own()
		return nil, tooMany(time.Second, text)
	}
	return func() { all(); own() }, nil
}

// edit is one change on its way.
type edit struct {
	c       *call
	was     InForce
	sight   *sight
	after   *manifest.Set
	rules   *policy.Policy // after it
	changes []manifest.Change
}

func (c *call) edit(body *changeBody) (*edit, error) {
	now, s, err := c.sight()
	if err != nil {
		return nil, err
	}
	if wanted := body.IfVersion; wanted != "" && wanted != now.Version && (wanted != "none" || now.Version != "") {
		return nil, &apiError{status: http.StatusConflict, text: "another version is in force than ifVersion says, so nothing was changed; look at what is in force now and try again"}
	}
	e := &edit{c: c, was: now, sight: s}
	if e.after, err = e.read(body); err != nil {
		return nil, err
	}
	if e.changes, err = manifest.Diff(now.Set, e.after); err != nil {
		return nil, err
	}
	if err := e.checkSite(); err != nil {
		return nil, err
	}
	e.rules = c.s.API.Site.PolicyOf(e.after)
	return e, nil
}

// read parses what is given; mistakes are the caller's, all of them at once.
func (e *edit) read(body *changeBody) (*manifest.Set, error) {
	files := map[string][]byte{}
	for name, text := range body.Files {
		files[name] = []byte(text)
	}
	ctx, cancel := context.WithTimeout(e.c.Request().Context(), lookupTime)
	defer cancel()
	logins := &lookups{site: e.c.s.API.Site, s: e.sight}
	var set *manifest.Set
	var err error
	if body.Mode == modeMerge {
		set, err = manifest.Merge(ctx, logins, e.was.Set, manifest.Edit{Files: files, Delete: body.Delete, Sees: e.sight.sees})
	} else {
		set, err = manifest.ParseWith(ctx, logins, files)
	}
	if err != nil {
		return nil, mistaken(manifest.Problems(err)...)
	}
	return set, nil
}

func mistaken(problems ...string) error {
	for i, text := range problems {
		problems[i] = line(text, maxShownText)
	}
	return &apiError{status: http.StatusUnprocessableEntity, text: "there are mistakes in the manifests; nothing was put in force", problems: problems}
}

// line is hostile text as one bounded line that nothing acts on.
func line(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strings.ReplaceAll(string(inert([]byte(text))), "\n", `\u000a`)
}

// checkSite looks at the environments that change alone: what is in force already
// is not the caller's mistake.
func (e *edit) checkSite() error {
	var problems []string
	for _, change := range e.changes {
		if change.Kind != manifest.KindEnvironment || change.Act == manifest.Removed {
			continue
		}
		if err := e.c.s.API.Site.CheckSet(e.after, change.Name); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) > 0 {
		return mistaken(problems...)
	}
	return nil
}

// record is the change for the store.
func (e *edit) record(refusals []string) ManifestChange {
	return ManifestChange{
		Was: e.was, Set: e.after, By: e.c.user.Subject.String(), Changes: e.changes, Refusals: refusals,
		Token: e.c.token.ID, Request: requestID(e.c),
	}
}
