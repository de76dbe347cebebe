package risk

import (
	"bytes"
	"encoding/json"
	"path"
	"regexp"
	"strings"
)

// reader reads one kind of file.
type reader func(path string, text []byte, to *sink)

var byExtension = func() map[string]reader {
	m := map[string]reader{}
	for kind, extensions := range map[string]string{
		"sql": "sql psql pgsql mysql ddl dml plsql pls pkb tsql cql hql", "sh": "sh bash zsh ksh ash dash bats command ebuild envrc",
		"hcl": "tf tofu hcl tfvars", "yaml": "yml yaml", "mk": "mk mak", "docker": "dockerfile containerfile",
	} {
		for e := range strings.FieldsSeq(extensions) {
			m["."+e] = kinds[kind]
		}
	}
	for kind, extensions := range codeExtensions {
		for e := range strings.FieldsSeq(extensions) {
			m["."+e] = kinds[kind]
		}
	}
	return m
}()

var kinds = map[string]reader{
	"sql": readSQL, "sh": readShell, "hcl": func(_ string, text []byte, to *sink) { hclUnits(text, to) },
	"yaml": func(_ string, text []byte, to *sink) { yamlUnits(text, to) }, "mk": readMake, "docker": readDocker,
	"py": readCode("py"), "rb": readCode("rb"), "js": readCode("js"), "php": readCode("php"), "java": readCode("java"), "ex": readCode("ex"),
}

var byName = map[string]reader{
	"makefile": readMake, "gnumakefile": readMake, "justfile": readMake, "dockerfile": readDocker, "containerfile": readDocker, "rakefile": kinds["rb"],
	"procfile": readProc, "package.json": readPackage, "composer.json": readPackage, "jenkinsfile": kinds["java"], ".bashrc": readShell, ".profile": readShell, ".zshrc": readShell,
}

var shebang = regexp.MustCompile(`^#![^\n]{0,80}[/ ](sh|bash|zsh|dash|ksh|ash|python[0-9.]*|ruby|node)\b`)

// readerOf chooses by name, and else by the first line.
func readerOf(file string, text []byte) reader {
	name := strings.ToLower(path.Base(file))
	if r := byName[name]; r != nil {
		return r
	}
	if strings.HasPrefix(name, "dockerfile.") || strings.HasPrefix(name, "containerfile.") {
		return readDocker
	}
	if strings.HasPrefix(name, "makefile.") {
		return readMake
	}
	if r := byExtension[path.Ext(name)]; r != nil {
		return r
	}
	m := shebang.FindSubmatch(text[:min(len(text), 120)])
	switch {
	case m == nil:
		return nil
	case bytes.HasPrefix(m[1], []byte("python")):
		return kinds["py"]
	case string(m[1]) == "ruby":
		return kinds["rb"]
	case string(m[1]) == "node":
		return kinds["js"]
	}
	return readShell
}

func readSQL(file string, text []byte, to *sink) {
	back := sqlRollbacks(file, text)
	sqlUnits(text, 1, 0, to.through(func(u *unit) { u.rollback = back.touches(u.first(), u.first()) }))
}

func readShell(_ string, text []byte, to *sink) {
	shellUnits(text, 1, 0, variables{}, to)
}

func readCode(kind string) reader {
	return func(file string, text []byte, to *sink) { codeUnits(file, text, syntaxes[kind], to) }
}

// readMake reads the lines of recipes. $(NAME) is a variable there, $$ a dollar sign.
func readMake(_ string, text []byte, to *sink) {
	vars := variables{}
	var recipe []byte
	from, n, going := 0, 0, false
	for line := range bytes.Lines(text) {
		vars.noteMake(line)
	}
	for line := range bytes.Lines(text) {
		n++
		if command := inlineRecipe(line); !going && command != nil {
			shellUnits(makeVariables(command), n, 0, vars, to)
			continue
		}
		if !going && (line[0] != '\t' && !bytes.HasPrefix(line, []byte("    ")) || len(line) > 1<<16) {
			continue
		}
		if !going {
			from, recipe = n, nil
			line = bytes.TrimLeft(line, "\t @-+")
		}
		recipe = append(recipe, line...)
		if going = bytes.HasSuffix(bytes.TrimRight(line, "\r\n"), []byte(`\`)) && len(recipe) < 1<<20; !going {
			shellUnits(makeVariables(recipe), from, 0, vars, to)
		}
	}
	if going {
		shellUnits(makeVariables(recipe), from, 0, vars, to)
	}
}

var ruleWithRecipe = regexp.MustCompile(`^[^\t\n #=:][^=:;#"']*::?[^=:;#"']*;(.*)`)

// inlineRecipe is what stands behind "target: ;".
func inlineRecipe(line []byte) []byte {
	m := ruleWithRecipe.FindSubmatch(line[:min(len(line), 4096)])
	if m == nil {
		return nil
	}
	return m[1]
}

var (
	makeName     = regexp.MustCompile(`\$[({]([A-Za-z_][A-Za-z0-9_]*)[)}]`)
	makeFunction = regexp.MustCompile(`\$[({][a-z]+ `)
)

func makeVariables(recipe []byte) []byte {
	out := makeName.ReplaceAll(recipe, []byte("$${$1}"))
	out = makeFunction.ReplaceAll(out, []byte("$$(: "))
	return bytes.ReplaceAll(out, []byte("$$"), []byte("$"))
}

var dockerRun = regexp.MustCompile(`(?i)^\s*(ONBUILD\s+)?(RUN|CMD|ENTRYPOINT|HEALTHCHECK\s+CMD)\s+((--\S+\s+)*)`)

// readDocker reads the instructions that run commands.
func readDocker(_ string, text []byte, to *sink) {
	lines := bytes.SplitAfter(text, []byte("\n"))
	unended := false // a here-document has no end: no build reads on
	for i := 0; i < len(lines); i++ {
		m := dockerRun.FindIndex(lines[i][:min(len(lines[i]), 300)])
		if m == nil {
			continue
		}
		from := i
		script := bytes.Clone(lines[i][m[1]:])
		if bytes.HasPrefix(bytes.TrimSpace(script), []byte("<<")) { // a here-document of BuildKit
			if tag := strings.Trim(string(bytes.TrimSpace(script)), `<-"'`); tag != "" {
				body := []byte("\n")
				for i++; i < len(lines) && string(bytes.TrimSpace(lines[i])) != tag; i++ {
					body = append(body, lines[i]...)
				}
				shellUnits(body, from+1, 0, variables{}, to)
				continue
			}
		}
		n := 0
		if !unended {
			n, unended = documentEnd(lines[i:], to)
		}
		if n > 0 {
			script = append(script, bytes.Join(lines[i+1:i+n+1], nil)...)
			i += n
			shellUnits(script, from+1, 0, variables{}, to)
			continue
		}
		for continues(lines[i]) && i+1 < len(lines) {
			i++
			next := lines[i]
			if bytes.HasPrefix(bytes.TrimSpace(next), []byte("#")) {
				next = []byte("\\\n") // a comment within an instruction continues it
			}
			script = append(script, next...)
		}
		if bytes.HasPrefix(script, []byte("[")) {
			script = fromList(script)
		}
		shellUnits(script, from+1, 0, variables{}, to)
	}
}

var dockerDocument = regexp.MustCompile(`<<-?["']?([A-Za-z_][A-Za-z0-9_]*)["']?`)

// documentEnd is how many lines below the first one the here-document ends that
// begins there. Without one it is 0, and unended if its end is missing.
func documentEnd(lines [][]byte, to *sink) (n int, unended bool) {
	m := dockerDocument.FindSubmatch(lines[0][:min(len(lines[0]), 4096)])
	if m == nil {
		return 0, false
	}
	for n = 1; n < len(lines) && to.spend(1); n++ {
		if bytes.Equal(bytes.TrimSpace(lines[n]), m[1]) {
			return n, false
		}
	}
	return 0, true
}

func continues(line []byte) bool {
	trimmed := bytes.TrimSpace(line)
	return bytes.HasSuffix(trimmed, []byte(`\`)) || bytes.HasPrefix(trimmed, []byte("#"))
}

func readProc(_ string, text []byte, to *sink) {
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if _, command, found := bytes.Cut(line, []byte(":")); found {
			shellUnits(command, n, 0, variables{}, to)
		}
	}
}

var scriptLine = regexp.MustCompile(`^\s*(?:\{\s*"scripts"\s*:\s*\{\s*)?"[A-Za-z0-9:_. -]{1,60}"\s*:\s*("(?:[^"\\]|\\.)*")`)

// readPackage reads the scripts of a package, one a line as tools write them.
func readPackage(_ string, text []byte, to *sink) {
	n, inside := 0, false
	for line := range bytes.Lines(text) {
		n++
		if bytes.Contains(line, []byte(`"scripts"`)) {
			inside = true
		}
		if !inside || len(line) > 1<<16 {
			continue
		}
		var script string
		if m := scriptLine.FindSubmatch(line); m != nil && json.Unmarshal(m[1], &script) == nil {
			shellUnits([]byte(script), n, 0, variables{}, to)
		}
		if trimmed := bytes.TrimSpace(line); bytes.HasPrefix(trimmed, []byte("}")) {
			inside = false
		}
	}
}

// syntaxOf is how a file of code is read.
func syntaxOf(file string, text []byte) codeSyntax {
	name := strings.ToLower(path.Base(file))
	for kind, extensions := range codeExtensions {
		if hasField(extensions, strings.TrimPrefix(path.Ext(name), ".")) {
			return syntaxes[kind]
		}
	}
	if m := shebang.FindSubmatch(text[:min(len(text), 120)]); m != nil && bytes.HasPrefix(m[1], []byte("python")) {
		return syntaxes["py"]
	}
	return syntaxes["js"]
}

var codeExtensions = map[string]string{
	"py": "py pyw pyi", "rb": "rb rake gemspec", "js": "js mjs cjs ts tsx jsx mts cts go", "php": "php",
	"java": "java kt kts scala cs groovy gradle swift", "ex": "ex exs",
}
