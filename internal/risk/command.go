package risk

import (
	"path"
	"strings"
)

// carriers run the command that follows their options; those that take values for
// options are listed with them.
var carriers = map[string]string{
	"sudo": "-u -g -h -p -C -r -t -U", "doas": "-u -C", "env": "-u -C -S", "nohup": "", "nice": "-n", "ionice": "-c -n", "time": "", "exec": "-a",
	"command": "", "builtin": "", "xargs": "-I -n -P -L -d -a -s", "timeout": "-k -s", "stdbuf": "-i -o -e", "busybox": "", "setsid": "", "chroot": "",
	"retry": "", "run": "", "unshare": "", "flock": "",
}

// positional is how many arguments a carrier takes before the command.
var positional = map[string]int{"timeout": 1, "chroot": 1, "flock": 1}

// sqlClients get SQL as text.
var sqlClients = map[string]bool{
	"psql": true, "mysql": true, "mariadb": true, "sqlite3": true, "sqlcmd": true, "cqlsh": true, "cockroach": true, "clickhouse-client": true,
	"duckdb": true, "sqlplus": true, "snowsql": true, "bq": true, "usql": true, "pgcli": true, "mycli": true,
}

var shells = map[string]bool{"sh": true, "bash": true, "zsh": true, "dash": true, "ksh": true, "ash": true}

// emitCommand yields a command, without what only carries it, and the commands and
// statements that it is given as text.
func emitCommand(u unit, l *shLexer, to *sink) {
	u.words = l.uncarry(u.words)
	if len(u.words) == 0 {
		return
	}
	name := path.Base(u.words[0].text)
	u.words[0].text = name
	to.emit(u)
	switch {
	case sqlClients[name]:
		for _, w := range u.words[1:] {
			if w.quoted && strings.ContainsAny(w.text, " \n") {
				sqlUnits([]byte(w.text), w.line, 0, to)
			}
		}
	case shells[name] || name == "su" || name == "ssh" || name == "eval" || name == "docker" || name == "podman" || name == "kubectl" || name == "watch":
		l.texts(u.words[1:], to)
	case (name == "echo" || name == "printf" || name == "cat") && u.pipe != "":
		l.piped(u, to)
	}
}

// uncarry takes away the commands that run the rest: sudo -u root env X=1 rm.
func (l *shLexer) uncarry(words []word) []word {
	for range 8 {
		if len(words) == 0 {
			return nil
		}
		name := path.Base(words[0].text)
		valued, carries := carriers[name]
		if !carries || len(words) == 1 {
			return words
		}
		words = words[1:]
		skip := positional[name]
		for len(words) > 0 {
			w := words[0].text
			if strings.HasPrefix(w, "-") {
				words = words[1:]
				if valued != "" && hasField(valued, w) && len(words) > 0 {
					words = words[1:]
				}
				continue
			}
			if !l.assigns(w) && skip == 0 {
				break
			}
			if !strings.Contains(w, "=") {
				skip--
			}
			words = words[1:]
		}
	}
	return words
}

func hasField(list, field string) bool {
	for f := range strings.FieldsSeq(list) {
		if f == field {
			return true
		}
	}
	return false
}

// texts reads quoted arguments of several words as scripts.
func (l *shLexer) texts(words []word, to *sink) {
	for _, w := range words {
		if w.quoted && strings.ContainsAny(w.text, " \n") && l.depth < maxDepth {
			shellUnits([]byte(strings.ReplaceAll(w.text, literal, "$")), w.line, l.depth+1, l.vars, to)
		}
	}
}

// piped reads what is written into a shell or a client of a database.
func (l *shLexer) piped(u unit, to *sink) {
	for name := range strings.FieldsSeq(u.pipe) {
		switch {
		case sqlClients[name]:
			for _, w := range u.words[1:] {
				sqlUnits([]byte(w.text), w.line, 0, to)
			}
			return
		case shells[name]:
			for _, w := range u.words[1:] {
				if l.depth < maxDepth {
					shellUnits([]byte(w.text), w.line, l.depth+1, l.vars, to)
				}
			}
			return
		}
	}
}
