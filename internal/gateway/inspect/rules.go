package inspect

import (
	"regexp"

	"github.com/coderflow/coderflow/internal/gateway/wire"
)

// rules are what differs between the protocols. Every list of tools is one of
// what is known to be run by the agent itself: the rest is not let through.
type rules struct {
	names   vocabulary
	refused map[string]string   // canonical top-level field → why
	removed map[string][]string // canonical top-level field → values that may stay
	client  *regexp.Regexp      // types of tools that the agent runs
	hosted  *regexp.Regexp      // types of tools that the provider runs: refused by name
	sources *regexp.Regexp      // types of a "source" that carry their content
	skipped map[string]bool     // keys below which is an agent's own data, never the provider's
	blocks  map[string]string   // types of content that are refused → why
}

const (
	whyHosted = "the provider would run it, outside of the sandbox"
	whyStored = "it refers to something stored at the provider, which may be another task's"
	whyFetch  = "it makes the provider fetch an address; send the content itself"
	whyRoute  = "it would choose another model or address behind the gateway's back"
)

// everywhere are fields with which proxies and routers in front of models let a
// request choose where it goes.
var everywhere = map[string]string{
	"models": whyRoute, "fallbacks": whyRoute, "fallbackmodel": whyRoute, "fallbackmodels": whyRoute, "plugins": whyHosted,
	"apibase": whyRoute, "baseurl": whyRoute, "apikey": whyRoute, "apiversion": whyRoute, "apitype": whyRoute,
	"extraheaders": whyRoute, "extrabody": whyRoute, "extraquery": whyRoute, "customllmprovider": whyRoute, "userconfig": whyRoute,
	"mcpservers": whyHosted, "websearchoptions": whyHosted, "websearch": whyHosted, "searchparameters": whyHosted, "enablesearch": whyHosted,
}

func with(more map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range []map[string]string{everywhere, more} {
		for name, why := range m {
			all[name] = why
		}
	}
	return all
}

// dear are fields that multiply the price of a token: without them it is the one
// that the budget reckons with.
var dear = map[string][]string{"servicetier": {"auto", "default", "standard", "standard_only", "flex"}, "speed": {"standard"}}

var rulesOf = map[wire.Protocol]rules{
	wire.Anthropic: {
		names: newVocabulary("model", "messages", "system", "tools", "tool_choice", "type", "source", "content", "stream", "max_tokens", "mcp_servers",
			"container", "file_id", "input", "name"),
		refused: with(map[string]string{"container": whyHosted}),
		removed: dear,
		client:  regexp.MustCompile(`^(custom|(bash|text_editor|computer|memory|tool_search_tool_regex|tool_search_tool_bm25)_\d{8})$`),
		hosted:  regexp.MustCompile(`^(web_search|web_fetch|code_execution|mcp_toolset|mcp|advisor|bash_code_execution)(_\d{8})?$`),
		sources: regexp.MustCompile(`^(base64|text|content)$`),
		skipped: map[string]bool{"input": true, "input_schema": true},
		blocks:  map[string]string{"container_upload": whyStored},
	},
	wire.OpenAI: {
		names: newVocabulary("model", "messages", "input", "tools", "tool_choice", "type", "stream", "stream_options", "include_usage", "store", "background",
			"previous_response_id", "conversation", "prompt", "image_url", "file_url", "file_id", "file", "url", "n", "max_tokens", "max_output_tokens",
			"max_completion_tokens", "web_search_options", "function", "environment", "execution"),
		refused: with(map[string]string{"previousresponseid": whyStored, "conversation": whyStored, "prompt": whyStored, "background": whyStored}),
		removed: dear,
		client:  regexp.MustCompile(`^(function|custom|local_shell|shell|apply_patch|namespace|tool_search)$`),
		hosted:  regexp.MustCompile(`^(web_search.*|file_search|code_interpreter|computer.*|mcp|browser.*|web_fetch.*)$`),
		skipped: map[string]bool{"arguments": true, "parameters": true, "action": true},
		blocks:  map[string]string{"item_reference": whyStored},
	},
	wire.Gemini: {
		names: newVocabulary("model", "contents", "tools", "toolConfig", "tool_config", "systemInstruction", "system_instruction", "cachedContent",
			"cached_content", "generateContentRequest", "generate_content_request", "generationConfig", "generation_config", "functionDeclarations",
			"function_declarations", "fileData", "file_data", "fileUri", "file_uri", "functionCall", "function_call", "functionResponse",
			"function_response", "args", "response", "parts", "maxOutputTokens", "max_output_tokens", "candidateCount", "candidate_count"),
		refused: with(map[string]string{"cachedcontent": whyStored}),
		removed: dear,
		skipped: map[string]bool{"args": true, "response": true},
	},
}

// geminiHosted are the kinds of tools of Gemini that are refused by name.
var geminiHosted = map[string]bool{"googlesearch": true, "googlesearchretrieval": true, "codeexecution": true, "urlcontext": true, "googlemaps": true,
	"filesearch": true, "enterprisewebsearch": true, "retrieval": true, "mcpservers": true}
