package emulator

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

type refInfo struct{ name, sha, kind string }

// refs lists refs below a prefix, without those of pull requests.
func (f *Forge) refs(r *repository, prefix string) ([]refInfo, error) {
	out, err := f.git.in(r, "for-each-ref", "--format=%(refname) %(objectname) %(objecttype)")
	if err != nil {
		return nil, err
	}
	found := []refInfo{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) == 3 && strings.HasPrefix(fields[0], prefix) && !strings.HasPrefix(fields[0], "refs/pull/") {
			found = append(found, refInfo{fields[0], fields[1], fields[2]})
		}
	}
	return found, nil
}

func (f *Forge) refJSON(r *repository, ref refInfo) obj {
	return obj{"ref": ref.name, "node_id": "REF_" + base64.RawURLEncoding.EncodeToString([]byte(str(r.id)+":"+ref.name)),
		"url":    f.repoURL(r, "/git/"+escapePath(ref.name)),
		"object": obj{"type": ref.kind, "sha": ref.sha, "url": f.repoURL(r, "/git/"+ref.kind+"s/"+ref.sha)}}
}

func (c *call) getRef() (response, error) {
	want := "refs/" + c.vars["ref"]
	refs, err := c.f.refs(c.repo, want)
	if err != nil {
		return response{}, err
	}
	for _, ref := range refs {
		if ref.name == want {
			return ok(c.f.refJSON(c.repo, ref))
		}
	}
	return response{}, c.missingCommit()
}

// missingCommit is 404, or GitHub's 409 in a repository without any commit.
func (c *call) missingCommit() error {
	if refs, err := c.f.refs(c.repo, "refs/"); err == nil && len(refs) == 0 {
		return failure(http.StatusConflict, "Git Repository is empty.")
	}
	return notFound()
}

func (c *call) matchingRefs() (response, error) {
	refs, err := c.f.refs(c.repo, "refs/"+c.vars["ref"])
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, ref := range refs {
		out = append(out, c.f.refJSON(c.repo, ref))
	}
	return pages(out)
}

func (c *call) createRef() (response, error) {
	var in struct {
		Ref string `json:"ref"`
		SHA string `json:"sha"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if _, err := c.f.git.in(c.repo, "check-ref-format", in.Ref); err != nil || !strings.HasPrefix(in.Ref, "refs/") || strings.Count(in.Ref, "/") < 2 {
		return response{}, failure(http.StatusUnprocessableEntity, "%s is not a valid ref name.", in.Ref)
	}
	if !shaPattern.MatchString(in.SHA) || c.f.git.resolve(c.repo, in.SHA) == "" {
		return response{}, failure(http.StatusUnprocessableEntity, "Object does not exist")
	}
	if refs, err := c.f.refs(c.repo, in.Ref); err != nil || slices.ContainsFunc(refs, func(r refInfo) bool { return r.name == in.Ref }) {
		return response{}, failure(http.StatusUnprocessableEntity, "Reference already exists")
	}
	if err := c.f.updateRef(c.repo, c.who, in.Ref, zeroSHA, in.SHA); err != nil {
		return response{}, err
	}
	return created(c.f.refJSON(c.repo, refInfo{in.Ref, in.SHA, "commit"}))
}

func (c *call) patchRef() (response, error) {
	var in struct {
		SHA   string `json:"sha"`
		Force bool   `json:"force"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	ref := "refs/" + c.vars["ref"]
	old, err := c.f.git.line(c.repo, "rev-parse", "--verify", "--quiet", "--end-of-options", ref)
	if err != nil {
		return response{}, failure(http.StatusUnprocessableEntity, "Reference does not exist")
	}
	if !shaPattern.MatchString(in.SHA) || c.f.git.resolve(c.repo, in.SHA) == "" {
		return response{}, failure(http.StatusUnprocessableEntity, "Object does not exist")
	}
	if !in.Force && !c.f.git.isAncestor(c.repo, old, in.SHA) {
		return response{}, failure(http.StatusUnprocessableEntity, "Update is not a fast forward")
	}
	if err := c.f.updateRef(c.repo, c.who, ref, old, in.SHA); err != nil {
		return response{}, err
	}
	return ok(c.f.refJSON(c.repo, refInfo{ref, in.SHA, "commit"}))
}

func (c *call) deleteRef() (response, error) {
	ref := "refs/" + c.vars["ref"]
	old, err := c.f.git.line(c.repo, "rev-parse", "--verify", "--quiet", "--end-of-options", ref)
	if err != nil {
		return response{}, failure(http.StatusUnprocessableEntity, "Reference does not exist")
	}
	if err := c.f.updateRef(c.repo, c.who, ref, old, zeroSHA); err != nil {
		return response{}, err
	}
	return noContent()
}
