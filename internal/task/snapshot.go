package task

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Digest pins the request as the agent was given it: "sha256:…" over a line that
// says what it is of and the snapshot as JSON. Whoever has the request can compute
// it.
func (s Snapshot) Digest() string {
	text, err := json.Marshal(s)
	if err != nil { // texts, numbers and times always encode
		panic(fmt.Sprintf("encode a snapshot: %v", err))
	}
	sum := sha256.Sum256(append([]byte("coderflow.dev/request/v1\n"), text...))
	return "sha256:" + hex.EncodeToString(sum[:])
}
