package emulator

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// errSignIn is the want of good credentials: the service then leads to its page for signing in.
var errSignIn = errors.New("sign in")

// authenticateAzure takes a personal access token as the password of basic authentication, whatever the name, or a
// token of Microsoft Entra as bearer. It needs the lock.
func (f *Forge) authenticateAzure(r *http.Request) (caller, error) {
	if _, password, found := r.BasicAuth(); found {
		if t := f.azure.tokens[password]; t != nil && !t.entra && f.good(t) {
			return caller{user: t.user, access: t}, nil
		}
		return caller{}, errSignIn
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if t := f.azure.tokens[strings.TrimSpace(value)]; strings.EqualFold(scheme, "bearer") && t != nil && t.entra && f.good(t) {
		return caller{user: t.user, access: t}, nil
	}
	return caller{}, errSignIn
}

func (f *Forge) good(t *accessToken) bool {
	return t.expires.IsZero() || f.opts.Now().Before(t.expires)
}

// signIn is how the service meets a caller whom it does not know. Browsers are led to the page for signing in, with
// 302 or, if they sent credentials, with that page at once under 203. Programs ask for 401 by a header.
func (c *azureCall) signIn(w http.ResponseWriter) {
	const page = "<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head><body>Sign in</body></html>\n"
	h, sent := w.Header(), c.r.Header.Get("Authorization") != ""
	h.Set("X-TFS-FedAuthRealm", c.f.orgURL()+"/")
	h.Set("X-TFS-FedAuthIssuer", c.f.orgURL()+"/")
	c.f.challenge(h)
	switch {
	case strings.EqualFold(c.r.Header.Get("X-TFS-FedAuthRedirect"), "Suppress"):
		h.Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprint(w, page)
	case sent:
		h.Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNonAuthoritativeInfo)
		_, _ = fmt.Fprint(w, page)
	default:
		h.Set("Location", c.f.orgURL()+"/_signin?realm="+url.QueryEscape(c.r.Host)+"&reply_to="+url.QueryEscape(c.r.URL.String()))
		w.WriteHeader(http.StatusFound)
	}
}

func (f *Forge) challenge(h http.Header) {
	h["Www-Authenticate"] = []string{"Bearer authorization_uri=" + f.base + "/" + f.azure.tenant,
		`Basic realm="` + f.orgURL() + `"`, "TFS-Federated"}
}

// implied are the scopes that a scope brings with it.
// https://learn.microsoft.com/en-us/azure/devops/integrate/get-started/authentication/oauth#scopes
var implied = map[string][]string{
	"vso.code_write": {"vso.code"}, "vso.code_manage": {"vso.code", "vso.code_write"},
	"vso.code_full":  {"vso.code", "vso.code_write", "vso.code_manage", "vso.code_status", "vso.threads_full"},
	"vso.work_write": {"vso.work"}, "vso.work_full": {"vso.work", "vso.work_write"},
	"vso.build_execute": {"vso.build"}, "vso.identity_manage": {"vso.identity"},
	"vso.project_write": {"vso.project"}, "vso.project_manage": {"vso.project", "vso.project_write"},
	"vso.profile_write": {"vso.profile"}, "vso.graph_manage": {"vso.graph"},
}

// allows says whether the token carries one of the scopes; without any of its own it carries all.
func (t *accessToken) allows(any string) bool {
	if t == nil || t.scopes == nil || any == "" {
		return true
	}
	return slices.ContainsFunc(strings.Split(any, "|"), func(want string) bool {
		return slices.ContainsFunc(t.scopes, func(have string) bool {
			return have == want || slices.Contains(implied[have], want)
		})
	})
}

// checkScope is the service's answer to a token that was not made for this.
func (c *azureCall) checkScope() error {
	if c.who.access.allows(c.route.scope) {
		return nil
	}
	return azureFailure(http.StatusUnauthorized, "UnauthorizedRequestException",
		"TF400813: The user '%s' is not authorized to access this resource.", c.f.userGUID(c.who.user))
}

// entraLife is how long a token of Microsoft Entra is good.
const entraLife = time.Hour

// azureResource is the id of Azure DevOps at Microsoft Entra.
const azureResource = "499b84ac-1321-427f-aa17-267ca6975798"

// serveEntra issues tokens to service principals.
// https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow
func (f *Forge) serveEntra(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	status, answer := f.entraToken(r)
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// entraToken needs the lock.
func (f *Forge) entraToken(r *http.Request) (int, obj) {
	wrong := func(status, number int, code, text string) (int, obj) {
		return status, obj{"error": code, "error_description": fmt.Sprintf("AADSTS%d: %s", number, text), "error_codes": []int{number},
			"timestamp": f.now().Format("2006-01-02 15:04:05Z"), "trace_id": newGUID(), "correlation_id": newGUID()}
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	form := r.PostForm
	for name := range form {
		if !slices.Contains([]string{"client_id", "client_secret", "grant_type", "scope"}, name) {
			f.recordUnknown("POST /oauth2/v2.0/token: parameter " + name)
			return wrong(http.StatusNotImplemented, 0, "unsupported", "The local forge does not know the parameter "+name+".")
		}
	}
	p := f.azure.principals[form.Get("client_id")]
	switch {
	case r.Method != http.MethodPost || tenant != f.azure.tenant:
		return wrong(http.StatusBadRequest, 90002, "invalid_request", "Tenant '"+tenant+"' not found.")
	case form.Get("grant_type") != "client_credentials":
		return wrong(http.StatusBadRequest, 70003, "unsupported_grant_type", "The app requested an unsupported grant type '"+form.Get("grant_type")+"'.")
	case p == nil:
		return wrong(http.StatusUnauthorized, 700016, "unauthorized_client", "Application with identifier '"+form.Get("client_id")+"' was not found in the directory.")
	case p.secret != form.Get("client_secret"):
		return wrong(http.StatusUnauthorized, 7000215, "invalid_client", "Invalid client secret provided.")
	case form.Get("scope") != azureResource+"/.default":
		return wrong(http.StatusBadRequest, 70011, "invalid_scope", "The provided value for the input parameter 'scope' is not valid.")
	}
	part := func(v obj) string {
		raw, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	value := part(obj{"typ": "JWT", "alg": "RS256"}) + "." + part(obj{"aud": azureResource, "tid": tenant, "appid": form.Get("client_id"),
		"oid": f.userGUID(p.user), "exp": f.now().Add(entraLife).Unix()}) + "." + randomHex(32)
	f.azure.tokens[value] = &accessToken{value: value, user: p.user, expires: f.opts.Now().Add(entraLife), entra: true}
	return http.StatusOK, obj{"token_type": "Bearer", "expires_in": int(entraLife.Seconds()) - 1, "ext_expires_in": int(entraLife.Seconds()) - 1, "access_token": value}
}

// AzureRateLimit is the fault that the service answers to whoever used too much of it.
// https://learn.microsoft.com/en-us/azure/devops/integrate/concepts/rate-limits
func AzureRateLimit(retryAfter string) *Fault {
	return &Fault{Status: http.StatusTooManyRequests, Message: "TF400733: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User'. For more information on why your request was blocked, see the topic \"Rate limits\".",
		Header: http.Header{"Retry-After": {retryAfter}, "X-RateLimit-Resource": {"Concurrency"}, "X-RateLimit-Delay": {cmp.Or(retryAfter, "0") + ".0"},
			"X-RateLimit-Limit": {"200"}, "X-RateLimit-Remaining": {"0"}, "X-RateLimit-Reset": {retryAfter}}}
}
