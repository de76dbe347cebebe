package contract

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Exception lets one kind of finding pass. It is here because GitHub itself departs from its description, never
// because the adapter or the local GitHub does.
type Exception struct {
	Operation string // GitHub's operation id, or the webhook's name; as Pointer and Message, * is any text
	Side      Side
	Pointer   string
	Message   string
	Reason    string
}

// generalAnswers are the statuses that any operation may answer with although few of the descriptions say so.
// Their bodies are held against the description's schema "basic-error".
var generalAnswers = map[int]string{
	http.StatusNotModified:         "conditional requests: docs “Best practices for using the REST API”",
	http.StatusUnauthorized:        "bad or expired credentials: docs “Troubleshooting the REST API”",
	http.StatusForbidden:           "missing permission or rate limit: docs “Troubleshooting the REST API”",
	http.StatusNotFound:            "what the caller may not see: docs “Troubleshooting the REST API”",
	http.StatusBadRequest:          "a body that is not JSON: docs “Troubleshooting the REST API”",
	http.StatusUnprocessableEntity: "a body that fails validation: docs “Troubleshooting the REST API”",
	http.StatusTooManyRequests:     "rate limits: docs “Rate limits for the REST API”",
	http.StatusInternalServerError: "an outage, which tests bring about; no body is promised",
	http.StatusBadGateway:          "an outage, which tests bring about; no body is promised",
	http.StatusServiceUnavailable:  "an outage, which tests bring about; no body is promised",
	http.StatusGatewayTimeout:      "an outage, which tests bring about; no body is promised",
}

// byNumber are the paths by a repository's number, which the description leaves out: GitHub redirects a renamed
// repository's requests to them (docs “Best practices for using the REST API”, 301), and go-github's
// Repositories.GetByID uses them. They are held to the description of the same path by name.
var byNumber = regexp.MustCompile(`^/repositories/[0-9]+(/|$)`)

// teamByNumber are the paths by the ids of an organization and a team, which the reference has in words only: “You can
// also specify a team by org_id and team_id using the route GET /organizations/{org_id}/team/{team_id}/members”. They
// are held to the description of the same path by names.
var teamByNumber = regexp.MustCompile(`^/organizations/[0-9]+/team/[0-9]+(/members)$`)

// describedPath is the path under which the description has an operation.
func describedPath(path string) string {
	if found := teamByNumber.FindStringSubmatch(path); found != nil {
		return "/orgs/by-number/teams/number" + found[1]
	}
	if found := byNumber.FindString(path); found != "" {
		return strings.TrimSuffix("/repos/by/number/"+strings.TrimPrefix(path, found), "/")
	}
	return path
}

// exceptions is the whole list. Tests fail when one of them is not needed any more.
var exceptions = []Exception{
	// The published examples were recorded over the years 2018 to 2023 and have what GitHub sent then. No delivery of
	// the local GitHub gets these exceptions.
	{"*", Example, "*/has_discussions", missing, "recorded before repositories had discussions"},
	{"*", Example, "*/repo*/topics", missing, "recorded before repositories had topics in deliveries"},
	{"*", Example, "*/repo*/visibility", missing, "recorded before repositories had a visibility"},
	{"*", Example, "/repository/disabled", missing, "recorded before repositories could be disabled"},
	{"*", Example, "*/active_lock_reason", missing, "recorded before locks had a reason"},
	{"*", Example, "*/auto_merge", missing, "recorded before pull requests could be merged automatically"},
	{"*", Example, "/pull_request/draft", missing, "recorded before pull requests could be drafts"},
	{"*", Example, "*/reactions", missing, "recorded before deliveries had reactions"},
	{"*", Example, "/comment/performed_via_github_app", missing, "recorded before comments named the App"},
	{"*", Example, "*/description", missing, "recorded before labels had a description"},
	{"*", Example, "*/verified_at", missing, "recorded before verifications had a time"},
	{"installation*", Example, "/installation/app_slug", missing, "recorded before installations named the App"},
	{"installation*", Example, "/installation/suspended_*", missing, "recorded before installations could be suspended"},
	{"installation*", Example, "/installation/*_at", "got number, want string", "GitHub sent Unix times here"},
	{"installation-repositories-added", Example, "/requester", missing, "recorded before it was sent"},
	{"check-run-rerequested", Example, "*/app/*", missing, "recorded in the preview of checks"},
	{"check-run-rerequested", Example, "*/app/*_at", "*is not valid date-time*", "recorded in the preview of checks"},
	{"check-run-rerequested", Example, "/check_run/*", missing, "recorded in the preview of checks"},
	{"deployment-*", Example, "/workflow*", missing, "recorded before deployments named their workflow run fully"},
	{"pull-request-review-request*", Example, "/requested_team", missing,
		"the description splits requests to people and to teams and marks the wrong one required"},
	{"*", Example, "*/homepage", "'' is not valid uri*", "an unset home page is sent as null or as an empty text"},
	{"deployment-status-created", Example, "*/environment_url", "'' is not valid uri*", "an unset address is sent empty"},
}

const missing = "is required and missing"

// allowances matches findings with the exceptions and remembers which ones were needed.
type allowances struct {
	mu   sync.Mutex
	used map[int]bool
}

func (a *allowances) allow(f Finding) bool {
	allowed := false
	for i, e := range exceptions {
		if e.Side == f.Side && fits(e.Operation, f.Operation) && fits(e.Pointer, f.Pointer) && fits(e.Message, f.Message) {
			a.mu.Lock()
			a.used[i] = true
			a.mu.Unlock()
			allowed = true
		}
	}
	return allowed
}

// fits matches a text with a pattern in which * stands for any text.
func fits(pattern, text string) bool {
	prefix, rest, wild := strings.Cut(pattern, "*")
	text, ok := strings.CutPrefix(text, prefix)
	if !ok || !wild {
		return ok && text == ""
	}
	for i := range len(text) + 1 {
		if fits(rest, text[i:]) {
			return true
		}
	}
	return false
}

// unused are the exceptions for the given sides that nothing has needed so far.
func (a *allowances) unused(sides ...Side) []Exception {
	a.mu.Lock()
	defer a.mu.Unlock()
	var left []Exception
	for i, e := range exceptions {
		if slices.Contains(sides, e.Side) && !a.used[i] {
			left = append(left, e)
		}
	}
	return left
}

// UnusedExceptions are the exceptions for live traffic that nothing has needed so far.
func (v *Validator) UnusedExceptions() []Exception {
	return v.allowed.unused(Request, Response, Delivery)
}
