package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// described is the member of both OpenAPI packages that describes github.com.
const described = "package/generated/api.github.com.json"

// prose are the keywords that say nothing a validator could check.
var prose = []string{"description", "summary", "externalDocs", "example", "examples", "tags", "title"}

// trimREST keeps the operations that operations.txt lists, and what they refer to.
func trimREST(pkg *archive, dir string) ([]byte, error) {
	doc, err := pkg.object(described)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "operations.txt"))
	if err != nil {
		return nil, fmt.Errorf("reading the list of operations: %w", err)
	}
	paths := map[string]any{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		method, path, _ := strings.Cut(line, " ")
		item, _ := doc["paths"].(map[string]any)[path].(map[string]any)
		operation, found := item[strings.ToLower(method)]
		if !found {
			return nil, fmt.Errorf("operations.txt: %s is not in the description", line)
		}
		if paths[path] == nil {
			paths[path] = map[string]any{}
		}
		paths[path].(map[string]any)[strings.ToLower(method)] = operation
	}
	return assemble(pkg, doc, "paths", paths)
}

// trimWebhooks keeps the webhooks of the events that events.txt lists, and what they refer to.
func trimWebhooks(pkg *archive, dir string) ([]byte, error) {
	doc, err := pkg.object(described)
	if err != nil {
		return nil, err
	}
	events, err := readEvents(dir)
	if err != nil {
		return nil, err
	}
	kept := map[string]any{}
	webhooks, _ := doc["webhooks"].(map[string]any)
	for name, item := range webhooks {
		if event, ok := eventOf(item); ok && slices.Contains(events, event) {
			kept[name] = payloadOnly(item)
		}
	}
	return assemble(pkg, doc, "webhooks", kept)
}

// eventOf is the event of a webhook: the first part of its operation id ("issues/labeled", "push").
func eventOf(item any) (string, bool) {
	post, _ := item.(map[string]any)["post"].(map[string]any)
	id, ok := post["operationId"].(string)
	event, _, _ := strings.Cut(id, "/")
	return strings.ReplaceAll(event, "-", "_"), ok
}

// payloadOnly drops the headers, which are the same for every webhook, and the receiver's answers.
func payloadOnly(item any) any {
	post := item.(map[string]any)["post"].(map[string]any)
	delete(post, "parameters")
	delete(post, "responses")
	return item
}

func readEvents(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "events.txt"))
	if err != nil {
		return nil, fmt.Errorf("reading the list of events: %w", err)
	}
	var events []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			events = append(events, line)
		}
	}
	return events, nil
}

// assemble is a description with one section, without prose, and with the components that the section reaches.
func assemble(pkg *archive, doc map[string]any, section string, content map[string]any) ([]byte, error) {
	strip(content)
	components := map[string]any{}
	if err := collect(doc, content, components); err != nil {
		return nil, err
	}
	return compact(map[string]any{
		"openapi":    doc["openapi"],
		"info":       doc["info"],
		"x-source":   map[string]any{"package": pkg.name, "version": pkg.version, "license": "MIT, see LICENSE.octokit"},
		section:      content,
		"components": components,
	})
}

// strip removes prose below value. The keys of a "properties" object are names, not keywords.
func strip(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range prose {
			delete(value, key)
		}
		for key, child := range value {
			if named, ok := child.(map[string]any); ok && key == "properties" {
				for _, property := range named {
					strip(property)
				}
				continue
			}
			strip(child)
		}
	case []any:
		for _, child := range value {
			strip(child)
		}
	}
}

// collect copies every component that value refers to, and what those refer to in turn.
func collect(doc map[string]any, value any, components map[string]any) error {
	switch value := value.(type) {
	case map[string]any:
		if ref, ok := value["$ref"].(string); ok {
			if err := follow(doc, ref, components); err != nil {
				return err
			}
		}
		for _, child := range value {
			if err := collect(doc, child, components); err != nil {
				return err
			}
		}
	case []any:
		for _, child := range value {
			if err := collect(doc, child, components); err != nil {
				return err
			}
		}
	}
	return nil
}

func follow(doc map[string]any, ref string, components map[string]any) error {
	kind, name, ok := strings.Cut(strings.TrimPrefix(ref, "#/components/"), "/")
	if !ok {
		return fmt.Errorf("reference %s leads out of the components", ref)
	}
	kept, _ := components[kind].(map[string]any)
	if kept == nil {
		kept = map[string]any{}
		components[kind] = kept
	}
	if _, seen := kept[name]; seen {
		return nil
	}
	all, _ := doc["components"].(map[string]any)[kind].(map[string]any)
	component, found := all[name]
	if !found {
		return fmt.Errorf("reference %s leads nowhere", ref)
	}
	strip(component)
	kept[name] = component
	return collect(doc, component, components)
}
