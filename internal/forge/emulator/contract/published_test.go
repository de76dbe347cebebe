package contract

import (
	"strings"
	"testing"
)

func TestEverySchemaOfEveryOperationCompiles(t *testing.T) {
	t.Parallel()
	p := newValidator(t).published
	for _, operations := range p.routes {
		for _, op := range operations {
			for _, keys := range schemasOf(p.rest.doc, op) {
				if _, err := p.rest.at(keys...); err != nil {
					t.Errorf("%s: %v", op.id, err)
				}
			}
		}
	}
	for name := range object(p.webhooks.doc, "webhooks") {
		keys := []string{"webhooks", name, "post", "requestBody", "content", "application/json", "schema"}
		if _, err := p.webhooks.at(keys...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// schemasOf are the places of all schemas of an operation.
func schemasOf(doc map[string]any, op *operation) [][]string {
	var found [][]string
	for _, p := range op.parameters {
		found = append(found, p.keys)
	}
	add := func(node map[string]any, keys []string) {
		node, keys = resolve(doc, node, keys)
		for kind, media := range object(node, "content") {
			if media.(map[string]any)["schema"] != nil {
				found = append(found, append(append([]string{}, keys...), "content", kind, "schema"))
			}
		}
	}
	if body := object(op.spec, "requestBody"); body != nil {
		add(body, append(append([]string{}, op.keys...), "requestBody"))
	}
	for status, response := range object(op.spec, "responses") {
		add(response.(map[string]any), append(append([]string{}, op.keys...), "responses", status))
	}
	return found
}

func TestRoutesPreferLiteralSegments(t *testing.T) {
	t.Parallel()
	p := newValidator(t).published
	tests := map[string]string{
		"GET /repos/o/r/issues/comments":                       "issues/list-comments-for-repo",
		"GET /repos/o/r/issues/7":                              "issues/get",
		"GET /repos/o/r/issues/comments/7":                     "issues/get-comment",
		"GET /repos/o/r/issues/7/comments":                     "issues/list-comments",
		"GET /repos/o/r/commits/feature/x/check-runs":          "checks/list-for-ref",
		"GET /repos/o/r/commits/feature%2Fx/status":            "repos/get-combined-status-for-ref",
		"GET /repos/o/r/git/ref/heads/coderflow/7":             "git/get-ref",
		"GET /repos/o/r/compare/main...feature/x":              "repos/compare-commits-with-basehead",
		"GET /repos/o/r/contents/.github/workflows/ci.yml":     "repos/get-content",
		"GET /repos/o/r/branches/release/1.2/protection":       "repos/get-branch-protection",
		"GET /repos/o/r/branches/release/1.2":                  "repos/get-branch",
		"DELETE /repos/o/r/issues/7/labels/needs%2Fdiscussion": "issues/remove-label",
		"GET /repos/o/r/pulls/7/reviews/9/comments":            "pulls/list-comments-for-review",
		"GET /repos/o/r/releases":                              "",
		"GET /repos/o/r/issues//comments":                      "",
		"PATCH /repos/o/r":                                     "",
	}
	for request, want := range tests {
		method, path, _ := strings.Cut(request, " ")
		got := ""
		if op, _ := p.routes.find(method, path); op != nil {
			got = op.id
		}
		if got != want {
			t.Errorf("%s is %q, not %q", request, got, want)
		}
	}
}

func TestEveryOperationHasItsPermission(t *testing.T) {
	t.Parallel()
	p := newValidator(t).published
	table, err := permissionTable()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, operations := range p.routes {
		for _, op := range operations {
			row := op.method + " " + op.path
			known[row] = true
			if _, ok := table[row]; !ok {
				t.Errorf("permissions.txt has no row for %s", row)
			}
			if _, _, ok := Permission(op.method, op.path); !ok {
				t.Errorf("Permission does not know %s", row)
			}
		}
	}
	for row := range table {
		if !known[row] && !strings.HasPrefix(row, "GRAPHQL ") {
			t.Errorf("permissions.txt has a row for %s, which is not in operations.txt", row)
		}
	}
}

func TestAnyOneOfTheNeedsIsEnough(t *testing.T) {
	t.Parallel()
	const comment = "/repos/o/r/issues/7/comments"
	tests := []struct {
		method, path string
		granted      map[string]string
		want         bool
	}{
		{"POST", comment, map[string]string{"issues": "write"}, true},
		{"POST", comment, map[string]string{"pull_requests": "write"}, true},
		{"POST", comment, map[string]string{"issues": "read"}, false},
		{"GET", comment, map[string]string{"issues": "write"}, true},
		{"GET", "/user", nil, true},
		{"GRAPHQL", "markPullRequestReadyForReview", map[string]string{"pull_requests": "write"}, false},
		{"GRAPHQL", "markPullRequestReadyForReview", map[string]string{"pull_requests": "write", "contents": "write"}, true},
		{"GET", "/teapots", map[string]string{"issues": "write"}, false},
	}
	for _, test := range tests {
		if got := Satisfied(test.method, test.path, test.granted); got != test.want {
			t.Errorf("%s %s with %v: %v", test.method, test.path, test.granted, got)
		}
	}
	if permission, level, ok := Permission("POST", "/repos/{owner}/{repo}/issues/{issue_number}/comments"); permission != "issues" || level != "write" || !ok {
		t.Errorf("the permission for commenting is %s:%s", permission, level)
	}
}

// BenchmarkLoad is what the first New of a process costs; later ones share its work.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := parsePublished(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDelivery is one check of a large body with its schema compiled.
func BenchmarkDelivery(b *testing.B) {
	v := newValidator(b)
	var body []byte
	for event, example := range Examples() {
		if event == "pull_request" {
			body = example
		}
	}
	for b.Loop() {
		v.Delivery("pull_request", body)
	}
}
