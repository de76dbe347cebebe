package emulator

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

// mail is the unique name of an account: its address at the organization's directory.
func (f *Forge) mail(u *user) string {
	if u.principal {
		return f.userGUID(u)
	}
	return cmp.Or(u.email, strings.ToLower(u.login)+"@"+f.azure.organization+".example")
}

// subject is the subject descriptor: the prefix tells people of the directory from service principals.
func (f *Forge) subject(u *user) string {
	prefix := "aad."
	if u.principal {
		prefix = "aadsp."
	}
	return prefix + base64.RawURLEncoding.EncodeToString([]byte(f.guid("descriptor", u.id)))
}

func (f *Forge) teamSubject(t *team) string {
	return "vssgp." + base64.RawURLEncoding.EncodeToString([]byte(f.guid("team descriptor", t.id)))
}

// descriptor is the identity descriptor, by which access is granted.
func (f *Forge) descriptor(u *user) string {
	if u.principal {
		return "Microsoft.VisualStudio.Services.Claims.AadServicePrincipal;" + f.azure.tenant + "\\" + f.userGUID(u)
	}
	return "Microsoft.IdentityModel.Claims.ClaimsIdentity;" + f.azure.tenant + "\\" + f.mail(u)
}

func (f *Forge) teamDescriptor(t *team) string {
	return "Microsoft.TeamFoundation.Identity;S-1-9-1551374245-" + str(t.id)
}

// identityRef is how every other object names a person.
func (f *Forge) identityRef(u *user) obj {
	if u == nil {
		return f.serviceRef()
	}
	avatar := f.orgURL() + "/_apis/GraphProfile/MemberAvatars/" + f.subject(u)
	return obj{"displayName": u.displayName(), "url": f.orgURL() + "/_apis/Identities/" + f.userGUID(u), "_links": obj{"avatar": href(avatar)},
		"id": f.userGUID(u), "uniqueName": f.mail(u), "imageUrl": avatar, "descriptor": f.subject(u)}
}

// serviceRef is the account of the service itself, which writes what it notes of events.
func (f *Forge) serviceRef() obj {
	id := "00000002-0000-8888-8000-000000000000"
	return obj{"displayName": "Microsoft.VisualStudio.Services.TFS", "url": f.orgURL() + "/_apis/Identities/" + id, "_links": obj{},
		"id": id, "uniqueName": "", "imageUrl": "", "descriptor": "s2s." + base64.RawURLEncoding.EncodeToString([]byte(id+"@2c895908-04e0-4952-89fd-54b0046d6288"))}
}

func (f *Forge) teamRef(t *team) obj {
	return obj{"displayName": "[" + t.org.login + "]\\" + t.name, "url": f.orgURL() + "/_apis/Identities/" + f.teamGUID(t),
		"id": f.teamGUID(t), "uniqueName": "vstfs:///Classification/TeamProject/" + f.projectGUID(t.org) + "\\" + t.name,
		"isContainer": true, "imageUrl": "", "descriptor": f.teamSubject(t), "_links": obj{}}
}

// identityJSON is the identity in full, as the area of identities has it.
func (f *Forge) identityJSON(u *user) obj {
	text := func(value string) obj { return obj{"$type": "System.String", "$value": value} }
	return obj{"id": f.userGUID(u), "descriptor": f.descriptor(u), "subjectDescriptor": f.subject(u),
		"providerDisplayName": u.displayName(), "isActive": true, "isContainer": false, "members": []any{}, "memberOf": []any{}, "memberIds": []any{},
		"resourceVersion": 2, "metaTypeId": map[bool]int{false: 0, true: 5}[u.principal],
		"properties": obj{"SchemaClassName": text("User"), "Description": text(""), "Domain": text(f.azure.tenant),
			"Account": text(f.mail(u)), "Mail": text(f.mail(u)), "DirectoryAlias": text(u.login)}}
}

func (f *Forge) teamIdentityJSON(t *team) obj {
	return obj{"id": f.teamGUID(t), "descriptor": f.teamDescriptor(t), "subjectDescriptor": f.teamSubject(t),
		"providerDisplayName": "[" + t.org.login + "]\\" + t.name, "isActive": true, "isContainer": true, "members": []any{},
		"memberOf": []any{}, "memberIds": []any{}, "resourceVersion": 2, "metaTypeId": 255,
		"properties": obj{"SchemaClassName": obj{"$type": "System.String", "$value": "Group"}, "Account": obj{"$type": "System.String", "$value": t.name}}}
}

// members are all accounts that can be named: organizations are projects here, and no identities.
func (f *Forge) identities() []*user {
	var out []*user
	for _, u := range f.users {
		if u.kind != typeOrganization {
			out = append(out, u)
		}
	}
	return out
}

func (f *Forge) userByGUID(guid string) *user {
	for _, u := range f.identities() {
		if strings.EqualFold(f.userGUID(u), guid) {
			return u
		}
	}
	return nil
}

// readIdentities finds identities by their ids or descriptors, in the order asked, with null for whom there is none; or by a search.
func (c *azureCall) readIdentities() (response, error) {
	if q := c.param("queryMembership"); q != "" && !strings.EqualFold(q, "none") {
		return response{}, c.unknown("query queryMembership=" + q)
	}
	for name, key := range map[string]func(*user) string{"identityIds": c.f.userGUID, "descriptors": c.f.descriptor, "subjectDescriptors": c.f.subject} {
		if list := c.param(name); list != "" {
			return c.identitiesBy(list, key)
		}
	}
	return c.searchIdentities(c.param("searchFilter"), c.param("filterValue"))
}

func (c *azureCall) identitiesBy(list string, key func(*user) string) (response, error) {
	out := []any{}
	for want := range strings.SplitSeq(list, ",") {
		var found any
		for _, u := range c.f.identities() {
			if strings.EqualFold(key(u), want) {
				found = c.f.identityJSON(u)
			}
		}
		for _, t := range c.f.teams {
			if strings.EqualFold(c.f.teamGUID(t), want) || c.f.teamSubject(t) == want {
				found = c.f.teamIdentityJSON(t)
			}
		}
		out = append(out, found)
	}
	return ok(obj{"count": len(out), "value": out})
}

// searchIdentities compares whole values only.
func (c *azureCall) searchIdentities(filter, value string) (response, error) {
	out := []obj{}
	for _, u := range c.f.identities() {
		mail, matches := c.f.mail(u), false
		switch strings.ToLower(filter) {
		case "general":
			matches = strings.EqualFold(value, mail) || strings.EqualFold(value, u.displayName()) || strings.EqualFold(value, u.login)
		case "accountname", "mailaddress":
			matches = strings.EqualFold(value, mail)
		case "displayname":
			matches = strings.EqualFold(value, u.displayName())
		default:
			return response{}, c.unknown("query searchFilter=" + filter)
		}
		if matches {
			out = append(out, c.f.identityJSON(u))
		}
	}
	return listed(out)
}

func (c *azureCall) readIdentity() (response, error) {
	if u := c.f.userByGUID(c.vars["identityId"]); u != nil {
		return ok(c.f.identityJSON(u))
	}
	return response{}, azureFailure(http.StatusNotFound, "IdentityNotFoundException", "The identity %s was not found.", c.vars["identityId"])
}

func (c *azureCall) readSelf() (response, error) {
	u := c.who.user
	return ok(obj{"id": c.f.userGUID(u), "displayName": u.displayName(), "accountName": c.f.mail(u), "domain": c.f.azure.tenant,
		"origin": "aad", "originId": c.f.guid("origin", u.id), "tenantId": c.f.azure.tenant})
}

// connectionData tells the caller who it is.
func (c *azureCall) connectionData() (response, error) {
	who := c.f.identityJSON(c.who.user)
	return ok(obj{"authenticatedUser": who, "authorizedUser": who, "instanceId": c.f.organizationGUID(),
		"deploymentId": c.f.guid("deployment", 0), "deploymentType": "hosted",
		"locationServiceData": obj{"serviceOwner": "00025394-6065-48ca-87d9-7f5672854ef7", "defaultAccessMappingMoniker": "PublicAccessMapping",
			"lastChangeId": 1, "lastChangeId64": 1}})
}

func (c *azureCall) getProfile() (response, error) {
	u := c.who.user
	if id := c.vars["id"]; !strings.EqualFold(id, "me") {
		if u = c.f.userByGUID(id); u == nil {
			return response{}, azureFailure(http.StatusNotFound, "ProfileDoesNotExistException", "The profile with id %s does not exist.", id)
		}
	}
	return ok(obj{"displayName": u.displayName(), "publicAlias": c.f.userGUID(u), "emailAddress": c.f.mail(u), "coreRevision": 1,
		"timeStamp": azureDate(u.created), "id": c.f.userGUID(u), "revision": 1})
}

// areas are the areas of the service by id; all are served by this host.
var areas = map[string]string{
	"79134c72-4a58-4b42-976c-04e7115f32bf": "core", "4e080c62-fa21-4fbc-8fef-2a10a2b38049": "git",
	"5264459e-e5e0-4bd8-b118-0985e68a4ec5": "wit", "8a3d49b8-91f0-46ef-b33d-dda338c25db3": "IMS",
	"fb13a388-40dd-4a04-b530-013a739c72ef": "policy", "8ccfef3d-2b87-4e99-8ccb-66e343d2daa8": "profile",
	"965220d5-5bb9-42cf-8d67-9b146df2a5a4": "build", "2e0bf237-8973-4ec9-a581-9c3d679d1776": "pipelines",
	"bb1e7ec9-e901-4b68-999a-de7012b920f8": "graph",
}

func (f *Forge) areaJSON(id string) obj {
	return obj{"id": id, "name": areas[id], "locationUrl": f.orgURL() + "/"}
}

func (c *azureCall) listAreas() (response, error) {
	out := []obj{}
	for _, id := range sortedKeys(areas) {
		out = append(out, c.f.areaJSON(id))
	}
	return listed(out)
}

func (c *azureCall) getArea() (response, error) {
	id := strings.ToLower(c.vars["areaId"])
	if areas[id] == "" {
		return response{}, azureUnsupported("resource area %s", id)
	}
	return ok(c.f.areaJSON(id))
}

func (c *azureCall) noIdentity(id string) error {
	return azureFailure(http.StatusBadRequest, "IdentityNotFoundException", "%s", fmt.Sprintf("The identity %s could not be found.", id))
}
