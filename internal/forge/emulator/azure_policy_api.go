package emulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (f *Forge) policyTypeJSON(project *user, kind string) obj {
	return obj{"id": kind, "displayName": policyNames[kind], "url": f.orgURL() + "/" + f.projectGUID(project) + "/_apis/policy/types/" + kind}
}

func (f *Forge) policyJSON(p *policy) obj {
	settings := obj{"scope": []obj{{"refName": "refs/heads/" + p.branch, "matchKind": "Exact", "repositoryId": f.repoGUID(p.repo)}}}
	switch s := p.settings; {
	case s.Reviewers != nil:
		settings["minimumApproverCount"], settings["creatorVoteCounts"] = s.Reviewers.Minimum, s.Reviewers.CreatorVoteCounts
		settings["allowDownvotes"], settings["resetOnSourcePush"] = s.Reviewers.AllowDownvotes, s.Reviewers.ResetOnSourcePush
	case s.Status != nil:
		settings["statusGenre"], settings["statusName"] = s.Status.Genre, s.Status.Name
		settings["authorId"], settings["defaultDisplayName"], settings["invalidateOnSourceUpdate"], settings["policyApplicability"] = orNull(s.Status.AuthorGUID), nil, true, nil
	case s.Build != nil:
		settings["buildDefinitionId"], settings["displayName"], settings["queueOnSourceUpdateOnly"] = s.Build.PipelineID, orNull(s.Build.Name), true
		settings["manualQueueOnly"], settings["validDuration"] = false, 0
	}
	self := f.orgURL() + "/" + f.projectGUID(p.repo.owner) + "/_apis/policy/configurations/" + strconv.Itoa(p.id)
	return obj{"id": p.id, "type": f.policyTypeJSON(p.repo.owner, p.kind), "revision": 1, "url": self, "_links": obj{"self": href(self)},
		"createdBy": f.identityRef(p.creator), "createdDate": azureDate(p.repo.created), "isEnabled": !p.disabled, "isBlocking": p.blocking,
		"isDeleted": false, "isEnterpriseManaged": false, "settings": settings}
}

// allPolicies are the project's, with those that come of Protect.
func (c *azureCall) allPolicies() []*policy {
	var out []*policy
	for _, r := range c.f.repos {
		if r.owner != c.project || r.level(c.who.user) < levelRead {
			continue
		}
		branches := sortedKeys(r.protections)
		for _, p := range c.f.azure.policies {
			if p.repo == r {
				branches = append(branches, p.branch)
			}
		}
		slices.Sort(branches)
		for _, branch := range slices.Compact(branches) {
			out = append(out, c.f.policiesOf(r, branch)...)
		}
	}
	for _, p := range c.f.azure.policies {
		if p.disabled && p.repo.owner == c.project && p.repo.level(c.who.user) >= levelRead {
			out = append(out, p)
		}
	}
	return out
}

func (c *azureCall) listPolicies() (response, error) {
	if c.param("scope") != "" {
		return response{}, c.unknown("query scope")
	}
	return c.policies(func(p *policy) bool { return matchesQuery(c.param("policyType"), p.kind) })
}

func (c *azureCall) listGitPolicies() (response, error) {
	return c.policies(func(p *policy) bool {
		return matchesQuery(c.param("policyType"), p.kind) && matchesQuery(c.param("repositoryId"), c.f.repoGUID(p.repo)) &&
			matchesQuery(c.param("refName"), "refs/heads/"+p.branch)
	})
}

func (c *azureCall) policies(wanted func(*policy) bool) (response, error) {
	out := []obj{}
	for _, p := range c.allPolicies() {
		if wanted(p) {
			out = append(out, c.f.policyJSON(p))
		}
	}
	return c.pageOf(out, 1000)
}

func (c *azureCall) wantedPolicy() (*policy, error) {
	for _, p := range c.allPolicies() {
		if p.id == c.num("configurationId") {
			return p, nil
		}
	}
	return nil, azureFailure(http.StatusNotFound, "PolicyConfigurationNotFoundException", "TF402459: The policy configuration with ID %s was not found.", c.vars["configurationId"])
}

// editablePolicy is one that can be changed here: those of Protect, which have no id, cannot.
func (c *azureCall) editablePolicy() (*policy, error) {
	p, err := c.wantedPolicy()
	if err != nil {
		return nil, err
	}
	if p.id == 0 {
		return nil, c.unknown("policy of a protected branch")
	}
	return p, c.mayEditPolicies(p.repo)
}

func (c *azureCall) getPolicy() (response, error) {
	p, err := c.wantedPolicy()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.policyJSON(p))
}

type policyInput struct {
	ID       int  `json:"id"`
	Enabled  bool `json:"isEnabled"`
	Blocking bool `json:"isBlocking"`
	Type     struct {
		ID   string `json:"id"`
		Name string `json:"displayName"`
		URL  string `json:"url"`
	} `json:"type"`
	Settings struct {
		Minimum    int     `json:"minimumApproverCount"`
		Creator    bool    `json:"creatorVoteCounts"`
		Downvotes  bool    `json:"allowDownvotes"`
		Reset      bool    `json:"resetOnSourcePush"`
		Genre      string  `json:"statusGenre"`
		Name       string  `json:"statusName"`
		Author     *string `json:"authorId"`
		Invalidate *bool   `json:"invalidateOnSourceUpdate"`
		Default    *string `json:"defaultDisplayName"`
		Applies    any     `json:"policyApplicability"`
		Build      int     `json:"buildDefinitionId"`
		Display    *string `json:"displayName"`
		Queue      *bool   `json:"queueOnSourceUpdateOnly"`
		Manual     *bool   `json:"manualQueueOnly"`
		Valid      float64 `json:"validDuration"`
		Scope      []struct {
			Ref   string `json:"refName"`
			Match string `json:"matchKind"`
			Repo  string `json:"repositoryId"`
		} `json:"scope"`
	} `json:"settings"`
}

// readPolicy takes policies of one branch of one repository, whose policies the caller may edit.
func (c *azureCall) readPolicy() (policyInput, *repository, string, BranchPolicy, error) {
	var in policyInput
	if err := c.decode(&in); err != nil {
		return in, nil, "", BranchPolicy{}, err
	}
	out, err := c.policySettings(in)
	if err != nil {
		return in, nil, "", out, err
	}
	s := in.Settings
	if len(s.Scope) != 1 || !strings.EqualFold(firstOf(s.Scope[0].Match, "Exact"), "exact") {
		return in, nil, "", out, c.unknown("policy scope other than one branch")
	}
	r := c.f.azureRepo(c.project, s.Scope[0].Repo)
	if r == nil || r.level(c.who.user) < levelRead {
		return in, nil, "", out, noRepository(s.Scope[0].Repo)
	}
	out.Optional = !in.Blocking
	return in, r, strings.TrimPrefix(s.Scope[0].Ref, "refs/heads/"), out, c.mayEditPolicies(r)
}

func (c *azureCall) mayEditPolicies(r *repository) error {
	if r.level(c.who.user) < levelAdmin {
		return c.f.needsPermission(c.who.user, "EditPolicies", "branch")
	}
	return nil
}

// policySettings are those of one kind. What the emulator does not act on is refused unless it says what happens here
// anyway.
func (c *azureCall) policySettings(in policyInput) (out BranchPolicy, err error) {
	s := in.Settings
	is := func(value *bool, what bool) bool { return value == nil || *value == what }
	switch in.Type.ID {
	case policyReviewers:
		out.Reviewers = &ReviewersPolicy{Minimum: s.Minimum, CreatorVoteCounts: s.Creator, AllowDownvotes: s.Downvotes, ResetOnSourcePush: s.Reset}
	case policyStatus:
		out.Status = &StatusPolicy{Genre: s.Genre, Name: s.Name}
		set(&out.Status.AuthorGUID, s.Author)
		switch {
		case !is(s.Invalidate, true):
			return out, c.unknown("policy setting invalidateOnSourceUpdate")
		case s.Default != nil && *s.Default != "":
			return out, c.unknown("policy setting defaultDisplayName")
		case s.Applies != nil:
			return out, c.unknown("policy setting policyApplicability")
		}
	case policyBuild:
		out.Build = &BuildPolicy{PipelineID: s.Build}
		set(&out.Build.Name, s.Display)
		switch {
		case c.f.pipelineByID(s.Build) == nil:
			return out, badArgument("The build definition %d does not exist.", s.Build)
		case !is(s.Queue, true):
			return out, c.unknown("policy setting queueOnSourceUpdateOnly")
		case !is(s.Manual, false):
			return out, c.unknown("policy setting manualQueueOnly")
		case s.Valid != 0:
			return out, c.unknown("policy setting validDuration")
		}
	default:
		return out, c.unknown("policy type " + in.Type.ID)
	}
	return out, nil
}

func (c *azureCall) createPolicy() (response, error) {
	in, r, branch, settings, err := c.readPolicy()
	if err != nil {
		return response{}, err
	}
	p := c.f.addPolicy(r, branch, settings, c.who.user)
	p.disabled = !in.Enabled
	return ok(c.f.policyJSON(p))
}

func (c *azureCall) replacePolicy() (response, error) {
	p, err := c.editablePolicy()
	if err != nil {
		return response{}, err
	}
	in, r, branch, settings, err := c.readPolicy()
	if err != nil {
		return response{}, err
	}
	p.repo, p.branch, p.settings, p.disabled, p.blocking = r, branch, settings, !in.Enabled, in.Blocking
	return ok(c.f.policyJSON(p))
}

func (c *azureCall) deletePolicy() (response, error) {
	p, err := c.editablePolicy()
	if err != nil {
		return response{}, err
	}
	c.f.azure.policies = slices.DeleteFunc(c.f.azure.policies, func(x *policy) bool { return x == p })
	return noContent()
}

// listEvaluations is what every policy of the target branch says of one pull request.
func (c *azureCall) listEvaluations() (response, error) {
	var p *pull
	for _, r := range c.f.repos {
		for _, one := range r.pulls() {
			if r.owner == c.project && strings.EqualFold(c.f.artifact(one), c.param("artifactId")) {
				p = one
			}
		}
	}
	if p == nil || p.issue.repo.level(c.who.user) < levelRead {
		return response{}, azureFailure(http.StatusNotFound, "PolicyArtifactNotFoundException", "The artifact %s was not found.", c.param("artifactId"))
	}
	out := []obj{}
	for _, po := range c.f.policiesOf(p.issue.repo, p.baseRef) {
		state, _ := c.f.evaluate(po, p)
		out = append(out, obj{"evaluationId": c.f.guid("evaluation "+str(p.id), int64(po.id)), "artifactId": c.f.artifact(p), "status": state,
			"configuration": c.f.policyJSON(po), "startedDate": azureDate(p.azure.created), "context": nil})
	}
	return listed(c.paging(out, 1000))
}

func (c *azureCall) listPolicyTypes() (response, error) {
	out := []obj{}
	for _, kind := range sortedKeys(policyNames) {
		out = append(out, c.f.policyTypeJSON(c.project, kind))
	}
	return listed(out)
}
