// Package inspect decides what a request's body may ask of a model provider, and
// writes the body that goes on: only listed models, no tools that the provider
// would run itself, nothing that makes the provider fetch or remember, no known
// secret. What it does not know of a request's fields it leaves alone; what it
// does not know of tools it takes away.
package inspect

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/coderflow/coderflow/internal/gateway/strictjson"
	"github.com/coderflow/coderflow/internal/gateway/wire"
	"github.com/coderflow/coderflow/internal/secret"
)

// Policy is what a session allows.
type Policy struct {
	Models   []string // names, or a beginning with one trailing "*"
	Redactor *secret.Redactor
}

// Result is a request that may go on.
type Result struct {
	Body       []byte // written anew
	Model      string
	Stream     bool
	MaxOutput  int64    // tokens that the answer may have at most; 0 where the request does not say
	Removed    []string // what was taken out, in words
	Redactions int
}

// Allows says that the policy lists a model.
func (p Policy) Allows(model string) bool {
	return slices.ContainsFunc(p.Models, func(m string) bool {
		if beginning, ok := strings.CutSuffix(m, "*"); ok {
			return strings.HasPrefix(model, beginning)
		}
		return m == model
	})
}

// maxModel bounds a model's name, in bytes: it is kept and shown.
const maxModel = 100

// model refuses one that is not listed.
func (p Policy) model(name string) *wire.Refusal {
	if name != "" && len(name) <= maxModel && wire.Shown(name) == name && p.Allows(name) {
		return nil
	}
	return wire.Forbidden("model", "the model %q is not allowed; allowed are %s", wire.Shown(name), strings.Join(p.Models, ", "))
}

// inspection is one request under way.
type inspection struct {
	policy  Policy
	route   wire.Route
	root    *strictjson.Node
	removed []string
}

// Body inspects the body of a request for a route.
func (p Policy) Body(route wire.Route, body string) (Result, *wire.Refusal) {
	root, err := strictjson.Parse(body)
	if errors.Is(err, strictjson.ErrLimit) {
		return Result{}, &wire.Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "size", Message: err.Error()}
	}
	if err != nil {
		return Result{}, wire.Malformed("json", "the body is not strict JSON: %v", err)
	}
	if !root.IsObject() {
		return Result{}, wire.Malformed("json", "the body is not a JSON object")
	}
	i := &inspection{policy: p, route: route, root: root}
	result := Result{Model: route.Model}
	var refusal *wire.Refusal
	switch route.Call {
	case wire.Messages, wire.Responses, wire.ChatCompletions, wire.CountTokens, wire.Generate:
		refusal = i.request(root, &result)
	default:
		refusal = wire.Forbidden("path", "this call takes no body")
	}
	if refusal != nil {
		return Result{}, refusal
	}
	if p.Redactor != nil {
		root.Strings(func(s string) string {
			text, n := p.Redactor.Redact(s)
			result.Redactions += n
			return text
		})
	}
	result.Removed = i.removed
	result.Body = root.Append(make([]byte, 0, len(body)+64))
	return result, nil
}

// request inspects the object that describes a request, by the protocol.
func (i *inspection) request(o *strictjson.Node, result *Result) *wire.Refusal {
	rules := rulesOf[i.route.Protocol]
	if refusal := rules.names.check(o); refusal != nil {
		return refusal
	}
	if refusal := i.top(o, rules); refusal != nil {
		return refusal
	}
	if i.route.Protocol == wire.Gemini {
		return i.gemini(o, rules, result)
	}
	model := o.Get("model")
	if !model.IsString() {
		return wire.Malformed("model", "the field model is required")
	}
	if refusal := i.policy.model(model.Text); refusal != nil {
		return refusal
	}
	stream := o.Get("stream")
	result.Model, result.Stream = model.Text, stream.True()
	if !stream.IsNull() && (stream.Kind != strictjson.Literal || stream.Text != "true" && stream.Text != "false") {
		return wire.Malformed("stream", "the field stream is not a boolean")
	}
	if refusal := i.tools(o, rules, "tools"); refusal != nil {
		return refusal
	}
	for _, field := range []string{"system", "messages", "input"} {
		if refusal := i.content(o.Get(field), rules); refusal != nil {
			return refusal
		}
	}
	i.settle(o, result)
	return nil
}

// top refuses and removes fields of the request itself.
func (i *inspection) top(o *strictjson.Node, rules rules) *wire.Refusal {
	for _, m := range slices.Clone(o.Members) {
		name := canonical(m.Key)
		if why, refused := rules.refused[name]; refused && !empty(m.Value) {
			return wire.Forbidden("field", "the field %s is not allowed: %s", wire.Shown(m.Key), why)
		}
		if keep, removed := rules.removed[name]; removed && !(m.Value.IsString() && slices.Contains(keep, m.Value.Text)) {
			if !empty(m.Value) {
				i.remove("field " + wire.Shown(m.Key))
			}
			o.Delete(m.Key)
		}
	}
	return nil
}

// empty says that a field asks for nothing.
func empty(n *strictjson.Node) bool {
	return n.IsNull() || n.Kind == strictjson.Literal && n.Text == "false" ||
		n.Kind != strictjson.Literal && n.Text == "" && len(n.Items) == 0 && len(n.Members) == 0
}

// remove notes what was taken out, once.
func (i *inspection) remove(what string) {
	if !slices.Contains(i.removed, what) && len(i.removed) < 32 {
		i.removed = append(i.removed, what)
	}
}

// settle sets what the gateway needs: usage at the end of a stream, and nothing
// stored at the provider, where another task could find it.
func (i *inspection) settle(o *strictjson.Node, result *Result) {
	output := int64(0)
	for _, field := range []string{"max_tokens", "max_output_tokens", "max_completion_tokens"} {
		output = max(output, number(o.Get(field)))
	}
	result.MaxOutput = output * max(1, number(o.Get("n")))
	switch i.route.Call {
	case wire.Responses:
		o.Set("store", strictjson.NewLiteral("false"))
	case wire.ChatCompletions:
		if o.Get("store") != nil {
			o.Set("store", strictjson.NewLiteral("false"))
		}
		if result.Stream {
			options := o.Get("stream_options")
			if !options.IsObject() {
				options = &strictjson.Node{Kind: strictjson.Object}
				o.Set("stream_options", options)
			}
			options.Set("include_usage", strictjson.NewLiteral("true"))
		}
	case wire.Messages, wire.CountTokens, wire.ListModels, wire.Generate:
	}
}

// number is a whole number, or 0; huge ones are cut so that sums stay sound.
func number(n *strictjson.Node) int64 {
	if n == nil || n.Kind != strictjson.Literal {
		return 0
	}
	f, err := strconv.ParseFloat(n.Text, 64)
	if err != nil || !(f > 0) {
		return 0
	}
	return int64(min(f, 1<<30))
}
