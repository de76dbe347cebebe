package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// protocolURLs are the providers' own addresses, by protocol.
var protocolURLs = map[string]string{
	"anthropic": "https://api.anthropic.com",
	"openai":    "https://api.openai.com",
	"gemini":    "https://generativelanguage.googleapis.com",
}

// Protocols are the model protocols that the gateway speaks, sorted.
func Protocols() []string { return slices.Sorted(maps.Keys(protocolURLs)) }

var (
	modelName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	modelID   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}\*?$`)
)

// maxPrice catches a price for one token, or in cents, taken for one in dollars.
const maxPrice = 10_000

func (l *loader) models(raw map[string]modelFile) map[string]Model {
	models := make(map[string]Model, len(raw))
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		at := "models." + name
		if !modelName.MatchString(name) {
			l.wrong(at, "want a lower-case letter, then up to 39 letters, digits and hyphens as the name of a provider")
			continue
		}
		models[name] = l.model(at, raw[name])
	}
	return models
}

func (l *loader) model(at string, raw modelFile) Model {
	m := Model{Protocol: raw.Protocol, Prices: map[string]Price{}}
	own, known := protocolURLs[raw.Protocol]
	if !known {
		l.wrong(at+".protocol", "want one of %s, not %q", strings.Join(Protocols(), ", "), raw.Protocol)
	}
	if raw.URL == "" {
		raw.URL = own
	}
	if raw.URL != "" {
		m.URL = strings.TrimSuffix(l.url(at+".url", raw.URL, raw.AllowHTTP), "/")
	}
	m.Key = forge.Secret(l.secret(at+".keyFile", raw.KeyFile, "the provider's API key"))
	for _, id := range slices.Sorted(maps.Keys(raw.Prices)) {
		p := raw.Prices[id]
		if !modelID.MatchString(id) {
			l.wrong(at+".prices."+id, "%q is not the id of a model", id)
		}
		if min(p.Input, p.Output, p.CacheRead, p.CacheWrite) < 0 || max(p.Input, p.Output, p.CacheRead, p.CacheWrite) > maxPrice {
			l.wrong(at+".prices."+id, "want US dollars for a million tokens, between 0 and %d", maxPrice)
		}
		m.Prices[id] = Price(p)
	}
	return m
}

// overrideModel applies a variable such as CODERFLOW_MODELS_ANTHROPIC_KEY_FILE,
// whose middle names a provider. It reports whether the variable is one of them.
func (l *loader) overrideModel(raw *file, variable, value string) bool {
	rest, isModel := strings.CutPrefix(variable, prefix+"MODELS_")
	if !isModel {
		return false
	}
	for _, suffix := range []string{"_PROTOCOL", "_ALLOW_HTTP", "_KEY_FILE", "_URL"} {
		words, found := strings.CutSuffix(rest, suffix)
		if !found || words == "" {
			continue
		}
		name := strings.ToLower(strings.ReplaceAll(words, "_", "-"))
		m := raw.Models[name]
		key := map[string]string{"_PROTOCOL": "protocol", "_ALLOW_HTTP": "allowHTTP", "_KEY_FILE": "keyFile", "_URL": "url"}[suffix]
		switch key {
		case "protocol":
			m.Protocol = value
		case "url":
			m.URL = value
		case "keyFile":
			m.KeyFile = value
		case "allowHTTP":
			m.AllowHTTP = value == "true"
			if value != "true" && value != "false" {
				l.problems = append(l.problems, &sy.Problem{File: variable, Path: "models." + name, Text: "want true or false"})
			}
		}
		if raw.Models == nil {
			raw.Models = map[string]modelFile{}
		}
		raw.Models[name] = m
		l.set["models."+name+"."+key] = variable
		return true
	}
	return false
}
