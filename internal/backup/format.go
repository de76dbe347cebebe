// Package backup is the form of a backup file: what stands where in it, and how each
// part of it is held against its hash.
//
// A file is a gzip stream of one tar archive. It begins with a [Header], then come the
// rows of every table in pieces, sealed keys if any, the git objects in pieces, and at
// the end a [Manifest] with the count and the SHA-256 of everything before it, and a
// signature over it. So it can be written while it is read from a running server, and
// one that was cut off has no end.
//
// Whoever reads a file believes nothing of it: parts come in one order, every size is
// bounded, no name in it becomes a path, and JSON is taken only in the one form in
// which it is written, so that no two readers can read it differently.
package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Format is the version of the file's form that this program writes and reads.
const Format = 1

// Names in the archive.
const (
	headerName    = "coderflow-backup.json"
	tablesDir     = "tables/"  // + table/000001
	keysName      = "keys.age" // age over JSON
	mirrorsDir    = "git/"     // + mirror/refs.json, then mirror/000001
	refsName      = "refs.json"
	manifestName  = "manifest.json"
	signatureName = "manifest.sig"
)

// Bounds of what is read. A row is at most one entry.
const (
	maxEntry  = 256 << 20
	maxHeader = 1 << 20
	maxPlain  = 64 << 20 // manifest, signature, keys, refs
	// chunk is how much of a table or of git's objects is gathered into one entry.
	chunk = 4 << 20
)

// ErrDamaged is a file that is not what a backup wrote: cut off, changed, or no backup.
var ErrDamaged = errors.New("the backup file is damaged")

// NewerError is a file of a later form.
type NewerError struct{ Found int }

// Error implements error.
func (e *NewerError) Error() string {
	return fmt.Sprintf("the backup file has format %d and this program reads %d: use a newer coderflow", e.Found, Format)
}

// Kind is what a column holds.
type Kind string

// Kinds. A time is text, and a truth value 0 or 1: the form is that of SQLite.
const (
	Int   Kind = "int"
	Text  Kind = "text"
	Bytes Kind = "bytes"
)

// Column is one column of a table.
type Column struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
}

// Table is a table as it is in the file; a row has its values in the order of Columns.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
}

// Left is something that is not in the file, and why.
type Left struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Header says what follows.
type Header struct {
	Format   int       `json:"format"`
	Program  string    `json:"program"` // version that wrote it
	TakenAt  time.Time `json:"takenAt"`
	Schema   int       `json:"schema"`
	Database string    `json:"database"` // kind of database that it was read from
	Tables   []Table   `json:"tables"`
	LeftOut  []Left    `json:"leftOut"`
}

// Table is the table of a name, or nil.
func (h Header) Table(name string) *Table {
	for i := range h.Tables {
		if h.Tables[i].Name == name {
			return &h.Tables[i]
		}
	}
	return nil
}

// Sum is what was written of one table or mirror.
type Sum struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"` // of a mirror: its refs
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Log is the audit log as the backup has it.
type Log struct {
	Entries    int64  `json:"entries"`
	Root       string `json:"root"`       // base64, as in a checkpoint
	Checkpoint string `json:"checkpoint"` // newest signed one; empty: none was signed yet
}

// Manifest is the end of a file.
type Manifest struct {
	Header  string `json:"header"` // SHA-256
	Tables  []Sum  `json:"tables"`
	Keys    *Keys  `json:"keys"`
	Mirrors []Sum  `json:"mirrors"`
	Log     Log    `json:"log"`
}

// Rows are how many rows a table has.
func (m Manifest) Rows(table string) int64 {
	for _, s := range m.Tables {
		if s.Name == table {
			return s.Rows
		}
	}
	return 0
}

// Keys tells of sealed key files.
type Keys struct {
	Sum
	Recipients []string `json:"recipients"`
}

// Ref keeps an object of a mirror.
type Ref struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

// What a name may be. It names a table or a mirror of ours, never a path.
var (
	tablePattern  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	mirrorPattern = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}-[A-Za-z0-9-]{1,64}$`)
)

func (h Header) check() error {
	switch {
	case h.Format > Format:
		return &NewerError{Found: h.Format}
	case h.Format != Format:
		return fmt.Errorf("%w: it has no format that is known", ErrDamaged)
	case h.Schema < 1 || len(h.Tables) == 0:
		return fmt.Errorf("%w: it names no schema or no table", ErrDamaged)
	}
	seen := map[string]bool{}
	for _, t := range h.Tables {
		if !tablePattern.MatchString(t.Name) || seen[t.Name] || len(t.Columns) == 0 {
			return fmt.Errorf("%w: it names the table %.70q wrongly, twice or without columns", ErrDamaged, t.Name)
		}
		seen[t.Name] = true
		columns := map[string]bool{}
		for _, c := range t.Columns {
			if !tablePattern.MatchString(c.Name) || columns[c.Name] || c.Kind != Int && c.Kind != Text && c.Kind != Bytes {
				return fmt.Errorf("%w: it names the column %.70q of %s wrongly or twice", ErrDamaged, c.Name, t.Name)
			}
			columns[c.Name] = true
		}
	}
	return nil
}

// encode is the one form of a document in a file.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, fmt.Errorf("encode a part of the backup: %w", err)
	}
	return b.Bytes(), nil
}

// decode reads a document that encode wrote. Anything else is refused, so keys that
// stand twice, unknown ones and other spellings are.
func decode[T any](what string, text []byte, into *T) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%w: its %s cannot be read", ErrDamaged, what)
	}
	again, err := encode(*into)
	if err != nil || !bytes.Equal(again, text) {
		return fmt.Errorf("%w: its %s is not in the form in which it is written", ErrDamaged, what)
	}
	return nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// laterFormat tells a header of a later format, which need not decode otherwise.
func laterFormat(text []byte) error {
	var f struct{ Format int }
	if json.Unmarshal(text, &f) == nil && f.Format > Format {
		return &NewerError{Found: f.Format}
	}
	return nil
}
