package telemetry

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
)

// TraceID and SpanID are ids as https://www.w3.org/TR/trace-context/ has them.
type (
	TraceID [16]byte
	SpanID  [8]byte
)

// String is the id in lower-case hexadecimal digits.
func (id TraceID) String() string { return hex.EncodeToString(id[:]) }

// String is the id in lower-case hexadecimal digits.
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// TraceOf is the trace of a task: the first half of the SHA-256 of "coderflow/task/ID".
func TraceOf(task string) TraceID { return TraceID(digest("task/" + task)[:16]) }

// TraceOfDelivery is the trace of a delivery, in which there is the request that brought it.
// Which tasks it makes is known later.
func TraceOfDelivery(id string) TraceID { return TraceID(digest("delivery/" + id)[:16]) }

// RootOf is the span of the whole task, which all others of its trace are below. It is
// sent when the task ends.
func RootOf(task string) SpanID { return SpanID(digest("root/" + task)[:8]) }

// SpanOf is a span that has the same id whoever tells of it, and however often: after a
// restart an end may be told twice.
func SpanOf(what string) SpanID { return SpanID(digest("span/" + what)[:8]) }

func digest(of string) []byte {
	sum := sha256.Sum256([]byte("coderflow/" + of))
	return sum[:]
}

func newSpanID() SpanID {
	var id SpanID
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	return id
}

// sampled reports whether a trace is one of those that are sent: every process decides the
// same of the same trace.
func (id TraceID) sampled(ratio float64) bool {
	if ratio >= 1 {
		return true
	}
	return float64(binary.BigEndian.Uint64(id[8:])>>1) < ratio*math.MaxInt64
}
