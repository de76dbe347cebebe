package web

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/forge"
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
		case row.on == onObjects && row.permission == "" && row.who != "":
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
	scope    token.Scope
	// service: it is the service ci, which may deploy to staging and nothing else.
	service bool
}

var ci = forge.Subject{Host: forge.Service, ID: "ci"}

// enters makes the caller's token, after their role if that is no predefined one.
func (who caller) enters(w *apiWorld) string {
	subject := owner
	if who.service {
		subject = ci
		w.rule(teamYAML("x"), roleYAML("deployer", "deployments:execute"), bindingYAML("b", ci.String(), "deployer", "environment/staging"))
	}
	if !who.signed {
		return ""
	}
	return w.token("k", subject, who.scope)
}

func callers() []caller {
	bound := func(role, resource string) []policy.Binding {
		return []policy.Binding{{Name: "b", Subject: owner, Role: role, Resource: resource}}
	}
	return []caller{
		{name: "no token"}, {name: "nobody", signed: true},
		{name: "viewer", bindings: bound("viewer", "environment/staging"), signed: true},
		{name: "developer", bindings: bound("developer", "environment/staging"), signed: true},
		{name: "environment-admin", bindings: bound("environment-admin", "environment/staging"), signed: true},
		{name: "team-admin", bindings: bound("team-admin", "team/x"), signed: true},
		{name: "server-admin", bindings: bound("server-admin", "*"), signed: true},
		{name: "service ci", signed: true, service: true},
		{
			name: "narrowed", bindings: bound("environment-admin", "environment/staging"), signed: true,
			scope: token.Scope{Permissions: []policy.Permission{policy.DeploymentsView}, Environments: []string{"staging"}},
		},
	}
}

// Every route as every predefined role, in its own and in another environment; as
// the service of a pipeline, and with the token of an environment-admin that is
// narrowed to looking at deployments.
// The outcomes are in testdata/matrix.txt, where a change of them is reviewed;
// go test ./internal/web -run Matrix -update writes it.
func TestThreat49MatrixOfRoutesRolesAndEnvironments(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	fmt.Fprintf(&out, "%-91s", "")
	for _, who := range callers() {
		fmt.Fprintf(&out, "  %s", who.name)
	}
	out.WriteString("\n")
	for _, row := range newServer(Options{API: &API{}}).apiRows() {
		for _, on := range instances(row) {
			fmt.Fprintf(&out, "%-91s", row.method+" "+on.name())
			for _, who := range callers() {
				w := newAPIWorld(t, Limits{}, who.bindings...)
				w.token("other", requester, token.Scope{})
				w.book.examinations = []task.Examination{{ID: someExam, Task: here, Revision: 1, Kind: task.Check, Attempt: 1, State: task.ExaminationPassed}}
				fmt.Fprintf(&out, "  %-*d", len(who.name), on.ask(w, who.enters(w)).Code)
			}
			out.WriteString("\n")
		}
	}
	golden(t, "testdata/matrix.txt", regexp.MustCompile(`(?m) +$`).ReplaceAllString(out.String(), ""))
}

// instance is a request that a row answers.
type instance struct{ method, path, body string }

// name leaves out what is the same in every body.
func (i instance) name() string {
	return i.path + strings.NewReplacer(`{"mode":"merge","dryRun":true,"files":{"a.yaml":"`, " ", `"}}`, "", "{}", "",
		because, "", `{"context":"task","name":"KEY","content":"MTIzNDU2Nzg="}`, "", `{"context":"task","name":"KEY"}`, "",
		`{"environment":"`, "to ", `","profile":"publish","commit":"`+someCommit+`"}`, "").Replace(" "+i.body)
}

func (i instance) ask(w *apiWorld, secret string) *httptest.ResponseRecorder {
	w.t.Helper()
	body := i.body
	for _, environment := range []string{"staging", "production", "nowhere"} {
		encoded, _ := json.Marshal(bindingYAML("new", "github:99", "viewer", "environment/"+environment))
		body = strings.ReplaceAll(body, `"a viewer of `+environment+`"`, string(encoded))
	}
	if i.method == http.MethodPost {
		return w.send(i.path, secret, body)
	}
	return w.ask(i.method, i.path, secret)
}

const someExam = "eeeeeeeeeeee"

// instances are requests of a row: of its own, another and no environment.
func instances(row apiRow) []instance {
	list := func(paths ...string) (all []instance) {
		for _, path := range paths {
			all = append(all, instance{row.method, path, ""})
		}
		return all
	}
	switch row.on {
	case onTask:
		var paths []string
		for _, id := range []task.ID{here, there, none} {
			paths = append(paths, strings.NewReplacer(":id", string(id), ":exam", someExam).Replace(row.path))
		}
		return list(paths...)
	case onDeployment:
		var paths []string
		for _, id := range []string{runHere, runThere, runNone} {
			paths = append(paths, strings.Replace(row.path, ":id", id, 1))
		}
		return list(paths...)
	case onApproval:
		var paths []string
		for _, id := range []string{approvedHere, approvedThere, approvedNone} {
			paths = append(paths, strings.Replace(row.path, ":id", id, 1))
		}
		return list(paths...)
	case onTarget:
		var all []instance
		for _, environment := range []string{"staging", "production", "nowhere"} {
			all = append(all, instance{row.method, row.path, `{"environment":"` + environment + `","profile":"publish","commit":"` + someCommit + `"}`})
		}
		return all
	case onEntry:
		return list("/audit/1", "/audit/2", "/audit/4")
	case onLog:
		return list(row.path, row.path+"?environment=staging", row.path+"?environment=production", row.path+"?environment=nowhere")
	case onServer:
		if body, takes := map[string]string{
			"/secrets": `{"context":"task","name":"KEY","content":"MTIzNDU2Nzg="}`, "/secrets/remove": `{"context":"task","name":"KEY"}`,
			"/freezes": because,
		}[row.path]; takes {
			var all []instance
			for _, query := range []string{"", "?environment=staging", "?environment=production", "?environment=nowhere"} {
				all = append(all, instance{row.method, row.path + query, body})
			}
			return all
		}
		return list(row.path, row.path+"?environment=staging", row.path+"?environment=production", row.path+"?environment=nowhere")
	case onResource:
		ask := row.path + "?permission=tasks:view&resource="
		if !row.oneself {
			ask = row.path + "?permission=bindings:manage&resource="
			return list(ask+"server", ask+"team/x", ask+"environment/staging", ask+"environment/production", ask+"environment/nowhere")
		}
		other := row.path + "?permission=tasks:view&subject=github:99&resource="
		return list(ask+"environment/staging", other+"environment/staging", other+"environment/production", ask+"environment/production", ask+"environment/nowhere")
	case onEnvironments:
		if slices.Contains(row.query, "environment") {
			return list(row.path, row.path+"?environment=production", row.path+"?environment=nowhere")
		}
	case onObjects:
		return objectInstances(row, list)
	}
	return list(row.path)
}

func objectInstances(row apiRow, list func(...string) []instance) []instance {
	var all []instance
	switch row.method + " " + row.path {
	case "GET /manifests":
		one := row.path + "?kind=environment&name="
		return list(row.path, one+"staging", one+"production", one+"nowhere")
	case "POST /manifests":
		for _, environment := range []string{"staging", "production", "nowhere"} {
			all = append(all, instance{row.method, row.path, `{"mode":"merge","dryRun":true,"files":{"a.yaml":"a viewer of ` + environment + `"}}`})
		}
	case "GET /freezes":
		return list(row.path)
	case "GET /tokens":
		return list(row.path, row.path+"?all=true", row.path+"?owner=github:8")
	case "POST /tokens":
		for _, body := range []string{`{"name":"t","expires":"5m"}`, `{"name":"t","expires":"5m","owner":"service:ci"}`, `{"name":"t","expires":"5m","owner":"github:8"}`} {
			all = append(all, instance{row.method, row.path, body})
		}
	default:
		return list("/tokens/k/revoke", "/tokens/other/revoke", "/tokens/none/revoke")
	}
	return all
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
	w.token("other", requester, token.Scope{})
	for _, row := range newServer(Options{API: &API{}}).apiRows() {
		list := instances(row)
		if row.on == onSelf || len(list) < 3 || row.body != nil || row.path == "/tokens" {
			continue
		}
		hidden, absent := list[len(list)-2].ask(w, secret), list[len(list)-1].ask(w, secret)
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
