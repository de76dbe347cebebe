// Package receipt measures what it takes to verify one receipt in a clone, and how
// large it is in a log of any size. Run it with
//
//	go test -run xxx -bench . ./bench/receipt
package receipt

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/coderflow/coderflow/bench/bound"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/receipt"
	"github.com/coderflow/coderflow/internal/receipt/receipttest"
)

// mostTime is what verifying one receipt may take, from opening the clone to the end.
const mostTime = 100 * time.Millisecond

func verify(b *testing.B, w *receipttest.World, envelope []byte) time.Duration {
	b.Helper()
	began := time.Now()
	clone, err := gitops.OpenClone(b.Context(), w.Dir)
	if err != nil {
		b.Fatal(err)
	}
	v := receipt.Verify(b.Context(), clone, w.Commit, false, func(context.Context, string) (receipt.Evidence, error) {
		return receipt.Evidence{Envelope: envelope, Key: w.Key.Public()}, nil
	})
	if err := clone.Close(); err != nil || !v.Valid {
		b.Fatalf("%v: %+v", err, v)
	}
	return time.Since(began)
}

// BenchmarkVerify fails if the median is too slow.
func BenchmarkVerify(b *testing.B) {
	w := receipttest.New(b, 500)
	envelope := w.Seal(w.Statement())
	var took []time.Duration
	for b.Loop() {
		took = append(took, verify(b, w, envelope))
	}
	slices.Sort(took)
	median := took[len(took)/2]
	bound.Below(b, "receipt: verification", "ms", float64(median.Microseconds())/1000, float64(mostTime.Milliseconds()))
}

// BenchmarkSize has receipts in logs that grow a thousandfold: one hash more for each
// doubling, in each proof.
func BenchmarkSize(b *testing.B) {
	for _, size := range []int{1_000, 32_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w := receipttest.New(b, size/2)
			s := w.Statement()
			envelope := w.Seal(s)
			most := 0
			for _, e := range s.Predicate.Log.Entries {
				most = max(most, len(e.Proof.Hashes))
			}
			for b.Loop() {
				verify(b, w, envelope)
			}
			b.ReportMetric(float64(most), "hashes/proof")
			b.ReportMetric(float64(len(envelope))/1024, "KiB")
			if limit := bits.Len(uint(w.Log.Size())); most > limit {
				b.Errorf("a proof has %d hashes, want at most %d", most, limit)
			}
		})
	}
}
