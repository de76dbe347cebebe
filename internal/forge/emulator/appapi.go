package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (c *call) getApp() (response, error) { return ok(c.f.appJSON(c.who.app)) }

func (c *call) listInstallations() (response, error) {
	out := []obj{}
	for _, i := range c.who.app.installations {
		out = append(out, c.f.installationJSON(i))
	}
	return pages(out)
}

func (c *call) wantedInstallation() (*installation, error) {
	for _, i := range c.who.app.installations {
		if i.id == c.id("installation_id") {
			return i, nil
		}
	}
	return nil, notFound()
}

func (c *call) getInstallation() (response, error) {
	i, err := c.wantedInstallation()
	if err != nil {
		return response{}, err
	}
	return ok(c.f.installationJSON(i))
}

func (c *call) getRepoInstallation() (response, error) {
	i := c.who.app.installationFor(c.repo)
	if i == nil {
		return response{}, notFound()
	}
	return ok(c.f.installationJSON(i))
}

// tokenLifetime is GitHub's.
const tokenLifetime = time.Hour

// createToken makes an installation token, narrowed to repositories and permissions as asked.
func (c *call) createToken() (response, error) {
	var in struct {
		Repositories  []string          `json:"repositories"`
		RepositoryIDs []int64           `json:"repository_ids"`
		Permissions   map[string]string `json:"permissions"`
	}
	inst, err := c.wantedInstallation()
	if err != nil {
		return response{}, err
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	t := &installationToken{token: "ghs_" + randomHex(18), installation: inst, expires: c.f.now().Add(tokenLifetime)}
	if t.repos, err = narrowRepos(inst, in.Repositories, in.RepositoryIDs); err != nil {
		return response{}, err
	}
	if t.permissions, err = narrowPermissions(inst, in.Permissions); err != nil {
		return response{}, err
	}
	c.f.tokens[t.token] = t
	o := obj{"token": t.token, "expires_at": stamp(t.expires), "permissions": t.permissions, "repository_selection": "selected"}
	if t.repos != nil {
		repos := []obj{}
		for _, r := range c.f.repos {
			if t.repos[r.id] {
				repos = append(repos, c.f.repoJSON(r))
			}
		}
		o["repositories"] = repos
	}
	return created(o)
}

func narrowRepos(inst *installation, names []string, ids []int64) (map[int64]bool, error) {
	if len(names) == 0 && len(ids) == 0 {
		return nil, nil
	}
	denied := failure(http.StatusUnprocessableEntity, "There is at least one repository that does not exist or is not accessible to the parent installation.")
	allowed := map[int64]bool{}
	for _, id := range ids {
		if inst.repos[id] == nil {
			return nil, denied
		}
		allowed[id] = true
	}
	for _, name := range names {
		found := false
		for id, r := range inst.repos {
			if strings.EqualFold(r.name, name) {
				allowed[id], found = true, true
			}
		}
		if !found {
			return nil, denied
		}
	}
	return allowed, nil
}

func narrowPermissions(inst *installation, asked map[string]string) (map[string]string, error) {
	granted := inst.app.manifest.Permissions
	if len(asked) == 0 {
		return granted, nil
	}
	out := map[string]string{"metadata": "read"}
	for name, level := range asked {
		if permissionRank(level) < 1 || permissionRank(level) > permissionRank(granted[name]) {
			return nil, failure(http.StatusUnprocessableEntity, "The permissions requested are not granted to this installation.")
		}
		out[name] = level
	}
	return out, nil
}

func (c *call) revokeToken() (response, error) {
	if c.who.token == nil {
		return response{}, forbiddenToApp()
	}
	delete(c.f.tokens, c.who.token.token)
	return noContent()
}

func (c *call) listInstallationRepos() (response, error) {
	if c.who.token == nil {
		return response{}, failure(http.StatusForbidden, "You must authenticate with an installation access token in order to list repositories for an installation.")
	}
	out := []obj{}
	for _, r := range c.f.repos {
		if c.who.token.covers(r) {
			out = append(out, c.f.repoJSON(r))
		}
	}
	return wrapped("repositories", out)
}

// listDeliveries is newest first, and paged by cursor: the id of the first delivery of the page.
func (c *call) listDeliveries() (response, error) {
	var done []*delivery
	for _, d := range slices.Backward(c.who.app.deliveries) {
		if d.done {
			done = append(done, d)
		}
	}
	if cursor := c.query.Get("cursor"); cursor != "" {
		at := slices.IndexFunc(done, func(d *delivery) bool { return str(d.ID) == cursor })
		if at < 0 {
			return response{}, failure(http.StatusUnprocessableEntity, "Invalid cursor")
		}
		done = done[at:]
	}
	size := min(positive(c.query.Get("per_page"), 30), 100)
	header := http.Header{}
	if len(done) > size {
		q := c.r.URL.Query()
		q.Set("cursor", str(done[size].ID))
		header.Set("Link", fmt.Sprintf("<%s%s?%s>; rel=\"next\"", c.f.base, c.r.URL.EscapedPath(), q.Encode()))
		done = done[:size]
	}
	out := []obj{}
	for _, d := range done {
		out = append(out, deliveryJSON(d))
	}
	return response{status: http.StatusOK, body: out, header: header}, nil
}

func deliveryJSON(d *delivery) obj {
	o := obj{"id": d.ID, "guid": d.GUID, "delivered_at": stamp(d.At), "redelivery": d.Redelivery,
		"duration": d.Duration.Seconds(), "status": http.StatusText(d.Status), "status_code": d.Status, "event": d.Event,
		"action": orNull(d.Action), "installation_id": nil, "repository_id": nil, "throttled_at": nil}
	if d.Status == 0 {
		o["status"] = "failed to connect to host"
	}
	if d.installation != 0 {
		o["installation_id"] = d.installation
	}
	if d.repository != 0 {
		o["repository_id"] = d.repository
	}
	return o
}

func (c *call) wantedDelivery() (*delivery, error) {
	for _, d := range c.who.app.deliveries {
		if d.ID == c.id("delivery_id") && d.done {
			return d, nil
		}
	}
	return nil, notFound()
}

func (c *call) getDelivery() (response, error) {
	d, err := c.wantedDelivery()
	if err != nil {
		return response{}, err
	}
	headers := obj{}
	for name := range d.header {
		headers[name] = d.header.Get(name)
	}
	return ok(deliveryJSON(d).with(obj{"url": d.url, "request": obj{"headers": headers, "payload": json.RawMessage(d.Payload)},
		"response": obj{"headers": obj{}, "payload": d.response}}))
}

func (c *call) redeliver() (response, error) {
	d, err := c.wantedDelivery()
	if err != nil {
		return response{}, err
	}
	c.f.redeliver(d)
	return response{status: http.StatusAccepted, body: obj{}}, nil
}

// convertManifest ends the App-manifest flow: the one-time code becomes the App's secrets.
func (c *call) convertManifest() (response, error) {
	a := c.f.codes[c.vars["code"]]
	if a == nil {
		return response{}, notFound()
	}
	delete(c.f.codes, c.vars["code"])
	return created(c.f.appJSON(a).with(obj{"client_id": a.clientID, "client_secret": a.clientSecret,
		"webhook_secret": a.webhookSecret, "pem": a.pem()}))
}
