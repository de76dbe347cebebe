package console_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/console"
)

// A file of a million lines takes little more than what is shown of it. The test is not
// parallel: it counts what the whole process takes.
func TestAPieceOfALargeFileTakesLittleMemory(t *testing.T) {
	diff := []byte("diff --git a/blank b/blank\n@@ -0,0 +1,1000000 @@\n" + strings.Repeat("+\n", 1_000_000))
	f := console.ReadPatch(diff).File("blank")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p := f.Piece("blank", []console.Note{{Path: "blank", Line: 500_001, Title: "in the middle"}}, 500_000, painter)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("a piece takes %d bytes", took)
	}
	if p.Rest != 1_000_001-500_500 || p.Next != 500_500 || strings.Count(string(p.HTML), "<tr ") != console.PieceRows+1 || !strings.Contains(string(p.HTML), "in the middle") {
		t.Errorf("%d lines follow from %d on", p.Rest, p.Next)
	}
	if p := f.Piece("blank", nil, 5_000_000, painter); p.HTML != "" || p.Rest != 0 || p.Next != 1_000_001 {
		t.Errorf("after the end: %+v", p)
	}
}
