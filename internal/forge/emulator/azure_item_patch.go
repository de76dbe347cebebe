package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

type patchOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	From  string `json:"from"`
	Value any    `json:"value"`
}

// itemChange is what a JSON patch asks of a work item.
type itemChange struct {
	fields    map[string]any
	comment   string
	relations []obj
}

// readPatch reads the document, which has a media type of its own.
func (c *azureCall) readPatch() ([]patchOperation, error) {
	if kind, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), "application/json-patch+json") {
		return nil, azureFailure(http.StatusUnsupportedMediaType, "VssRequestContentTypeNotSupportedException",
			"The request indicated a Content-Type of \"%s\" for method type \"%s\" which is not supported. Valid content types for this method are: application/json-patch+json.", kind, c.r.Method)
	}
	var list []patchOperation
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil || len(list) == 0 {
		return nil, azureFailure(http.StatusBadRequest, "VssPropertyValidationException", "You must pass a valid patch document in the body of the request.")
	}
	return list, nil
}

// changeOf checks a patch against the work item, which is nil for a new one, and changes nothing.
func (c *azureCall) changeOf(w *workItem, list []patchOperation) (itemChange, error) {
	change := itemChange{fields: map[string]any{}}
	for _, op := range list {
		var err error
		name, isField := strings.CutPrefix(op.Path, "/fields/")
		switch {
		case op.Op == "test" && w != nil:
			err = c.testItem(w, op)
		case op.Path == "/relations/-" && op.Op == "add":
			relation, is := op.Value.(map[string]any)
			if !is {
				return change, badArgument("The relation is not valid.")
			}
			change.relations = append(change.relations, relation)
		case isField && slices.Contains([]string{"add", "replace", "remove"}, op.Op):
			err = c.changeField(w, &change, op, name)
		default:
			err = c.unknown(fmt.Sprintf("patch operation %s %s", op.Op, op.Path))
		}
		if err != nil {
			return change, err
		}
	}
	return change, nil
}

// testItem is how a client makes sure that nobody changed the work item since it read it.
func (c *azureCall) testItem(w *workItem, op patchOperation) error {
	var have any = w.rev
	if name, isField := strings.CutPrefix(op.Path, "/fields/"); isField {
		have = c.f.fieldJSON(w.fields[name])
	} else if op.Path != "/rev" {
		return c.unknown("patch operation test " + op.Path)
	}
	if fmt.Sprint(have) == fmt.Sprint(op.Value) {
		return nil
	}
	return azureFailure(http.StatusPreconditionFailed, "TestPatchOperationFailedException",
		"VS403351: Test Operation for path %s failed, value %v was not equal to test value %v.", op.Path, have, op.Value)
}

func (c *azureCall) changeField(w *workItem, change *itemChange, op patchOperation, name string) error {
	at := slices.IndexFunc(settable, func(s string) bool { return strings.EqualFold(s, name) })
	if at < 0 {
		if strings.HasPrefix(name, "System.") || strings.HasPrefix(name, "Microsoft.VSTS.") {
			return c.unknown("field " + name)
		}
		return azureFailure(http.StatusBadRequest, "WorkItemTrackingFieldDefinitionNotFoundException", "TF51535: Cannot find field %s.", name)
	}
	name = settable[at]
	value := plain(op.Value)
	if op.Op == "remove" || value == "" {
		value = nil
	}
	text, _ := value.(string)
	if slices.Contains(rich, name) {
		text = sanitizeHTML(text)
	}
	switch name {
	case "System.History":
		change.comment = text
		return nil
	case "System.Tags":
		tags := splitTags(text)
		if op.Op == "add" && w != nil {
			tags = append(w.tags(), tags...)
		}
		if text = joinTags(tags); text == "" {
			change.fields[name] = nil
			return nil
		}
		value = text
	case "System.AssignedTo":
		var err error
		if value, err = c.assignee(value); err != nil {
			return err
		}
	default:
		if _, is := value.(string); is {
			value = text
		}
	}
	change.fields[name] = value
	return c.checkField(w, name, value)
}

// assignee is a person by unique name or display name, or by an object with one of them.
func (c *azureCall) assignee(value any) (any, error) {
	name, _ := value.(string)
	if object, is := value.(map[string]any); is {
		name, _ = object["uniqueName"].(string)
	}
	if name == "" {
		return nil, nil
	}
	for _, u := range c.f.identities() {
		if strings.EqualFold(c.f.mail(u), name) || strings.EqualFold(u.displayName(), name) {
			return u, nil
		}
	}
	return nil, azureFailure(http.StatusBadRequest, "RuleValidationException", "The identity value '%s' for field 'Assigned To' is an unknown identity.", name)
}

// checkField holds a value against the rules of the process.
func (c *azureCall) checkField(w *workItem, name string, value any) error {
	text, _ := value.(string)
	kind := c.vars["type"]
	if w != nil {
		kind = w.kind()
	}
	switch name {
	case "System.Title":
		if strings.TrimSpace(text) == "" {
			return azureFailure(http.StatusBadRequest, "RuleValidationException", "TF401320: Rule Error for field Title. Error code: Required, InvalidEmpty.")
		}
		if utf8.RuneCountInString(text) > 255 {
			return azureFailure(http.StatusBadRequest, "RuleValidationException", "TF401320: Rule Error for field Title. Error code: InvalidTooLong.")
		}
	case "System.State":
		if !slices.ContainsFunc(itemStates[kind], func(s [2]string) bool { return s[0] == text }) {
			return azureFailure(http.StatusBadRequest, "RuleValidationException",
				"The field 'State' contains the value '%s' that is not in the list of supported values", text)
		}
	}
	return nil
}

func (c *azureCall) refuseRules() error {
	for _, name := range []string{"validateOnly", "bypassRules"} {
		if c.param(name) == "true" {
			return c.unknown("query " + name)
		}
	}
	return nil
}

func (c *azureCall) createItem() (response, error) {
	if err := c.refuseRules(); err != nil {
		return response{}, err
	}
	if err := c.mayWriteItems(c.project); err != nil {
		return response{}, err
	}
	kind := ""
	for name := range itemStates {
		if strings.EqualFold(name, c.vars["type"]) {
			kind = name
		}
	}
	if kind == "" {
		return response{}, azureFailure(http.StatusNotFound, "WorkItemTypeNotFoundException",
			"VS402323: Work item type %s does not exist in project %s or you do not have permission to access it.", c.vars["type"], c.project.login)
	}
	c.vars["type"] = kind
	list, err := c.readPatch()
	if err != nil {
		return response{}, err
	}
	change, err := c.changeOf(nil, list)
	if err != nil {
		return response{}, err
	}
	if change.fields["System.Title"] == nil {
		return response{}, azureFailure(http.StatusBadRequest, "RuleValidationException", "TF401320: Rule Error for field Title. Error code: Required, InvalidEmpty.")
	}
	w := c.f.newItem(c.project, kind, c.who.user, change.fields)
	c.applyRest(w, change)
	return ok(c.f.itemJSON(w, nil, c.param("$expand")))
}

func (c *azureCall) updateItem() (response, error) {
	if err := c.refuseRules(); err != nil {
		return response{}, err
	}
	w, err := c.writable(c.num("id"))
	if err != nil {
		return response{}, err
	}
	list, err := c.readPatch()
	if err != nil {
		return response{}, err
	}
	change, err := c.changeOf(w, list)
	if err != nil {
		return response{}, err
	}
	if state, _ := change.fields["System.State"].(string); state != "" && state != w.text("System.State") && change.fields["System.Reason"] == nil {
		change.fields["System.Reason"] = "Moved to state " + state
	}
	c.f.reviseItem(w, c.who.user, change.fields, nil, nil)
	c.applyRest(w, change)
	return ok(c.f.itemJSON(w, nil, c.param("$expand")))
}

func (c *azureCall) applyRest(w *workItem, change itemChange) {
	if text, _ := change.fields["System.Description"].(string); text != "" {
		c.f.noteHTML(w, c.who.user, text)
	}
	if change.comment != "" {
		c.f.commentItem(w, c.who.user, change.comment)
	}
	for _, relation := range change.relations {
		c.f.reviseItem(w, c.who.user, nil, nil, relation)
	}
}

// transitionItems closes the work items of a completed pull request that are linked with it.
func (f *Forge) transitionItems(p *pull, by *user) {
	for _, w := range p.azure.items {
		for _, s := range itemStates[w.kind()] {
			if s[1] == "Completed" && w.open() {
				f.reviseItem(w, by, map[string]any{"System.State": s[0], "System.Reason": "Moved to state " + s[0]}, nil, nil)
			}
		}
	}
}
