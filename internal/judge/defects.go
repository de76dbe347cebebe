package judge

import (
	"hash/fnv"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Defect is one kind of known fault, as a change of one line that is in the change already. The
// catalogue is data: what it finds on a line, and what it makes of it.
type Defect struct {
	Name, Category string
	Files          string // endings, separated by spaces; empty: any text
	Find           string // a regular expression
	Replace        string // Go's notation; empty: the line goes
	// Before and After are an example, which a test holds it to.
	Before, After string
}

// Defects is the catalogue.
func Defects() []Defect {
	return []Defect{
		{"off-by-one", "correctness", "go c cc cpp h java js ts cs rs", `\bfor\b(.*[^<>=-])<([^<=-].*)`, `for$1<=$2`, "for i := 0; i < n; i++ {", "for i := 0; i <= n; i++ {"},
		{"off-by-one-range", "correctness", "py", `\brange\(len\((\w+)\)\)`, `range(len($1) - 1)`, "for i in range(len(rows)):", "for i in range(len(rows) - 1):"},
		{"inverted-condition", "correctness", "", `\b(if|while|when)\b(.*[^=!<>])==([^=].*)`, `$1$2!=$3`, "if a == b {", "if a != b {"},
		{"negated-error-check", "correctness", "go", `\bif (.*\berr) != nil\b`, `if $1 == nil`, "if err != nil {", "if err == nil {"},
		{"wrong-connective", "correctness", "", `(\S+ )&&( \S+)`, `$1||$2`, "if a && b {", "if a || b {"},
		{"wrong-connective-word", "correctness", "py", `\bif (.+) and (.+):`, `if $1 or $2:`, "if a and b:", "if a or b:"},
		{"wrong-sign", "correctness", "", `(\w[\w.\[\]$]*) \+= `, `$1 -= `, "total += price", "total -= price"},
		{"wrong-operator", "correctness", "", `([\w)\]]) \* ([\w($])`, `$1 + $2`, "sum = $2 * $3", "sum = $2 + $3"},
		{"wrong-result", "correctness", "", `\breturn true\b`, `return false`, "	return true", "	return false"},
		{"swallowed-error", "correctness", "go", `^(\s*)return ((?:[^"]*, )?)(?:fmt\.Errorf\(.*|err)$`, `${1}return ${2}nil`, "	return nil, err", "	return nil, nil"},
		{"swallowed-exception", "correctness", "py", `^(\s*)raise\b.*$`, `${1}pass`, "    raise ValueError(x)", "    pass"},
		{"swallowed-throw", "correctness", "js ts java cs", `^(\s*)throw\b.*;$`, `${1}return;`, "  throw new Error(x);", "  return;"},
		{"leaked-resource", "quality", "go", `^\s*defer \w[\w.]*\.Close\(\)$`, ``, "	defer f.Close()", ""},
		{"missing-unlock", "correctness", "go", `^\s*defer \w[\w.]*\.R?Unlock\(\)$`, ``, "	defer m.mu.Unlock()", ""},
		{"sql-injection", "security", "go js ts java py", `"([^"]*=\s*)(?:\?|\$1|%s)([^"]*)",\s*(\w+)`, `"$1'" + $3 + "'$2"`, `db.Query("SELECT * FROM t WHERE id = ?", id)`, `db.Query("SELECT * FROM t WHERE id = '" + id + "'")`},
		{"command-injection", "security", "go", `exec\.Command\((.+)\)`, `exec.Command("sh", "-c", fmt.Sprint($1))`, `cmd := exec.Command("ls", dir)`, `cmd := exec.Command("sh", "-c", fmt.Sprint("ls", dir))`},
		{"command-injection", "security", "py", `subprocess\.(run|call|check_output)\(\[(.+?)\]`, `subprocess.$1(" ".join([$2]), shell=True`, `subprocess.run(["ls", d])`, `subprocess.run(" ".join(["ls", d]), shell=True)`},
		{"path-traversal", "security", "go", `filepath\.(?:Base|Clean)\((\w+)\)`, `$1`, "open(filepath.Base(name))", "open(name)"},
		{"path-traversal", "security", "py", `os\.path\.basename\((\w+)\)`, `$1`, "open(os.path.basename(name))", "open(name)"},
		{"removed-check", "security", "js ts java c cc cpp cs", `\bif \(!(.+)\) (return|throw)\b`, `if (false) $2`, "if (!allowed(user)) return;", "if (false) return;"},
		{"removed-check", "security", "py", `^(\s*)if not .+:$`, `${1}if False:`, "    if not allowed(user):", "    if False:"},
		{"removed-check", "security", "go", `^(\s*)if !.+ \{$`, `${1}if false {`, "	if !allowed(user) {", "	if false {"},
		{"unverified-tls", "security", "go", `\bInsecureSkipVerify: false\b`, `InsecureSkipVerify: true`, "InsecureSkipVerify: false,", "InsecureSkipVerify: true,"},
		{"unverified-tls", "security", "js ts", `\brejectUnauthorized: true\b`, `rejectUnauthorized: false`, "const options = {rejectUnauthorized: true};", "const options = {rejectUnauthorized: false};"},
		{"unverified-tls", "security", "py", `\bverify=True\b`, `verify=False`, "requests.get(url, verify=True)", "requests.get(url, verify=False)"},
		{"timing-attack", "security", "go", `\bhmac\.Equal\(`, `bytes.Equal(`, "if hmac.Equal(a, b) {", "if bytes.Equal(a, b) {"},
		{"hard-coded-secret", "security", "go", `os\.Getenv\("[A-Z_]*(?:KEY|TOKEN|SECRET|PASSWORD)[A-Z_]*"\)`, `"hunter2"`, `key := os.Getenv("API_KEY")`, `key := "hunter2"`},
		{"tiny-limit", "performance", "go py js ts", `\b[Ll]imit( ?[:=(] ?)[0-9]+`, `limit${1}1`, "limit = 500", "limit = 1"},
	}
}

// Seeded is a text with one defect.
type Seeded struct {
	Defect Defect
	Text   []byte
	Line   int // where it is, from 1; of a line that went, where it stood
}

// Seed puts one defect into one of the lines of a file, from 1, that the change adds. Which one
// depends on the text and on salt alone. It is false where nothing of the catalogue fits.
func Seed(name string, text []byte, added []int, salt string) (Seeded, bool) {
	lines := strings.SplitAfter(string(text), "\n")
	type candidate struct {
		defect Defect
		line   int
		made   string
	}
	var all []candidate
	for _, d := range Defects() {
		if !d.fits(name) {
			continue
		}
		find := regexp.MustCompile(d.Find)
		for _, n := range added {
			if n < 1 || n > len(lines) {
				continue
			}
			old := strings.TrimRight(lines[n-1], "\r\n")
			end := lines[n-1][len(old):]
			switch made := find.ReplaceAllString(old, d.Replace); {
			case made == old:
			case d.Replace == "":
				all = append(all, candidate{d, n, ""})
			default:
				all = append(all, candidate{d, n, made + end})
			}
		}
	}
	if len(all) == 0 {
		return Seeded{}, false
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(salt + "\x00" + name + "\x00" + string(text))) // never fails
	chosen := all[h.Sum64()%uint64(len(all))]
	lines[chosen.line-1] = chosen.made
	return Seeded{Defect: chosen.defect, Text: []byte(strings.Join(lines, "")), Line: chosen.line}, true
}

func (d Defect) fits(name string) bool {
	return d.Files == "" || slices.Contains(strings.Fields(d.Files), strings.TrimPrefix(path.Ext(name), "."))
}

// near is how far from a defect a finding may point, in lines.
const near = 3

// Finds reports whether the verdict names a defect at the line of the file: a finding that is
// more than a note, at most three lines away, or about the file as a whole.
func (v Verdict) Finds(name string, line int) bool {
	return slices.ContainsFunc(v.Findings, func(f Finding) bool {
		return f.Path == name && f.Severity != Note && (f.Line == 0 || f.Line >= line-near && f.Line <= line+near)
	})
}

// Alarms reports whether the verdict would hold a change up: it does not recommend it, or finds
// something major.
func (v Verdict) Alarms() bool {
	return v.Recommendation != Approve || slices.ContainsFunc(v.Findings, func(f Finding) bool {
		return f.Severity == Critical || f.Severity == Major
	})
}

// Count adds the outcome of one copy: seeded with a defect of the category, or clean if empty. A
// nil verdict is a copy without a valid one.
func (m *Measured) Count(category string, v *Verdict, found bool) {
	switch {
	case v == nil:
		m.Broken++
	case category == "":
		m.Clean++
		if v.Alarms() {
			m.Alarms++
		}
	default:
		if m.ByCategory == nil {
			m.ByCategory = map[string]Tally{}
		}
		t := m.ByCategory[category]
		t.Seeded++
		m.Seeded++
		if found {
			t.Found++
			m.Found++
		}
		m.ByCategory[category] = t
	}
}
