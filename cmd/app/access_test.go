package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/policy"
)

// desk is an installation without a running server, for commands beside it.
type desk struct {
	t      *testing.T
	dir    string
	config string
}

// newDesk has the examples in force. 1001 is an admin of the server, alice
// (1002) a developer and bob (1003) environment-admin of staging, carol (1004)
// leads the team builders.
func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir()}
	d.config = d.write("coderflow.yaml", "dataDir: "+d.dir+"/data\nlisten: 127.0.0.1:0\npublicURL: http://127.0.0.1:8080\nadmins: [\"github:1001\"]\n")
	if out, code := d.run("apply", "-f", "../../manifests"); code != 0 {
		t.Fatalf("the examples do not apply: %s", out)
	}
	return d
}

func (d *desk) write(name, text string) string {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// run runs a command and returns all that it prints with its exit status.
func (d *desk) run(args ...string) (out string, code int) {
	d.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "CODERFLOW_CONFIG="+d.config)
	text, err := cmd.CombinedOutput()
	return string(text), exitCode(err)
}

func (d *desk) must(args ...string) string {
	d.t.Helper()
	out, code := d.run(args...)
	if code != 0 {
		d.t.Fatalf("coderflow %s: exit status %d: %s", strings.Join(args, " "), code, out)
	}
	return out
}

// changed writes what is in force with pieces of text replaced, and more manifests.
func (d *desk) changed(name, more string, replace ...string) string {
	d.t.Helper()
	text := d.must("get", "-o", "yaml")
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			d.t.Fatalf("%q is not in force:\n%s", replace[i], text)
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	if more != "" {
		text += "---\n" + more
	}
	return d.write(name, text)
}

func binding(name, subject, role, resource string) string {
	return "apiVersion: coderflow.dev/v1\nkind: RoleBinding\nmetadata: {name: " + name + "}\nspec: {subject: \"" + subject +
		"\", role: " + role + ", resource: \"" + resource + "\"}\n"
}

// Nobody grants more than they hold, on the one way in that manifests are.
func TestThreat49ApplyAsSomebodyRefusesWhatTheyCouldNotDo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	role := "apiVersion: coderflow.dev/v1\nkind: Role\nmetadata: {name: mine}\nspec: {permissions: [\"tasks:approve\"]}\n"
	for name, row := range map[string]struct {
		as, more string
		replace  []string
		says     []string // none: it is permitted
	}{
		"a developer makes themselves environment-admin": {as: "github:1002", more: binding("me", "github:1002", "environment-admin", "environment/staging"),
			says: []string{`"bindings:manage"`, `in environment "staging"`, "an environment-admin of staging (bob) or a server-admin (github:1001) can grant it"}},
		"a developer opens the gate":              {as: "github:1002", replace: []string{"commitMessage: proposed", "commitMessage: written"}, says: []string{`"environments:manage"`}},
		"a developer changes a deployment script": {as: "github:1002", replace: []string{"./publish.sh", "./evil.sh"}, says: []string{`"profiles:manage"`}},
		"an environment-admin makes themselves server-admin": {as: "github:1003", more: binding("me", "github:1003", "server-admin", "*"),
			says: []string{"takes a server-admin (github:1001)"}},
		"an environment-admin defines a role":      {as: "github:1003", more: role, says: []string{`"roles:manage" on the server`, "a server-admin (github:1001) can grant it"}},
		"an environment-admin widens a bound role": {as: "github:1003", replace: []string{"- deployments:execute", "- bindings:manage\n    - deployments:execute"}, says: []string{`role "release-manager"`, `"roles:manage"`}},
		"a team-admin lets the team approve":       {as: "github:1004", more: binding("us", "team:builders", "environment-admin", "environment/staging"), says: []string{`"bindings:manage"`}},
		"a stranger changes anything":              {as: "github:9999", replace: []string{"name: dora-ships", "name: eve-ships"}, says: []string{`"bindings:manage"`}},
		"an environment-admin binds a developer":   {as: "github:1003", more: binding("new", "github:1007", "developer", "environment/staging")},
		"a team-admin adds a member":               {as: "github:1004", replace: []string{"- github:1004 (carol)", "- github:1004 (carol)\n    - github:1008"}},
		"an admin of the server does anything":     {as: "github:1001", more: role + "---\n" + binding("new", "github:1007", "server-admin", "*")},
	} {
		file := d.changed(strings.ReplaceAll(name, " ", "-")+".yaml", row.more, row.replace...)
		out, code := d.run("apply", "-f", file, "--as", row.as, "--dry-run")
		if want := map[bool]int{true: 0, false: refusedStatus}[len(row.says) == 0]; code != want {
			t.Errorf("%s: exit status %d, want %d: %s", name, code, want, out)
		}
		for _, text := range row.says {
			if !strings.Contains(out, text) {
				t.Errorf("%s: the refusal does not say %q: %s", name, text, out)
			}
		}
	}
	before := d.must("get", "--history", "-o", "json")
	file := d.changed("refused.yaml", binding("me", "github:1002", "environment-admin", "environment/staging"))
	if out, code := d.run("apply", "-f", file, "--as", "github:1002"); code != refusedStatus {
		t.Errorf("exit status %d: %s", code, out)
	}
	if after := d.must("get", "--history", "-o", "json"); after != before {
		t.Errorf("something was put in force: %s", after)
	}
	if log := d.must("audit"); !strings.Contains(log, "manifests.refused") || !strings.Contains(log, `"as":"github:1002"`) {
		t.Errorf("the refusal is not in the audit log: %s", log)
	}
}

func TestThreat49TheLastServerAdminStays(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must("apply", "-f", d.changed("more.yaml", binding("root", "github:1007", "server-admin", "*")))
	d.config = d.write("coderflow.yaml", "dataDir: "+d.dir+"/data\nlisten: 127.0.0.1:0\npublicURL: http://127.0.0.1:8080\n") // no admins
	if out, code := d.run("apply", "-f", "../../manifests"); code != refusedStatus || !strings.Contains(out, "nobody would be a server admin any more") {
		t.Errorf("exit status %d: %s", code, out)
	}
}

func TestWhatIsInForceIsShownAndAppliesAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	whole := d.changed("all.yaml", "")
	if out := d.must("apply", "-f", whole); !strings.Contains(out, "nothing changes") {
		t.Errorf("what get printed is another version: %s", out)
	}
	changed := d.changed("changed.yaml", "", "commitMessage: proposed", "commitMessage: written", "- github:1004 (carol)", "- github:1009")
	for _, flags := range [][]string{{"--dry-run"}, nil} {
		out := d.must(append([]string{"apply", "-f", changed}, flags...)...)
		for _, text := range []string{
			"~ Environment staging\n    spec.gate.commitMessage: proposed → written\n",
			"~ Team builders\n    spec.members: [github:1002 (alice), github:1004 (carol)] → [github:1002 (alice), github:1009]\n",
		} {
			if !strings.Contains(out, text) {
				t.Errorf("%v: %q is not in: %s", flags, text, out)
			}
		}
	}
	if log := d.must("audit"); !strings.Contains(log, `"changes":["changed Environment staging","changed Team builders"]`) {
		t.Errorf("the change is not in the audit log: %s", log)
	}
	var history []client.AppliedVersion
	if err := json.Unmarshal([]byte(d.must("get", "--history", "-o", "json")), &history); err != nil {
		t.Fatal(err)
	}
	if len(history) != 2 || !strings.HasPrefix(history[0].AppliedBy, "local:") || history[0].AppliedAt.IsZero() {
		t.Errorf("the history is %+v", history)
	}
	if out, code := d.run("apply", "-f", whole, "--if-version", history[1].Version); code != 1 || !strings.Contains(out, history[0].Version) {
		t.Errorf("another version is in force: exit status %d: %s", code, out)
	}
	if out, code := d.run("apply", "-f", whole, "--if-version", "none"); code != 1 {
		t.Errorf("some version is in force: exit status %d: %s", code, out)
	}
	d.must("apply", "-f", whole, "--if-version", history[0].Version)
	if one := d.must("get", "team", "builders", "-o", "yaml"); strings.Count(one, "kind:") != 1 || !strings.Contains(one, "(carol)") {
		t.Errorf("one object: %s", one)
	}
}

func TestOfManyAppliedAtOnceEachIsComparedWithWhatItReplaces(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var files []string
	for _, id := range []string{"2001", "2002", "2003", "2004"} {
		files = append(files, d.changed(id+".yaml", binding("b"+id, "github:"+id, "viewer", "environment/staging")))
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	applied := 0
	for _, file := range files {
		all.Go(func() {
			out, code := d.run("apply", "-f", file)
			mu.Lock()
			defer mu.Unlock()
			if code == 0 {
				applied++
			} else if !strings.Contains(out, "somebody else put manifests in force meanwhile") && !strings.Contains(out, "locked") {
				t.Errorf("exit status %d: %s", code, out)
			}
		})
	}
	all.Wait()
	var history []client.AppliedVersion
	if err := json.Unmarshal([]byte(d.must("get", "--history", "-o", "json")), &history); err != nil {
		t.Fatal(err)
	}
	if applied == 0 || len(history) != 1+applied {
		t.Errorf("%d commands succeeded and there are %d versions", applied, len(history))
	}
}

func TestAccessIsExplained(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, row := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"explain", "github:1003", "tasks:approve", "environment/staging"}, 0, []string{"✓ bob (github:1003) may", `binding "bob-approves"`}},
		{[]string{"explain", "carol", "tasks:create", "environment/staging"}, 0, []string{`through team "builders"`}},
		{[]string{"explain", "github:1001", "roles:manage", "server"}, 0, []string{"server configuration: admins"}},
		{[]string{"explain", "alice", "tasks:approve", "environment/staging"}, refusedStatus, []string{"✗ alice (github:1002) lacks", "an environment-admin of staging (bob) or a server-admin (github:1001) can grant it"}},
		{[]string{"explain", "github:7", "teams:manage", "team/builders"}, refusedStatus, []string{"a team-admin of builders (carol) or a server-admin"}},
		{[]string{"explain", "alice", "tasks:aprove", "environment/staging"}, usageStatus, []string{`did you mean "tasks:approve"?`}},
		{[]string{"explain", "nobody", "tasks:view", "environment/staging"}, 1, []string{"give HOST:ID"}},
		{[]string{"who", "deployments:execute", "environment/staging"}, 0, []string{"bob-approves", "dora-ships", "github:1001"}},
		{[]string{"who", "teams:manage", "environment/staging"}, 1, []string{"means nothing"}},
		{[]string{"roles"}, 0, []string{"release-manager", "custom", "server-admin", "predefined"}},
		{[]string{"permissions"}, 0, []string{"tokens:manage", "environment team server"}},
	} {
		out, code := d.run(append([]string{"access"}, row.args...)...)
		if code != row.code {
			t.Errorf("%v: exit status %d, want %d: %s", row.args, code, row.code, out)
		}
		for _, text := range row.says {
			if !strings.Contains(out, text) {
				t.Errorf("%v: not said: %q: %s", row.args, text, out)
			}
		}
	}
	var decision policy.Decision
	if err := json.Unmarshal([]byte(d.must("access", "explain", "bob", "tasks:approve", "environment/staging", "-o", "json")), &decision); err != nil || !decision.Allowed {
		t.Errorf("%+v, %v", decision, err)
	}
	var holders []policy.Holder
	if err := json.Unmarshal([]byte(d.must("access", "who", "tasks:approve", "environment/staging", "-o", "json")), &holders); err != nil || len(holders) != 3 {
		t.Errorf("%+v, %v", holders, err)
	}
}

// The docs list exactly the permissions and roles that there are.
func TestAccessDocumentIsComplete(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range policy.Permissions() {
		row := "| `" + string(info.Permission) + "` | " + strings.ReplaceAll(joined(info.On), " ", ", ") + " | " + info.Description + " |"
		if !strings.Contains(string(text), row+"\n") {
			t.Errorf("docs/access.md lacks the row\n%s", row)
		}
	}
	for _, role := range policy.PredefinedRoles() {
		list := "`" + strings.ReplaceAll(joined(role.Permissions), " ", "`, `") + "`"
		if role.Name == policy.ServerAdmin {
			list = "every permission"
		}
		if row := "| `" + role.Name + "` | " + list + " |"; !strings.Contains(string(text), row+"\n") {
			t.Errorf("docs/access.md lacks the row\n%s", row)
		}
	}
}
