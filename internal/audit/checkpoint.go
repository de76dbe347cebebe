package audit

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is the state of the log that a server vouches for: the first Size
// entries have this root.
type Checkpoint struct {
	// Origin names the log. It is the name of the key that signs.
	Origin string
	Size   int64
	Root   tlog.Hash
}

// ErrCheckpoint is a checkpoint that cannot be read, or that the key did not sign.
var ErrCheckpoint = errors.New("not a checkpoint of this log")

// text is the checkpoint as it is signed, https://c2sp.org/tlog-checkpoint.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// Key signs checkpoints.
type Key struct {
	signer   note.Signer
	verifier string
}

// NewKey makes an Ed25519 key. name is that of the log: no blank and no plus sign
// in it. private is what [ParseKey] takes, and to be kept as a secret.
func NewKey(name string) (private string, err error) {
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return "", fmt.Errorf("make a key for the audit log %q: %w", name, err)
	}
	return private + "\n" + public + "\n", nil
}

// ParseKey reads what [NewKey] made. Errors do not tell what was read.
func ParseKey(text string) (Key, error) {
	private, public, _ := strings.Cut(strings.TrimSpace(text), "\n")
	signer, err := note.NewSigner(strings.TrimSpace(private))
	if err != nil {
		return Key{}, errors.New("the key of the audit log cannot be read: want the two lines that CoderFlow wrote")
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil || verifier.Name() != signer.Name() || verifier.KeyHash() != signer.KeyHash() {
		return Key{}, errors.New("the key of the audit log cannot be read: its two lines do not belong together")
	}
	return Key{signer: signer, verifier: strings.TrimSpace(public)}, nil
}

// Name is the log's.
func (k Key) Name() string { return k.signer.Name() }

// Public is what others verify with, in the form of a note verifier's key.
func (k Key) Public() string { return k.verifier }

// Sign makes the note of a checkpoint.
func (k Key) Sign(size int64, root tlog.Hash) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: Checkpoint{Origin: k.Name(), Size: size, Root: root}.text()}, k.signer)
	if err != nil {
		return nil, fmt.Errorf("sign the checkpoint of %d audit entries: %w", size, err)
	}
	return signed, nil
}

// maxCheckpoint bounds a note, in bytes.
const maxCheckpoint = 4 << 10

// OpenCheckpoint reads a note that the public key must have signed. It fails with
// an error that wraps ErrCheckpoint.
func OpenCheckpoint(signed []byte, public string) (Checkpoint, error) {
	verifier, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the public key %q cannot be read: %w", public, err)
	}
	if len(signed) > maxCheckpoint {
		return Checkpoint{}, fmt.Errorf("%w: it is longer than %d bytes", ErrCheckpoint, maxCheckpoint)
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	return parseCheckpoint(n.Text, verifier.Name())
}

func parseCheckpoint(text, origin string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		return Checkpoint{}, fmt.Errorf("%w: want three lines, the first %q", ErrCheckpoint, origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("%w: its size is no number", ErrCheckpoint)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("%w: its root is no hash", ErrCheckpoint)
	}
	return Checkpoint{Origin: origin, Size: size, Root: tlog.Hash(root)}, nil
}
