package web

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every way into the server has a row that says who may; every row of the API
// that is about anything but the caller has a permission, and none approves.
func TestEveryRouteOfTheAPIHasAPermission(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{})
	rows := map[string]apiRow{}
	for _, row := range newServer(Options{API: &API{}}).apiRows() {
		rows[row.method+" "+apiPrefix+row.path] = row
	}
	var found int
	for _, r := range w.handler.(*echo.Echo).Routes() {
		if !strings.HasPrefix(r.Path, "/api/") || r.Path == apiPrefix+"/openapi.yaml" {
			continue
		}
		found++
		row, known := rows[r.Method+" "+r.Path]
		switch {
		case !known:
			t.Errorf("%s %s has no row", r.Method, r.Path)
		case row.on == onSelf && row.permission == "":
		case !row.permission.Known():
			t.Errorf("%s %s has no permission", r.Method, r.Path)
		case row.permission == policy.TasksApprove:
			t.Errorf("%s %s takes the permission to approve, which is for reviews at the forge", r.Method, r.Path)
		}
	}
	if found != len(rows) {
		t.Errorf("%d routes for %d rows", found, len(rows))
	}
}

// caller is somebody in the matrix.
type caller struct {
	name     string
	bindings []policy.Binding
	signed   bool
}

func callers() []caller {
	bound := func(role, resource string) []policy.Binding {
		return []policy.Binding{{Name: "b", Subject: owner, Role: role, Resource: resource}}
	}
	return []caller{
		{"no token", nil, false}, {"nobody", nil, true},
		{"viewer", bound("viewer", "environment/staging"), true}, {"developer", bound("developer", "environment/staging"), true},
		{"environment-admin", bound("environment-admin", "environment/staging"), true},
		{"team-admin", bound("team-admin", "team/x"), true}, {"server-admin", bound("server-admin", "*"), true},
	}
}

// Every route as every predefined role, in its own and in another environment.
// The outcomes are in testdata/matrix.txt, where a change of them is reviewed;
// go test ./internal/web -run Matrix -update writes it.
func TestThreat49MatrixOfRoutesRolesAndEnvironments(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	fmt.Fprintf(&out, "%-52s", "")
	for _, who := range callers() {
		fmt.Fprintf(&out, "  %s", who.name)
	}
	out.WriteString("\n")
	for _, row := range newServer(Options{API: &API{}}).apiRows() {
		for _, on := range instances(row) {
			fmt.Fprintf(&out, "%-52s", row.method+" "+on)
			for _, who := range callers() {
				w := newAPIWorld(t, Limits{}, who.bindings...)
				w.policy.Teams = map[string]policy.Team{"x": {Name: "x"}}
				w.policy.Compile()
				var secret string
				if who.signed {
					secret = w.token("k", owner, token.Scope{})
				}
				fmt.Fprintf(&out, "  %-*d", len(who.name), w.ask(row.method, on, secret).Code)
			}
			out.WriteString("\n")
		}
	}
	golden(t, "testdata/matrix.txt", regexp.MustCompile(`(?m) +$`).ReplaceAllString(out.String(), ""))
}

// instances are the addresses of a row: of its own, another and no environment.
func instances(row apiRow) []string {
	switch row.on {
	case onTask:
		var list []string
		for _, id := range []task.ID{here, there, none} {
			list = append(list, strings.Replace(row.path, ":id", string(id), 1))
		}
		return list
	case onServer:
		return []string{row.path, row.path + "?environment=staging", row.path + "?environment=production", row.path + "?environment=nowhere"}
	case onEnvironments:
		if slices.Contains(row.query, "environment") {
			return []string{row.path, row.path + "?environment=production", row.path + "?environment=nowhere"}
		}
	}
	return []string{row.path}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as reviewed; -update writes it anew. Got:\n%s", file, got)
	}
}

// What another environment has and what nobody has get the same answer, byte for
// byte but for the request's id.
func TestThreat49AnotherEnvironmentIsLikeNone(t *testing.T) {
	t.Parallel()
	w := newAPIWorld(t, Limits{}, policy.Binding{Name: "b", Subject: owner, Role: "environment-admin", Resource: "environment/staging"})
	secret := w.token("k", owner, token.Scope{})
	for _, row := range newServer(Options{API: &API{}}).apiRows() {
		list := instances(row)
		if row.on == onSelf || len(list) < 3 {
			continue
		}
		hidden, absent := w.ask(row.method, list[len(list)-2], secret), w.ask(row.method, list[len(list)-1], secret)
		text := func(header http.Header, body string) string {
			id := header.Get("X-Request-Id")
			header.Del("X-Request-Id")
			return fmt.Sprint(header, strings.ReplaceAll(body, id, "ID"))
		}
		a, b := text(hidden.Header(), hidden.Body.String()), text(absent.Header(), absent.Body.String())
		if hidden.Code != http.StatusNotFound || absent.Code != http.StatusNotFound || a != b {
			t.Errorf("%s %s: %d %s\nof none: %d %s", row.method, row.path, hidden.Code, a, absent.Code, b)
		}
	}
	if len(w.cancels) != 0 {
		t.Error("a task of another environment was cancelled")
	}
}
