package audit_test

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/audit"
)

func TestALeafIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, e := range newBook(t, 3).entries {
		leaf, err := e.Leaf()
		if err != nil {
			t.Fatal(err)
		}
		again, err := audit.ParseLeaf(leaf)
		if err != nil || again.Seq != e.Seq || !again.At.Equal(e.At) || again.Actor != e.Actor || string(again.Detail) != string(e.Detail) {
			t.Errorf("%+v: %v", again, err)
		}
	}
}

func TestThreat54LeavesThatReadersCouldReadInTwoWaysAreRefused(t *testing.T) {
	t.Parallel()
	const line = `{"number":1,"at":"2026-01-02T03:04:05.000000Z","actor":"a","action":"push.done","task":"t","environment":"e","detail":{"a":{"b":[1,{"c":2}]}}}`
	if _, err := audit.ParseLeaf([]byte(line)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"a key twice":          {`"actor":"a"`, `"actor":"b","actor":"a"`},
		"an unknown key":       {`"actor":"a"`, `"actor":"a","by":"b"`},
		"other letters":        {`"actor"`, `"Actor"`},
		"blanks":               {`"actor":`, `"actor": `},
		"another order":        {`"number":1,"at":"2026-01-02T03:04:05.000000Z"`, `"at":"2026-01-02T03:04:05.000000Z","number":1`},
		"another time":         {`.000000Z`, `Z`},
		"no time":              {`2026-01-02`, `yesterday`},
		"escapes":              {`"actor":"a"`, `"actor":"\u0061"`},
		"a detail's key twice": {`"a":{"b"`, `"a":1,"a":{"b"`},
		"a deep key twice":     {`{"c":2}`, `{"c":1,"c":2}`},
		"in other letters":     {`{"c":2}`, `{"C":1,"c":2}`},
		"in letters that fold": {`{"c":2}`, `{"s":1,"ſ":2}`},
		"in others than ASCII": {`{"c":2}`, `{"ſ":2}`},
		"nested without end":   {`{"c":2}`, strings.Repeat("[", 100) + strings.Repeat("]", 100)},
		"something after it":   {`]}}}`, `]}}}{}`},
		"cut short":            {`]}}}`, `]}}`},
	} {
		changed := strings.Replace(line, change[0], change[1], 1)
		if changed == line {
			t.Fatalf("%s changes nothing", name)
		}
		if e, err := audit.ParseLeaf([]byte(changed)); err == nil {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
