package emulator

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	wiqlQuery     = regexp.MustCompile(`(?is)^\s*select\s+(.+?)\s+from\s+workitems\s*(?:where\s+(.+?))?\s*(?:order\s+by\s+(.+?))?\s*$`)
	wiqlCondition = regexp.MustCompile(`(?is)^\[([A-Za-z.]+)\]\s*(>=|<=|<>|=|>|<|not\s+contains|contains|not\s+in|in)\s*(.+)$`)
	wiqlOrder     = regexp.MustCompile(`(?i)^\[([A-Za-z.]+)\](?:\s+(asc|desc))?$`)
	wiqlField     = regexp.MustCompile(`^\[[A-Za-z.]+\]$`)
	wiqlText      = regexp.MustCompile(`^'((?:[^']|'')*)'$`)
)

// maxQueried is how many work items a query can find.
const maxQueried = 20000

// wiql answers queries whose conditions all hold (AND), over the fields that an adapter needs. Anything else is unknown.
func (c *azureCall) wiql() (response, error) {
	var in struct {
		Query string `json:"query"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	m := wiqlQuery.FindStringSubmatch(in.Query)
	if m == nil {
		return response{}, azureFailure(http.StatusBadRequest, "VssPropertyValidationException", "TF51006: The query statement is missing a SELECT or FROM clause.")
	}
	columns, err := c.wiqlColumns(m[1])
	if err != nil {
		return response{}, err
	}
	var found []*workItem
	for _, w := range c.f.azure.items {
		if c.f.memberOf(c.who.user, w.project, levelRead) {
			found = append(found, w)
		}
	}
	if m[2] != "" {
		for _, part := range splitAnd(m[2]) {
			if found, err = c.wiqlFilter(found, part); err != nil {
				return response{}, err
			}
		}
	}
	sorting, err := c.wiqlSort(found, m[3])
	if err != nil {
		return response{}, err
	}
	refs := []obj{}
	for _, w := range found[:min(len(found), positive(c.param("$top"), maxQueried))] {
		refs = append(refs, obj{"id": w.id, "url": c.f.orgURL() + "/_apis/wit/workItems/" + str(int64(w.id))})
	}
	return ok(obj{"queryType": "flat", "queryResultType": "workItem", "asOf": azureDate(c.f.opts.Now()), "columns": columns, "sortColumns": sorting, "workItems": refs})
}

func (c *azureCall) wiqlColumns(text string) ([]obj, error) {
	out := []obj{}
	for _, name := range splitList(text) {
		if !wiqlField.MatchString(name) {
			return nil, c.unknown("WIQL column " + name)
		}
		name = strings.Trim(name, "[]")
		out = append(out, obj{"referenceName": name, "name": name[strings.LastIndex(name, ".")+1:], "url": c.f.orgURL() + "/_apis/wit/fields/" + name})
	}
	return out, nil
}

// splitAnd splits at AND outside quotes.
func splitAnd(text string) []string {
	var out []string
	var part strings.Builder
	quoted := false
	words := strings.SplitAfter(text, " ")
	for _, word := range words {
		quoted = quoted != (strings.Count(word, "'")%2 == 1)
		if !quoted && strings.EqualFold(strings.TrimSpace(word), "and") {
			out = append(out, strings.TrimSpace(part.String()))
			part.Reset()
			continue
		}
		part.WriteString(word)
	}
	return append(out, strings.TrimSpace(part.String()))
}

func (c *azureCall) wiqlFilter(items []*workItem, part string) ([]*workItem, error) {
	part = strings.TrimSpace(part)
	for strings.HasPrefix(part, "(") && strings.HasSuffix(part, ")") && !strings.Contains(part[1:len(part)-1], "(") {
		part = strings.TrimSpace(part[1 : len(part)-1])
	}
	m := wiqlCondition.FindStringSubmatch(part)
	if m == nil {
		return nil, c.unknown("WIQL condition " + part)
	}
	test, err := c.wiqlTest(strings.ToLower(m[1]), strings.ToLower(strings.Join(strings.Fields(m[2]), " ")), strings.TrimSpace(m[3]))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(items), func(w *workItem) bool { return !test(w) }), nil
}

func (c *azureCall) wiqlTest(field, op, operand string) (func(*workItem) bool, error) {
	unknown := c.unknown("WIQL condition [" + field + "] " + op + " " + operand)
	value := operand
	if m := wiqlText.FindStringSubmatch(operand); m != nil {
		value = strings.ReplaceAll(m[1], "''", "'")
	} else if strings.EqualFold(operand, "@project") && c.project != nil {
		value = c.project.login
	} else if op != "in" && op != "not in" && field != "system.id" {
		return nil, unknown
	}
	fields := map[string]string{"system.teamproject": "System.TeamProject", "system.state": "System.State", "system.workitemtype": "System.WorkItemType", "system.areapath": "System.AreaPath"}
	switch {
	case fields[field] != "" && (op == "=" || op == "<>"):
		return func(w *workItem) bool { return strings.EqualFold(w.text(fields[field]), value) == (op == "=") }, nil
	case (field == "system.state" || field == "system.workitemtype") && (op == "in" || op == "not in"):
		list := splitList(strings.Trim(operand, "() "))
		return func(w *workItem) bool {
			return slices.ContainsFunc(list, func(one string) bool { return strings.EqualFold(strings.Trim(one, "'"), w.text(fields[field])) }) == (op == "in")
		}, nil
	case field == "system.tags" && (op == "contains" || op == "not contains"):
		return func(w *workItem) bool {
			return slices.ContainsFunc(w.tags(), func(tag string) bool { return strings.EqualFold(tag, value) }) == (op == "contains")
		}, nil
	case field == "system.id" && op == "=":
		return func(w *workItem) bool { return str(int64(w.id)) == value }, nil
	case (field == "system.changeddate" || field == "system.createddate") && strings.ContainsAny(op, "<>") && op != "<>":
		return c.wiqlDate(map[string]string{"system.changeddate": "System.ChangedDate", "system.createddate": "System.CreatedDate"}[field], op, value)
	}
	return nil, unknown
}

// wiqlDate compares days, or moments if the query has their precision.
func (c *azureCall) wiqlDate(field, op, value string) (func(*workItem) bool, error) {
	precise := strings.EqualFold(c.param("timePrecision"), "true")
	at, err := time.Parse("2006-01-02", value)
	if err != nil {
		if at, err = time.Parse(time.RFC3339Nano, value); err != nil {
			return nil, c.unknown("WIQL date " + value)
		}
		if !precise {
			return nil, azureFailure(http.StatusBadRequest, "VssPropertyValidationException",
				"You cannot supply a time with the date when running a query using date precision. The error is caused by «[%s] %s '%s'».", field, op, value)
		}
	}
	return func(w *workItem) bool {
		have, _ := w.fields[field].(time.Time)
		if !precise {
			have = have.Truncate(24 * time.Hour)
		}
		order := have.Compare(at)
		return order > 0 && op[0] == '>' || order < 0 && op[0] == '<' || order == 0 && len(op) == 2
	}, nil
}

func (c *azureCall) wiqlSort(items []*workItem, clause string) ([]obj, error) {
	out := []obj{}
	if clause == "" {
		return out, nil
	}
	m := wiqlOrder.FindStringSubmatch(strings.TrimSpace(clause))
	if m == nil {
		return nil, c.unknown("WIQL order by " + clause)
	}
	down := strings.EqualFold(m[2], "desc")
	var compare func(a, b *workItem) int
	switch strings.ToLower(m[1]) {
	case "system.id":
		compare = func(a, b *workItem) int { return cmp.Compare(a.id, b.id) }
	case "system.changeddate":
		compare = func(a, b *workItem) int {
			return a.fields["System.ChangedDate"].(time.Time).Compare(b.fields["System.ChangedDate"].(time.Time))
		}
	default:
		return nil, c.unknown("WIQL order by " + clause)
	}
	slices.SortStableFunc(items, func(a, b *workItem) int {
		if down {
			return compare(b, a)
		}
		return compare(a, b)
	})
	return append(out, obj{"field": obj{"referenceName": m[1]}, "descending": down}), nil
}
