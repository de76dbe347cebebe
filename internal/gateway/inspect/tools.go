package inspect

import (
	"slices"

	"github.com/coderflow/coderflow/internal/gateway/strictjson"
	"github.com/coderflow/coderflow/internal/gateway/wire"
)

// tools goes through a list of tools. One that the provider is known to run is
// refused by name; one of a type that nobody here knows is taken out.
func (i *inspection) tools(o *strictjson.Node, rules rules, field string) *wire.Refusal {
	list := o.Get(field)
	if list.IsNull() {
		return nil
	}
	if !list.IsArray() {
		return wire.Malformed("tools", "the field %s is not a list", field)
	}
	var kept []*strictjson.Node
	for _, t := range list.Items {
		keep, refusal := i.tool(t, rules)
		if refusal != nil {
			return refusal
		}
		if keep {
			kept = append(kept, t)
		}
	}
	i.keep(o, field, kept)
	return nil
}

// keep sets what is left of a list. A choice of a tool is meaningless without
// tools, and one that is gone cannot be demanded.
func (i *inspection) keep(o *strictjson.Node, field string, kept []*strictjson.Node) {
	list := o.Get(field)
	gone := len(list.Items) - len(kept)
	list.Items = kept
	if gone == 0 {
		return
	}
	choice := o.Get("tool_choice")
	if len(kept) == 0 {
		o.Delete(field)
		o.Delete("tool_choice")
	} else if choice.IsObject() {
		o.Delete("tool_choice")
	}
}

// tool says whether a tool may stay.
func (i *inspection) tool(t *strictjson.Node, rules rules) (bool, *wire.Refusal) {
	if !t.IsObject() {
		return false, wire.Malformed("tools", "a tool is not an object")
	}
	if refusal := rules.names.check(t); refusal != nil {
		return false, refusal
	}
	kind := t.Get("type")
	switch {
	case kind.IsNull() && i.route.Protocol == wire.Anthropic:
		return true, nil
	case !kind.IsString():
		return false, wire.Malformed("tools", "the type of a tool is not a string")
	case rules.hosted.MatchString(kind.Text):
		return false, hosted(kind.Text)
	case !rules.client.MatchString(kind.Text):
		i.remove("tool " + wire.Shown(kind.Text))
		return false, nil
	case kind.Text == "namespace":
		return true, i.tools(t, rules, "tools")
	case kind.Text == "shell" && !local(t.Get("environment")):
		return false, hosted("shell with an environment of the provider")
	case kind.Text == "tool_search" && !isString(t.Get("execution"), "client"):
		return false, hosted("tool_search that is not executed by the client")
	}
	return true, nil
}

func hosted(name string) *wire.Refusal {
	return wire.Forbidden("tool", "the tool %s is not allowed: %s; the sandbox's own tools are", wire.Shown(name), whyHosted)
}

// local says that a shell runs on the agent's side. The default is the provider's.
func local(environment *strictjson.Node) bool {
	return isString(environment.Get("type"), "local")
}

func isString(n *strictjson.Node, text string) bool { return n.IsString() && n.Text == text }

// gemini inspects a request of its protocol, which a count of tokens may wrap.
func (i *inspection) gemini(o *strictjson.Node, rules rules, result *Result) *wire.Refusal {
	if refusal := i.policy.model(i.route.Model); refusal != nil {
		return refusal
	}
	if m := o.Get("model"); m != nil && !isString(m, "models/"+i.route.Model) && !isString(m, i.route.Model) {
		return wire.Malformed("model", "the body names another model than the path")
	}
	if refusal := i.geminiTools(o, rules); refusal != nil {
		return refusal
	}
	for _, field := range []string{"contents", "systemInstruction", "system_instruction"} {
		if refusal := i.content(o.Get(field), rules); refusal != nil {
			return refusal
		}
	}
	for _, field := range []string{"generateContentRequest", "generate_content_request"} {
		inner := o.Get(field)
		if inner.IsNull() {
			continue
		}
		if i.route.Call != wire.CountTokens || o != i.root || !inner.IsObject() {
			return wire.Malformed("field", "the field %s is not expected here", field)
		}
		if refusal := i.request(inner, result); refusal != nil {
			return refusal
		}
	}
	config := either(o, "generationConfig", "generation_config")
	if config.IsObject() {
		if refusal := rules.names.check(config); refusal != nil {
			return refusal
		}
		count := max(1, number(either(config, "candidateCount", "candidate_count")))
		result.MaxOutput = count * number(either(config, "maxOutputTokens", "max_output_tokens"))
	}
	result.Model, result.Stream = i.route.Model, i.route.Stream
	return nil
}

// either is the value under one of two spellings, of which only one is there.
func either(o *strictjson.Node, one, other string) *strictjson.Node {
	if v := o.Get(one); v != nil {
		return v
	}
	return o.Get(other)
}

// geminiTools goes through tools whose kinds are keys.
func (i *inspection) geminiTools(o *strictjson.Node, rules rules) *wire.Refusal {
	list := o.Get("tools")
	if list.IsNull() {
		return nil
	}
	if !list.IsArray() {
		list = &strictjson.Node{Kind: strictjson.Array, Items: []*strictjson.Node{list}} // as protobuf's reader might take it
		o.Set("tools", list)
	}
	var kept []*strictjson.Node
	for _, t := range list.Items {
		if !t.IsObject() {
			return wire.Malformed("tools", "a tool is not an object")
		}
		if refusal := rules.names.check(t); refusal != nil {
			return refusal
		}
		for _, m := range slices.Clone(t.Members) {
			switch kind := canonical(m.Key); {
			case kind == "functiondeclarations":
			case geminiHosted[kind]:
				return hosted(m.Key)
			default:
				i.remove("tool " + wire.Shown(m.Key))
				t.Delete(m.Key)
			}
		}
		if len(t.Members) > 0 {
			kept = append(kept, t)
		}
	}
	list.Items = kept
	if len(kept) == 0 {
		o.Delete("tools")
		o.Delete("toolConfig")
		o.Delete("tool_config")
	}
	return nil
}
