package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Sink takes what is in a file, in its order. An error ends the reading. Nothing that
// it is given was compared with its hash yet: that is known when [Read] returns.
type Sink interface {
	// Begin comes first.
	Begin(h Header) error
	// Rows are the next rows of a table, in the order of the header's tables.
	Rows(t Table, rows [][]any) error
	// Keys are sealed key files.
	Keys(sealed []byte) error
	// Mirror is a mirror's refs, and its objects as a pack, which need not be read to its end.
	Mirror(name string, refs []Ref, pack io.Reader) error
}

// Ended is the end of a file whose parts are all what it says of them.
type Ended struct {
	Header    Header
	Manifest  Manifest
	ID        string // digest of the manifest
	Signature []byte // nil: there is none
}

// Read goes through a file once and holds every part against its hash. It fails with
// [ErrDamaged] or a *[NewerError] if the file is not whole or not a backup, and with
// the sink's own errors.
func Read(from io.Reader, sink Sink) (Ended, error) {
	in := bufio.NewReader(from) // so that gzip takes no byte behind its end
	zip, err := gzip.NewReader(in)
	if err != nil {
		return Ended{}, fmt.Errorf("%w: it is no backup of CoderFlow", ErrDamaged)
	}
	zip.Multistream(false)
	r := &reader{sink: sink, tar: tar.NewReader(zip)}
	if err := r.read(); err != nil {
		return Ended{}, err
	}
	if rest, err := io.Copy(io.Discard, io.LimitReader(zip, maxHeader)); err != nil || rest == maxHeader {
		return Ended{}, fmt.Errorf("%w: it does not end where its archive ends", ErrDamaged)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return Ended{}, fmt.Errorf("%w: something follows its end", ErrDamaged)
	}
	return r.end, nil
}

// reader goes through the archive. name and size are of the entry it stands at; an
// empty name is the archive's end.
type reader struct {
	sink Sink
	tar  *tar.Reader
	name string
	size int64

	end   Ended
	found Manifest // what was really there
}

func (r *reader) read() error {
	steps := []func() error{r.advance, r.header, r.tables, r.keys, r.mirrors, r.manifest, r.signature}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if r.name != "" {
		return fmt.Errorf("%w: %.100q is not expected there", ErrDamaged, r.name)
	}
	return nil
}

// advance goes to the next entry. Only plain files are entries.
func (r *reader) advance() error {
	h, err := r.tar.Next()
	if errors.Is(err, io.EOF) {
		r.name, r.size = "", 0
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: it is cut off or changed (%w)", ErrDamaged, err)
	}
	if h.Typeflag != tar.TypeReg || h.Name == "" || len(h.PAXRecords) > 0 || h.Size < 0 || h.Size > maxEntry {
		return fmt.Errorf("%w: the entry %.100q is of a kind or size that no backup has", ErrDamaged, h.Name)
	}
	r.name, r.size = h.Name, h.Size
	return nil
}

// take reads the entry, bounded, and advances.
func (r *reader) take(limit int64) ([]byte, error) {
	if r.size > limit {
		return nil, fmt.Errorf("%w: its part %.100q takes %d bytes", ErrDamaged, r.name, r.size)
	}
	var content bytes.Buffer // grows with what is there, whatever the size says
	if n, err := io.Copy(&content, r.tar); err != nil || n != r.size {
		return nil, fmt.Errorf("%w: it is cut off or changed in %s", ErrDamaged, r.name)
	}
	return content.Bytes(), r.advance()
}

// wants takes the entry if it has the name.
func (r *reader) wants(name string, limit int64) (content []byte, is bool, err error) {
	if r.name != name {
		return nil, false, nil
	}
	content, err = r.take(limit)
	return content, true, err
}

func (r *reader) header() error {
	text, is, err := r.wants(headerName, maxHeader)
	if err != nil {
		return err
	}
	if !is {
		return fmt.Errorf("%w: it is no backup of CoderFlow", ErrDamaged)
	}
	h := Header{}
	if err := decode("header", text, &h); err != nil {
		if later := laterFormat(text); later != nil {
			return later
		}
		return err
	}
	if err := h.check(); err != nil {
		return err
	}
	r.end.Header, r.found.Header = h, digest(text)
	return r.sink.Begin(h)
}

func (r *reader) tables() error {
	for _, t := range r.end.Header.Tables {
		sum := sha256.New()
		out := Sum{Name: t.Name}
		for number := 1; ; number++ {
			piece, is, err := r.wants(pieceName(tablesDir+t.Name+"/", number), maxEntry)
			if err != nil {
				return err
			}
			if !is {
				break
			}
			sum.Write(piece)
			rows, err := r.rows(t, piece)
			if err != nil {
				return err
			}
			out.Rows, out.Bytes = out.Rows+rows, out.Bytes+int64(len(piece))
		}
		out.SHA256 = hex.EncodeToString(sum.Sum(nil))
		r.found.Tables = append(r.found.Tables, out)
	}
	return nil
}

// rows hands a piece's rows to the sink, a batch at a time, and counts them. A piece
// that is longer than the writer gathers has one row, as it makes no other.
func (r *reader) rows(t Table, piece []byte) (count int64, err error) {
	first := bytes.IndexByte(piece, '\n')
	switch {
	case first < 0 || piece[len(piece)-1] != '\n':
		return 0, fmt.Errorf("%w: a part of %s is empty or ends within a row", ErrDamaged, t.Name)
	case len(piece) > chunk && first != len(piece)-1:
		return 0, fmt.Errorf("%w: a part of %s has more rows than one is written with", ErrDamaged, t.Name)
	}
	const batch = 1000
	var rows [][]any
	for line := range bytes.Lines(piece) {
		row, err := t.decodeRow(line)
		if err != nil {
			return 0, err
		}
		if rows, count = append(rows, row), count+1; len(rows) < batch {
			continue
		}
		if err := r.hand(t, rows); err != nil {
			return 0, err
		}
		rows = nil
	}
	if len(rows) == 0 {
		return count, nil
	}
	return count, r.hand(t, rows)
}

// hand gives rows to the sink, before the hashes over them were compared: what it does
// not take can be the fault of a changed file as well as its own.
func (r *reader) hand(t Table, rows [][]any) error {
	err := r.sink.Rows(t, rows)
	if err == nil || errors.Is(err, ErrDamaged) || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w, or cannot be loaded here: %w", ErrDamaged, err)
}

func (r *reader) keys() error {
	sealed, is, err := r.wants(keysName, maxPlain)
	if err != nil || !is {
		return err
	}
	r.found.Keys = &Keys{Sum: Sum{Name: keysName, Bytes: int64(len(sealed)), SHA256: digest(sealed)}}
	return r.sink.Keys(sealed)
}

// manifest compares what was there with what should be.
func (r *reader) manifest() error {
	text, is, err := r.wants(manifestName, maxPlain)
	if err != nil {
		return err
	}
	if !is && r.name != "" {
		return fmt.Errorf("%w: %.100q is not expected there", ErrDamaged, r.name)
	}
	if !is {
		return fmt.Errorf("%w: it has no end; the backup was cut off", ErrDamaged)
	}
	m := Manifest{}
	if err := decode("manifest", text, &m); err != nil {
		return err
	}
	r.end.Manifest, r.end.ID = m, digest(text)
	if m.Keys != nil && r.found.Keys != nil { // whom they are sealed to stands in the manifest alone
		r.found.Keys.Rows, r.found.Keys.Recipients = m.Keys.Rows, m.Keys.Recipients
	}
	return differences(m, r.found)
}

func differences(want, found Manifest) error {
	if want.Header != found.Header {
		return fmt.Errorf("%w: its header was changed", ErrDamaged)
	}
	if (want.Keys == nil) != (found.Keys == nil) || want.Keys != nil && want.Keys.Sum != found.Keys.Sum {
		return fmt.Errorf("%w: its sealed keys are not those that were written", ErrDamaged)
	}
	for _, pair := range [][2][]Sum{{want.Tables, found.Tables}, {want.Mirrors, found.Mirrors}} {
		if len(pair[0]) != len(pair[1]) {
			return fmt.Errorf("%w: it should have %d parts of a kind and has %d", ErrDamaged, len(pair[0]), len(pair[1]))
		}
		for i, sum := range pair[0] {
			if sum != pair[1][i] {
				return fmt.Errorf("%w: %s has %d rows and the hash %.16s; written were %d and %.16s",
					ErrDamaged, sum.Name, pair[1][i].Rows, pair[1][i].SHA256, sum.Rows, sum.SHA256)
			}
		}
	}
	return nil
}

func (r *reader) signature() error {
	text, is, err := r.wants(signatureName, maxHeader)
	if is {
		r.end.Signature = slices.Clone(text)
	}
	return err
}
