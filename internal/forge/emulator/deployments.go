package emulator

import (
	"cmp"
	"net/http"
	"slices"
)

func (c *call) createDeployment() (response, error) {
	var in struct {
		Ref                   string    `json:"ref"`
		Task                  string    `json:"task"`
		AutoMerge             *bool     `json:"auto_merge"`
		RequiredContexts      *[]string `json:"required_contexts"`
		Payload               any       `json:"payload"`
		Environment           string    `json:"environment"`
		Description           *string   `json:"description"`
		TransientEnvironment  bool      `json:"transient_environment"`
		ProductionEnvironment *bool     `json:"production_environment"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	sha := c.f.git.resolve(c.repo, in.Ref)
	if sha == "" {
		return response{}, failure(http.StatusUnprocessableEntity, "No ref found for: %s", in.Ref)
	}
	if err := c.refuseDeployment(in.Ref, sha, in.AutoMerge == nil || *in.AutoMerge, in.RequiredContexts); err != nil {
		return response{}, err
	}
	now := c.f.now()
	d := &deployment{id: c.f.newID(), sha: sha, ref: in.Ref, task: cmp.Or(in.Task, "deploy"),
		environment: cmp.Or(in.Environment, "production"), payload: in.Payload, transient: in.TransientEnvironment,
		creator: c.who.user, via: c.who.via(), created: now, updated: now}
	set(&d.description, in.Description)
	d.production = d.environment == "production"
	set(&d.production, in.ProductionEnvironment)
	c.repo.deployments = append(c.repo.deployments, d)
	c.f.emit(c.repo, c.who.user, "deployment", obj{"action": "created", "deployment": c.f.deploymentJSON(c.repo, d).with(
		obj{"payload": hookPayload(d.payload)}), "workflow": nil, "workflow_run": nil})
	return created(c.f.deploymentJSON(c.repo, d))
}

// refuseDeployment is GitHub's 409: the ref is behind the default branch (unless auto_merge is off), or a
// required context has not succeeded (by default every one that the commit has).
func (c *call) refuseDeployment(ref, sha string, autoMerge bool, contexts *[]string) error {
	if autoMerge && c.f.git.branch(c.repo, ref) != "" && !c.f.git.isAncestor(c.repo, c.f.git.branch(c.repo, c.repo.defaultBranch), sha) {
		return unsupported("POST /repos/{owner}/{repo}/deployments: auto_merge of a ref behind the default branch")
	}
	var required []string
	if contexts != nil {
		required = *contexts
	} else {
		for _, s := range c.repo.statuses {
			if s.sha == sha {
				required = append(required, s.context)
			}
		}
		for _, cr := range c.repo.checks {
			if cr.head == sha {
				required = append(required, cr.name)
			}
		}
	}
	for _, name := range required {
		if c.repo.checkState(name, sha) != "success" {
			return &apiError{status: http.StatusConflict, message: "Conflict: Commit status checks failed for " + ref + "."}
		}
	}
	return nil
}

// hookPayload is an object in webhooks, whatever was sent.
func hookPayload(p any) any {
	if _, is := p.(map[string]any); is {
		return p
	}
	return obj{}
}

func (f *Forge) deploymentJSON(r *repository, d *deployment) obj {
	self := f.repoURL(r, "/deployments/"+str(d.id))
	payload := d.payload
	if payload == nil {
		payload = obj{}
	}
	return obj{
		"url": self, "id": d.id, "node_id": nodeID("DE", d.id), "sha": d.sha, "ref": d.ref, "task": d.task, "payload": payload,
		"original_environment": d.environment, "environment": d.environment, "description": orNull(d.description),
		"creator": f.userJSON(d.creator), "created_at": stamp(d.created), "updated_at": stamp(d.updated),
		"statuses_url": self + "/statuses", "repository_url": f.repoURL(r, ""), "transient_environment": d.transient,
		"production_environment": d.production, "performed_via_github_app": f.appOrNull(d.via),
	}
}

func (c *call) wantedDeployment() (*deployment, error) {
	for _, d := range c.repo.deployments {
		if d.id == c.id("deployment_id") {
			return d, nil
		}
	}
	return nil, notFound()
}

func (c *call) getDeployment() (response, error) {
	d, err := c.wantedDeployment()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.deploymentJSON(c.repo, d))
}

// listDeployments is newest first.
func (c *call) listDeployments() (response, error) {
	out := []obj{}
	for _, d := range slices.Backward(c.repo.deployments) {
		if matchesQuery(c.query.Get("sha"), d.sha) && matchesQuery(c.query.Get("ref"), d.ref) &&
			matchesQuery(c.query.Get("task"), d.task) && matchesQuery(c.query.Get("environment"), d.environment) {
			out = append(out, c.f.deploymentJSON(c.repo, d))
		}
	}
	return pages(out)
}

var deploymentStates = []string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}

func (c *call) createDeploymentStatus() (response, error) {
	var in struct {
		State          string  `json:"state"`
		TargetURL      *string `json:"target_url"`
		LogURL         *string `json:"log_url"`
		Description    *string `json:"description"`
		Environment    *string `json:"environment"`
		EnvironmentURL *string `json:"environment_url"`
		AutoInactive   *bool   `json:"auto_inactive"`
	}
	d, err := c.wantedDeployment()
	if err != nil {
		return response{}, err
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if !slices.Contains(deploymentStates, in.State) {
		return response{}, invalid("DeploymentStatus", "state", "invalid", "")
	}
	s := &deploymentStatus{id: c.f.newID(), state: in.State, environment: d.environment, creator: c.who.user, via: c.who.via(), created: c.f.now()}
	set(&s.targetURL, in.TargetURL)
	set(&s.logURL, in.LogURL)
	set(&s.description, in.Description)
	if err := tooLong("DeploymentStatus", "description", s.description, maxDescription); err != nil {
		return response{}, err
	}
	set(&s.environment, in.Environment)
	set(&s.environmentURL, in.EnvironmentURL)
	s.targetURL = cmp.Or(s.logURL, s.targetURL)
	if in.State == "success" && (in.AutoInactive == nil || *in.AutoInactive) {
		c.deactivate(d)
	}
	d.statuses, d.updated = append(d.statuses, s), s.created
	c.f.emitDeploymentStatus(c.repo, d, s, c.who.user)
	return created(c.f.deploymentStatusJSON(c.repo, d, s))
}

// deactivate marks earlier successful deployments of the environment inactive, as GitHub does unless the
// environment is transient or a production one.
func (c *call) deactivate(newer *deployment) {
	for _, d := range c.repo.deployments {
		if d == newer || d.environment != newer.environment || d.transient || d.production || len(d.statuses) == 0 {
			continue
		}
		if last := d.statuses[len(d.statuses)-1]; last.state == "success" {
			s := *last
			s.id, s.state, s.created = c.f.newID(), "inactive", c.f.now()
			d.statuses = append(d.statuses, &s)
		}
	}
}

func (f *Forge) deploymentStatusJSON(r *repository, d *deployment, s *deploymentStatus) obj {
	self := f.repoURL(r, "/deployments/"+str(d.id))
	o := obj{
		"url": self + "/statuses/" + str(s.id), "id": s.id, "node_id": nodeID("DES", s.id), "state": s.state,
		"creator": f.userJSON(s.creator), "description": s.description, "environment": s.environment,
		"target_url": s.targetURL, "created_at": stamp(s.created),
		"updated_at": stamp(s.created), "deployment_url": self, "repository_url": f.repoURL(r, ""),
		"performed_via_github_app": f.appOrNull(s.via),
	}
	if s.environmentURL != "" {
		o["environment_url"] = s.environmentURL
	}
	if s.logURL != "" {
		o["log_url"] = s.logURL
	}
	return o
}

// emitDeploymentStatus is not sent for inactive, which the event does not know.
func (f *Forge) emitDeploymentStatus(r *repository, d *deployment, s *deploymentStatus, sender *user) {
	if s.state == "inactive" {
		return
	}
	f.emit(r, sender, "deployment_status", obj{"action": "created", "deployment_status": f.deploymentStatusJSON(r, d, s),
		"deployment": f.deploymentJSON(r, d).with(obj{"payload": hookPayload(d.payload)})})
}

// listDeploymentStatuses is newest first.
func (c *call) listDeploymentStatuses() (response, error) {
	d, err := c.wantedDeployment()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, s := range slices.Backward(d.statuses) {
		out = append(out, c.f.deploymentStatusJSON(c.repo, d, s))
	}
	return pages(out)
}
