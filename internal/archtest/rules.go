package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// importFindings holds the source against the table.
func importFindings(sources []source) []string {
	var findings []string
	known := map[string]row{}
	for _, r := range table {
		known[r.pkg] = r
	}
	unknown := map[string]bool{}
	for _, s := range sources {
		if s.isTest() {
			continue
		}
		r, found := known[s.pkg]
		if !found && !unknown[s.pkg] {
			unknown[s.pkg] = true
			findings = append(findings, fmt.Sprintf("%s has no row in the import table: give it one job and say what it may import", s.pkg))
		}
		if !found {
			continue
		}
		imports := s.imports()
		for _, name := range slices.Sorted(maps.Keys(imports)) {
			if problem := r.refuses(name); problem != "" {
				findings = append(findings, s.line(imports[name])+": "+problem)
			}
		}
	}
	return findings
}

// refuses says which line of the table an import breaks, or "".
func (r row) refuses(name string) string {
	ours, internal := strings.CutPrefix(name, module+"/")
	switch {
	case internal && forTests(ours):
		return fmt.Sprintf("%s is for tests, %s is not a test", ours, r.pkg)
	case internal && strings.HasPrefix(ours, "cmd/"):
		return fmt.Sprintf("nothing may import %s", ours)
	case slices.Contains(r.may, everything):
		return ""
	case internal && !slices.Contains(r.may, ours):
		return fmt.Sprintf("%s (%s) may not import %s; its row allows: %s", r.pkg, r.job, ours, listed(r.may))
	case internal || !strings.Contains(strings.Split(name, "/")[0], "."):
		return "" // ours and allowed, or the standard library
	}
	for _, prefix := range r.uses {
		if name == prefix || strings.HasPrefix(name, prefix+"/") {
			return ""
		}
	}
	return fmt.Sprintf("%s (%s) may not use %s; its row allows: %s", r.pkg, r.job, name, listed(r.uses))
}

func listed(names []string) string {
	if len(names) == 0 {
		return "the standard library only"
	}
	return strings.Join(names, ", ")
}

// finder reports the places of one file where something stands.
type finder func(s source, report func(pos token.Pos, what string))

// confined reports everything the finder sees outside of the places.
func confined(sources []source, places []place, rule string, find finder) []string {
	var findings []string
	for _, s := range sources {
		if s.isTest() || s.in(places) {
			continue
		}
		find(s, func(pos token.Pos, what string) {
			findings = append(findings, fmt.Sprintf("%s: %s: %s", s.line(pos), what, rule))
		})
	}
	return findings
}

// startsPrograms finds calls that start another program. Importing os/exec under
// another name does not hide one: the import itself is what counts there.
func startsPrograms(s source, report func(token.Pos, string)) {
	if pos, imported := s.imports()["os/exec"]; imported {
		report(pos, "imports os/exec")
	}
	selectors(s, func(x *ast.SelectorExpr, name string) {
		switch name {
		case "os.StartProcess", "syscall.Exec", "syscall.ForkExec", "syscall.StartProcess", "unix.Exec":
			report(x.Pos(), name)
		}
	})
}

// mintsGrants finds everything that makes a grant valid: the field "minted" set
// in a literal or by an assignment.
func mintsGrants(s source, report func(token.Pos, string)) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.KeyValueExpr:
			if key, ok := x.Key.(*ast.Ident); ok && key.Name == "minted" {
				report(x.Pos(), "sets minted")
			}
		case *ast.AssignStmt:
			for _, left := range x.Lhs {
				if field, ok := left.(*ast.SelectorExpr); ok && field.Sel.Name == "minted" {
					report(x.Pos(), "assigns minted")
				}
			}
		case *ast.UnaryExpr:
			if field, ok := x.X.(*ast.SelectorExpr); ok && x.Op == token.AND && field.Sel.Name == "minted" {
				report(x.Pos(), "takes the address of minted")
			}
		}
		return true
	})
}

// asksToPush finds uses of the methods PushToken, and GitToken and ScopeToken, which
// do the same for a person's own, calls and method values alike.
func asksToPush(s source, report func(token.Pos, string)) {
	selectors(s, func(x *ast.SelectorExpr, _ string) {
		switch x.Sel.Name {
		case "PushToken", "GitToken", "ScopeToken":
			report(x.Pos(), "asks for "+x.Sel.Name)
		}
	})
}

// asksPipelines finds requests for runs of pipelines: of the port, and of the library.
func asksPipelines(s source, report func(token.Pos, string)) {
	selectors(s, func(x *ast.SelectorExpr, _ string) {
		of, _ := x.X.(*ast.SelectorExpr)
		switch {
		case x.Sel.Name == "RunPipeline", x.Sel.Name == "QueueBuild", x.Sel.Name == "Queue" && of != nil && of.Sel.Name == "Pipelines":
			report(x.Pos(), "asks a pipeline for a run")
		}
	})
}

// leavesTypes finds unsafe and linkname.
func leavesTypes(s source, report func(token.Pos, string)) {
	if pos, imported := s.imports()["unsafe"]; imported {
		report(pos, "imports unsafe")
	}
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:linkname") {
				report(c.Pos(), "uses go:linkname")
			}
		}
	}
}

// endsProcess finds what ends the process, or does work before main.
func endsProcess(s source, report func(token.Pos, string)) {
	selectors(s, func(x *ast.SelectorExpr, name string) {
		if name == "os.Exit" || strings.HasPrefix(name, "log.Fatal") || strings.HasPrefix(name, "log.Panic") {
			report(x.Pos(), name)
		}
	})
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			report(f.Pos(), "func init")
		}
	}
}

// skips finds tests that can pass without having run.
func skips(sources []source) []string {
	var findings []string
	for _, s := range sources {
		if !s.isTest() {
			continue
		}
		selectors(s, func(x *ast.SelectorExpr, _ string) {
			switch x.Sel.Name {
			case "Skip", "Skipf", "SkipNow":
				findings = append(findings, s.line(x.Pos())+": a test is skipped; a missing tool is a failure that says how to get it")
			}
		})
	}
	return findings
}

// selectors visits every x.Name; name is "x.Name" where x is an identifier.
func selectors(s source, visit func(x *ast.SelectorExpr, name string)) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if x, ok := n.(*ast.SelectorExpr); ok {
			name := x.Sel.Name
			if of, ok := x.X.(*ast.Ident); ok {
				name = of.Name + "." + name
			}
			visit(x, name)
		}
		return true
	})
}
