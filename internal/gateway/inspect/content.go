package inspect

import (
	"strings"

	"github.com/coderflow/coderflow/internal/gateway/strictjson"
	"github.com/coderflow/coderflow/internal/gateway/wire"
)

// content goes through a conversation. It carries its own content, or is
// refused: an address that the provider fetches is a way out of the sandbox, and
// a file at the provider may be another task's.
func (i *inspection) content(n *strictjson.Node, rules rules) *wire.Refusal {
	switch {
	case n.IsArray():
		for _, item := range n.Items {
			if refusal := i.content(item, rules); refusal != nil {
				return refusal
			}
		}
	case n.IsObject():
		return i.block(n, rules)
	}
	return nil
}

// block inspects one object of a conversation.
func (i *inspection) block(o *strictjson.Node, rules rules) *wire.Refusal {
	if refusal := rules.names.check(o); refusal != nil {
		return refusal
	}
	if kind := o.Get("type"); kind.IsString() {
		if why, refused := rules.blocks[kind.Text]; refused {
			return wire.Forbidden("content", "content of type %s is not allowed: %s", wire.Shown(kind.Text), why)
		}
		if rules.hosted != nil && i.route.Protocol == wire.Anthropic && rules.hosted.MatchString(kind.Text) {
			return hosted(kind.Text)
		}
	}
	if o.Get("tools").IsArray() { // tools that are added in the middle of a conversation
		if refusal := i.tools(o, rules, "tools"); refusal != nil {
			return refusal
		}
		if o.Get("tools") == nil {
			o.Set("tools", &strictjson.Node{Kind: strictjson.Array})
		}
	}
	for _, m := range o.Members {
		if rules.skipped[m.Key] || m.Key == "tools" {
			continue
		}
		if refusal := i.reference(m.Key, m.Value, rules); refusal != nil {
			return refusal
		}
		if refusal := i.content(m.Value, rules); refusal != nil {
			return refusal
		}
	}
	return nil
}

// reference refuses a value that refers to something elsewhere.
func (i *inspection) reference(key string, value *strictjson.Node, rules rules) *wire.Refusal {
	if value.IsNull() {
		return nil
	}
	switch canonical(key) {
	case "fileid", "fileids":
		return wire.Forbidden("content", "the field %s is not allowed: %s", wire.Shown(key), whyStored)
	case "fileurl", "filedata":
		if i.route.Protocol == wire.OpenAI && canonical(key) == "filedata" {
			return inline(key, value) // base64, or a data address
		}
		return wire.Forbidden("content", "the field %s is not allowed: %s", wire.Shown(key), whyFetch)
	case "imageurl", "videourl", "audiourl":
		if value.IsObject() {
			value = value.Get("url")
		}
		return data(key, value)
	case "source":
		if rules.sources != nil && value.IsObject() {
			if kind := value.Get("type"); !kind.IsString() || !rules.sources.MatchString(kind.Text) {
				return wire.Forbidden("content", "this kind of source is not allowed: %s", whyFetch)
			}
		}
	}
	return nil
}

// data refuses an address that does not carry its content.
func data(key string, value *strictjson.Node) *wire.Refusal {
	if value.IsString() && strings.HasPrefix(value.Text, "data:") {
		return nil
	}
	return wire.Forbidden("content", "the field %s is not a data: address: %s", wire.Shown(key), whyFetch)
}

// inline refuses an address with a scheme other than data.
func inline(key string, value *strictjson.Node) *wire.Refusal {
	if value.IsString() && (strings.HasPrefix(value.Text, "data:") || !strings.Contains(value.Text, ":")) {
		return nil
	}
	return data(key, value)
}
