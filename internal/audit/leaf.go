package audit

import (
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// line is an entry as it is exported and hashed, without its detail, which comes
// last. The order of the fields is part of the format.
type line struct {
	Seq         int64  `json:"number"`
	At          string `json:"at"`
	Actor       string `json:"actor"`
	Action      Action `json:"action"`
	Task        string `json:"task"`
	Environment string `json:"environment"`
}

// leafTime is the time of an entry in its leaf: UTC, microseconds.
const leafTime = "2006-01-02T15:04:05.000000Z"

// Leaf is the entry as the tree has it: one line of JSON, which is the line that
// an export has. Its hash is SHA-256 over a zero byte and the line (RFC 6962).
// The detail is there byte by byte; it fails if that is not JSON.
func (e Entry) Leaf() ([]byte, error) {
	encoded, err := json.Marshal(line{
		Seq: e.Seq, At: e.At.UTC().Truncate(time.Microsecond).Format(leafTime), Actor: e.Actor, Action: e.Action,
		Task: e.Task, Environment: e.Environment,
	})
	if err != nil {
		return nil, fmt.Errorf("encode audit entry %d: %w", e.Seq, err)
	}
	if !json.Valid(e.Detail) {
		return nil, fmt.Errorf("the detail of audit entry %d is not JSON", e.Seq)
	}
	encoded = append(encoded[:len(encoded)-1], `,"detail":`...)
	return append(append(encoded, e.Detail...), '}'), nil
}

// LeafHash is the hash of a leaf in the tree.
func LeafHash(leaf []byte) tlog.Hash { return tlog.RecordHash(leaf) }

// record is the number of an entry in the tree, where they begin with 0.
func record(seq int64) int64 { return seq - 1 }

// Hashes are what the tree stores for the entry, from the index first on. read
// gives hashes that were stored before; the entries before must all be there.
func (e Entry) Hashes(read tlog.HashReader) (first int64, hashes []tlog.Hash, err error) {
	leaf, err := e.Leaf()
	if err != nil {
		return 0, nil, err
	}
	n := record(e.Seq)
	hashes, err = tlog.StoredHashes(n, leaf, read)
	if err != nil {
		return 0, nil, fmt.Errorf("hash audit entry %d: %w", e.Seq, err)
	}
	return tlog.StoredHashIndex(0, n), hashes, nil
}
