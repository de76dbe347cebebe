package main

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/receipt"
)

// A merge of an approved commit that has another tree is not what was approved.
func TestAMergeOfAnotherTreeIsNotPrintedAsVerified(t *testing.T) {
	t.Parallel()
	for _, valid := range []bool{true, false} {
		var out strings.Builder
		verdict := receipt.Verdict{Asked: "merge", Commit: "parent", Claimed: true, Valid: valid, Partial: true}
		err := outputFlag{Output: "table"}.print(streams{out: &out}, nil, func(t *table) { drawVerdicts(t, []receipt.Verdict{verdict}, "") })
		if said := out.String(); err != nil || !strings.Contains(said, "✓ VERIFIED  parent") || !strings.Contains(said, "– NO CLAIM  merge") || strings.Contains(said, "VERIFIED  merge") {
			t.Errorf("%v: %s", err, said)
		}
	}
}
