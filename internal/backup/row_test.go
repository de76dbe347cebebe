package backup

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

var forms = Table{Name: "forms", Columns: []Column{{"id", Int}, {"name", Text}, {"face", Bytes}}}

// A row has one spelling, so that no two readers can read it differently.
func TestARowIsReadInTheOneFormInWhichItIsWritten(t *testing.T) {
	t.Parallel()
	if row, err := forms.decodeRow([]byte("[1,\"x\",\"AA==\"]\n")); err != nil || !reflect.DeepEqual(row, []any{int64(1), "x", []byte{0}}) {
		t.Errorf("%v, %v", row, err)
	}
	for _, line := range []string{
		" [1,\"x\",\"AA==\"]\n", "[ 1,\"x\",\"AA==\"]\n", "[1 ,\"x\",\"AA==\"]\n", "[1, \"x\",\"AA==\"]\n", "[1,\"x\",\"AA==\" ]\n",
		"[1,\"x\",\"AA==\"]", "[1,\"x\",\"AA==\"] \n", "[1,\"x\",\"AA==\"]\r\n",
		"[-0,\"x\",\"AA==\"]\n", "[+1,\"x\",\"AA==\"]\n", "[01,\"x\",\"AA==\"]\n", "[1e0,\"x\",\"AA==\"]\n",
		"[1,\"\\u0078\",\"AA==\"]\n", "[1,\"\\/\",\"AA==\"]\n", "[1,\"\\ud800\",\"AA==\"]\n", "[1,\"\xff\",\"AA==\"]\n",
		"[1,\"x\",\"AA\\n==\"]\n", "[1,\"x\",\"AA\r==\"]\n", "[1,\"x\",\"AA\"]\n", "[1,\"x\",\"AB==\"]\n", "[1,\"x\",\"\\u0041A==\"]\n",
		"[1,\"x\"]\n", "[1,\"x\",\"AA==\",1]\n", "[1,\"x\",\"AA==\n", "[1,\"x\n", "[1,\"\\", "[", "", "\n", "[]\n", "{}\n", "[1,x,\"AA==\"]\n",
	} {
		if row, err := forms.decodeRow([]byte(line)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q is %v: %v", line, row, err)
		}
	}
}

// What a row costs is bounded by its columns, not by what it says.
func TestARowOfManyValuesTakesNoMemory(t *testing.T) { //nolint:paralleltest // it counts allocations
	for name, value := range map[string]string{"arrays": "[],", "numbers": "1,", "one array": "["} {
		line := []byte("[" + strings.Repeat(value, 100_000) + "1]\n")
		n := testing.AllocsPerRun(1, func() {
			if _, err := forms.decodeRow(line); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", name, err)
			}
		})
		if n > 100 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
