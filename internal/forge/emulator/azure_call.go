package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// azureCall is one call of the REST API under the state's lock.
type azureCall struct {
	f        *Forge
	r        *http.Request
	location *azureLocation
	route    *azureRoute
	vars     map[string]string
	query    url.Values
	who      caller
	project  *user       // set where the route names one, by itself or by its repository
	repo     *repository // set where the route has {repositoryId}
	body     []byte
	version  string
}

// unknown is a part of a known route that the emulator does not know.
func (c *azureCall) unknown(what string) error {
	return azureUnsupported("%s %s: %s", c.r.Method, c.location.pattern, what)
}

// decode reads the JSON body into into; a field that into lacks is unsupported.
func (c *azureCall) decode(into any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return azureFailure(http.StatusBadRequest, "VssPropertyValidationException", "Value cannot be null.")
	}
	return c.decodeFrom(c.body, into)
}

func (c *azureCall) decodeFrom(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		return nil
	}
	if name, found := strings.CutPrefix(err.Error(), "json: unknown field "); found {
		return c.unknown("body field " + name)
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return azureFailure(http.StatusBadRequest, "VssPropertyValidationException",
			"Error converting value %s to the type of '%s'.", wrong.Value, wrong.Field)
	}
	return azureFailure(http.StatusBadRequest, "VssRequestContentTypeNotSupportedException", "The request body is not valid JSON.")
}

func (c *azureCall) num(name string) int {
	n, _ := strconv.Atoi(c.vars[name])
	return n
}

func (c *azureCall) id(name string) int64 {
	n, _ := strconv.ParseInt(c.vars[name], 10, 64)
	return n
}

// param is a query parameter; the service does not look at the case of their names.
func (c *azureCall) param(name string) string {
	for key, values := range c.query {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// paging is $top and $skip, or the names without the sign that some routes have.
func (c *azureCall) paging(items []obj, most int) []obj {
	skip, _ := strconv.Atoi(firstOf(c.param("$skip"), c.param("skip")))
	top, err := strconv.Atoi(firstOf(c.param("$top"), c.param("top")))
	if err != nil || top > most {
		top = most
	}
	items = items[min(max(skip, 0), len(items)):]
	return items[:min(max(top, 0), len(items))]
}

// pageOf is a page of a list, with the token of the next one: how many entries are before it.
func (c *azureCall) pageOf(items []obj, most int) (response, error) {
	from := 0
	if token := c.param("continuationToken"); token != "" {
		var err error
		if from, err = strconv.Atoi(token); err != nil || from < 0 || from > len(items) {
			return response{}, badArgument("The continuation token is not valid.")
		}
	}
	skip, _ := strconv.Atoi(c.param("$skip"))
	page := c.paging(items[from:], most)
	res := response{status: http.StatusOK, body: listOf(page), header: http.Header{}}
	if next := from + max(skip, 0) + len(page); next < len(items) && len(page) > 0 {
		res.header.Set("X-Ms-Continuationtoken", strconv.Itoa(next))
	}
	return res, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

var versionPattern = regexp.MustCompile(`^([0-9]+)\.([0-9])(-preview(?:\.([0-9]+))?)?$`)

// checkVersion holds the version that is asked for against the resource: released ones need no -preview, which the
// others do, and without any version only reading is allowed.
func (c *azureCall) checkVersion() error {
	asked := c.param("api-version")
	for part := range strings.SplitSeq(c.r.Header.Get("Accept"), ";") {
		if value, found := strings.CutPrefix(strings.TrimSpace(part), "api-version="); found && asked == "" {
			asked = value
		}
	}
	if asked == "" {
		if c.r.Method == http.MethodGet || c.r.Method == http.MethodOptions || c.r.Method == http.MethodHead {
			return nil
		}
		return azureFailure(http.StatusBadRequest, "VssVersionNotSpecifiedException", "No api-version was supplied for the \"%s\" request. "+
			"The version must be supplied either as part of the Accept header (e.g. \"application/json; api-version=1.0\") or as a query parameter (e.g. \"?api-version=1.0\").", c.r.Method)
	}
	m := versionPattern.FindStringSubmatch(asked)
	if m == nil {
		return azureFailure(http.StatusBadRequest, "VssInvalidApiVersionException", "The api-version %s is not valid.", asked)
	}
	number, resource := m[1]+"."+m[2], 0
	if m[4] != "" {
		resource, _ = strconv.Atoi(m[4])
	}
	switch {
	case !slices.Contains([]string{"5.0", "5.1", "6.0", "7.0", "7.1", "7.2"}, number):
		if number > "7.2" || len(m[1]) > 1 {
			return azureFailure(http.StatusBadRequest, "VssVersionOutOfRangeException",
				"The requested REST API version of %s is out of range for this server. The latest REST API version this server supports is 7.2.", number)
		}
		return c.unknown("api-version " + asked)
	case resource > c.location.version:
		return azureFailure(http.StatusBadRequest, "VssInvalidPreviewVersionException",
			"The requested version \"%s\" of the resource is not supported; its latest is %d.", asked, c.location.version)
	case m[3] == "" && (c.location.preview || number == "7.2"):
		return azureFailure(http.StatusBadRequest, "VssInvalidPreviewVersionException", "The requested version \"%s\" of the resource is under preview. "+
			"The -preview flag must be supplied in the api-version for such requests. For example: \"%s-preview\"", asked, number)
	}
	c.version = asked
	return nil
}

// resolve finds the project and the repository that the address names, and checks the access to them. What the
// caller may not see is not there.
func (c *azureCall) resolve() error {
	if name := c.vars["project"]; name != "" {
		if c.project = c.f.projectByName(name); c.project == nil || !c.f.memberOf(c.who.user, c.project, levelRead) {
			return noProjectNamed(name)
		}
	}
	name := c.vars["repositoryId"]
	if name == "" {
		if c.project != nil && !c.f.memberOf(c.who.user, c.project, c.route.level) {
			return c.lacks(c.route.level)
		}
		return nil
	}
	if c.repo = c.f.azureRepo(c.project, name); c.repo == nil || c.repo.level(c.who.user) < levelRead {
		return noRepository(name)
	}
	c.project = c.repo.owner
	if c.repo.archived && c.r.Method != http.MethodGet {
		return azureFailure(http.StatusForbidden, "GitRepositoryDisabledException", "TF401019: The Git repository with name or identifier %s is disabled.", name)
	}
	if c.repo.level(c.who.user) < c.route.level {
		return c.lacks(c.route.level)
	}
	return nil
}

func noProjectNamed(name string) error {
	return azureFailure(http.StatusNotFound, "ProjectDoesNotExistWithNameException",
		"TF200016: The following project does not exist: %s. Verify that the name of the project is correct and that the project exists on the specified Azure DevOps Server.", name)
}

func noRepository(name string) error {
	return azureFailure(http.StatusNotFound, "GitRepositoryNotFoundException",
		"TF401019: The Git repository with name or identifier %s does not exist or you do not have permissions for the operation you are attempting.", name)
}

// lacks is the refusal for want of a permission on a repository.
func (c *azureCall) lacks(level int) error {
	name := map[int]string{levelWrite: "GenericContribute", levelAdmin: "Administer", levelMaintain: "ForcePush"}[level]
	if name == "" {
		name = "PullRequestContribute"
	}
	return c.f.needsPermission(c.who.user, name, "repository")
}

func (f *Forge) needsPermission(u *user, permission, scope string) error {
	return azureFailure(http.StatusForbidden, "GitNeedsPermissionException", "%s", f.needs(u, permission, scope))
}

func (f *Forge) needs(u *user, permission, scope string) string {
	return "TF401027: You need the Git '" + permission + "' permission to perform this action. Details: identity '" + f.descriptor(u) + "', scope '" + scope + "'."
}

// projectByName finds a project by name or GUID.
func (f *Forge) projectByName(name string) *user {
	for _, p := range f.projects() {
		if strings.EqualFold(p.login, name) || strings.EqualFold(f.projectGUID(p), name) {
			return p
		}
	}
	return nil
}

// azureRepo finds a repository by GUID, or by name within a project.
func (f *Forge) azureRepo(project *user, name string) *repository {
	for _, r := range f.repos {
		if (project == nil || r.owner == project) && strings.EqualFold(f.repoGUID(r), name) {
			return r
		}
	}
	if project == nil {
		return nil
	}
	return f.repoByName(project.login + "/" + name)
}

// memberOf says whether the person has the level on any repository of the project; without repositories it is
// everybody's who is in one of its teams.
func (f *Forge) memberOf(u, project *user, level int) bool {
	if u == nil || project == nil {
		return false
	}
	if u == project || level == levelNone {
		return true
	}
	return slices.ContainsFunc(f.repos, func(r *repository) bool { return r.owner == project && r.level(u) >= level }) ||
		level <= levelRead && f.inOrganization(u, project)
}
