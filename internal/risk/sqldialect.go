package risk

import (
	"bytes"
	"strings"
)

// hashComment is a # that begins a comment in MySQL and is an operator elsewhere.
const hashComment = "# "

func (l *sqlLexer) delimits() bool {
	return l.delimiter != "" && bytes.HasPrefix(l.text[l.at:], []byte(l.delimiter))
}

// subtracts tells 5--1 from a comment.
func (l *sqlLexer) subtracts() bool { return l.at > 0 && isDigit(l.text[l.at-1]) && isDigit(l.peek(2)) }

// unended are statements that SQL Server takes without a semicolon behind them.
var unended = map[string]bool{"INSERT": true, "SELECT": true, "SET": true, "USE": true, "PRINT": true, "DECLARE": true, "UPDATE": true, "DELETE": true, "TRUNCATE": true, "DROP": true, "EXEC": true, "EXECUTE": true}

// completes says that a line which begins like this begins a statement, and that
// the one before is complete.
func (l *sqlLexer) completes(line string) bool {
	if len(l.words) < 2 || l.open > 0 || !unended[l.words[0].text] {
		return false
	}
	switch l.words[len(l.words)-1].text {
	case "ON", ",", "THEN", "=", "AFTER", "BEFORE", "OR", "FOR", "AS":
		if l.words[0].text != "SET" { // SET NOCOUNT ON
			return false
		}
	}
	for _, begin := range []string{"DROP TABLE ", "DROP DATABASE ", "DROP SCHEMA ", "TRUNCATE TABLE ", "DELETE FROM "} {
		if strings.HasPrefix(strings.Join(strings.Fields(line), " ")+" ", begin) {
			return true
		}
	}
	return false
}
