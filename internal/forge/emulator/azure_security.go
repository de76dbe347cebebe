package emulator

import (
	"strconv"
	"strings"
)

// gitNamespace holds the permissions on repositories.
// https://learn.microsoft.com/en-us/azure/devops/organizations/security/namespace-reference
const gitNamespace = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87"

// The bits of that namespace.
const (
	bitAdminister       = 1
	bitRead             = 2
	bitContribute       = 4
	bitForcePush        = 8
	bitCreateBranch     = 16
	bitCreateTag        = 32
	bitPolicyExempt     = 128
	bitEditPolicies     = 2048
	bitManage           = 8192
	bitPullContribute   = 16384
	bitPullBypassPolicy = 32768
)

// allowed are the effective permissions of an account on a repository. Whoever may read takes part in pull requests.
func (f *Forge) allowed(r *repository, u *user) int {
	bits := 0
	level := r.level(u)
	if level >= levelRead {
		bits |= bitRead | bitPullContribute
	}
	if level >= levelWrite {
		bits |= bitContribute | bitCreateBranch | bitCreateTag
	}
	if level >= levelMaintain {
		bits |= bitForcePush
	}
	if level >= levelAdmin {
		bits |= bitAdminister | bitEditPolicies | bitManage
	}
	if f.azure.bypass[[2]int64{r.id, u.id}] {
		bits |= bitPolicyExempt | bitPullBypassPolicy
	}
	return bits
}

// repoOfToken finds the repository that a token repoV2/PROJECT/REPOSITORY names.
func (f *Forge) repoOfToken(token string) *repository {
	parts := strings.Split(strings.Trim(token, "/"), "/")
	if len(parts) < 3 || !strings.EqualFold(parts[0], "repoV2") {
		return nil
	}
	project := f.projectByName(parts[1])
	if project == nil {
		return nil
	}
	return f.azureRepo(project, parts[2])
}

// accessLists answers with the entries of those who are asked for. The effective permissions are told only where
// the extended information is wanted.
func (c *azureCall) accessLists() (response, error) {
	if !strings.EqualFold(c.vars["securityNamespaceId"], gitNamespace) {
		return response{}, c.unknown("security namespace " + c.vars["securityNamespaceId"])
	}
	r := c.f.repoOfToken(c.param("token"))
	if r == nil || c.param("descriptors") == "" || c.param("recurse") == "true" {
		return response{}, c.unknown("token " + c.param("token") + " or no descriptors")
	}
	if r.level(c.who.user) < levelRead {
		return listed(nil)
	}
	entries := obj{}
	for want := range strings.SplitSeq(c.param("descriptors"), ",") {
		for _, u := range c.f.identities() {
			if !strings.EqualFold(c.f.descriptor(u), want) {
				continue
			}
			entry := obj{"descriptor": c.f.descriptor(u), "allow": 0, "deny": 0}
			if c.param("includeExtendedInfo") == "true" {
				entry["extendedInfo"] = obj{"effectiveAllow": c.f.allowed(r, u), "effectiveDeny": 0, "inheritedAllow": c.f.allowed(r, u), "inheritedDeny": 0}
			}
			entries[c.f.descriptor(u)] = entry
		}
	}
	token := "repoV2/" + c.f.projectGUID(r.owner) + "/" + c.f.repoGUID(r) + "/"
	return listed([]obj{{"inheritPermissions": true, "token": token, "acesDictionary": entries, "includeExtendedInfo": c.param("includeExtendedInfo") == "true"}})
}

// hasPermissions tells of the caller's own permissions, for each token.
func (c *azureCall) hasPermissions() (response, error) {
	if !strings.EqualFold(c.vars["securityNamespaceId"], gitNamespace) {
		return response{}, c.unknown("security namespace " + c.vars["securityNamespaceId"])
	}
	wanted, err := strconv.Atoi(c.vars["permissions"])
	if err != nil {
		return response{}, badArgument("The permissions are a number.")
	}
	out := []any{}
	for token := range strings.SplitSeq(c.param("tokens"), firstOf(c.param("delimiter"), ",")) {
		r := c.f.repoOfToken(token)
		out = append(out, r != nil && c.f.allowed(r, c.who.user)&wanted == wanted)
	}
	return ok(obj{"count": len(out), "value": out})
}
