package wire

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Call is what a route does.
type Call string

// The calls.
const (
	Messages        Call = "messages"
	CountTokens     Call = "count_tokens" // Anthropic's and Gemini's
	Responses       Call = "responses"
	ChatCompletions Call = "chat_completions"
	ListModels      Call = "models" // answered by the gateway itself
	Generate        Call = "generate"
)

// Route is a call that is allowed.
type Route struct {
	Protocol Protocol
	Call     Call
	Path     string // upstream, with its version segment
	Query    string // upstream, encoded
	Model    string // where the path names it
	Stream   bool   // where the path says so
}

// Spends says that the call makes the model generate.
func (r Route) Spends() bool { return r.Call != CountTokens && r.Call != ListModels }

// fixed are the routes whose path is always the same, by "METHOD path".
var fixed = map[Protocol]map[string]Call{
	Anthropic: {
		"POST /v1/messages":              Messages,
		"POST /v1/messages/count_tokens": CountTokens,
	},
	OpenAI: {
		"POST /v1/responses":        Responses,
		"POST /v1/chat/completions": ChatCompletions,
		"GET /v1/models":            ListModels,
	},
}

// queries are the parameters that may go upstream, with their values. Another is
// refused, but for Gemini's "key", a credential, which is dropped.
var queries = map[Protocol]map[string][]string{
	Anthropic: {"beta": {"true"}},
	Gemini:    {"alt": {"sse", "json"}},
}

// geminiPath has the model and the method. Dots and slashes cannot leave it.
var geminiPath = regexp.MustCompile(`^/v1beta/models/([A-Za-z0-9][A-Za-z0-9._-]{0,127}):(generateContent|streamGenerateContent|countTokens)$`)

// Allowed says, for people, what a protocol's routes are.
func (p Protocol) Allowed() string {
	switch p {
	case Anthropic:
		return "POST /v1/messages and POST /v1/messages/count_tokens"
	case Gemini:
		return "POST /v1beta/models/MODEL:generateContent, :streamGenerateContent and :countTokens"
	default:
		return "POST /v1/responses, POST /v1/chat/completions and GET /v1/models"
	}
}

// Match finds the route of a request's method and target. The target must be a
// plain path: nothing in it is decoded or cleaned, so nothing can be hidden.
func (p Protocol) Match(method, target string) (Route, *Refusal) {
	path, query, _ := strings.Cut(target, "?")
	route := Route{Protocol: p, Path: path}
	call, known := fixed[p][method+" "+path]
	if parts := geminiPath.FindStringSubmatch(path); p == Gemini && method == http.MethodPost && parts != nil {
		known, call, route.Model, route.Stream = true, Generate, parts[1], parts[2] == "streamGenerateContent"
		if parts[2] == "countTokens" {
			call = CountTokens
		}
	}
	if !known {
		return Route{}, Forbidden("path", "%s %s is not allowed; allowed are %s", method, shown(path), p.Allowed())
	}
	route.Call = call
	var refusal *Refusal
	route.Query, refusal = p.query(query)
	return route, refusal
}

func (p Protocol) query(raw string) (string, *Refusal) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return "", Malformed("query", "the query is malformed")
	}
	kept := url.Values{}
	for name, list := range values {
		switch allowed := queries[p][name]; {
		case name == "key" && p == Gemini:
		case name == "client_version" && p == OpenAI: // codex, when it lists models
		case len(list) == 1 && slices.Contains(allowed, list[0]):
			kept.Set(name, list[0])
		default:
			return "", Forbidden("query", "the query parameter %s is not allowed here", shown(name))
		}
	}
	return kept.Encode(), nil
}

// shown is a stranger's text in a message: printable ASCII of bounded length.
func shown(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// Shown is a stranger's text as it may stand in messages and logs.
func Shown(s string) string { return shown(s) }
