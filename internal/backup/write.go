package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// Writer writes a file. Its parts come in the order of the format: all tables of the
// header, keys, mirrors, the end.
type Writer struct {
	header   Header
	zip      *gzip.Writer
	tar      *tar.Writer
	manifest Manifest
}

// NewWriter begins a file.
func NewWriter(to io.Writer, h Header) (*Writer, error) {
	h.Format, h.TakenAt = Format, h.TakenAt.UTC().Truncate(time.Second)
	if err := h.check(); err != nil {
		return nil, err
	}
	zip, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("begin the backup: %w", err)
	}
	w := &Writer{header: h, zip: zip, tar: tar.NewWriter(zip), manifest: Manifest{Tables: []Sum{}, Mirrors: []Sum{}}}
	text, err := encode(h)
	if err != nil {
		return nil, err
	}
	w.manifest.Header = digest(text)
	return w, w.entry(headerName, text)
}

func (w *Writer) entry(name string, content []byte) error {
	if len(content) > maxEntry {
		return fmt.Errorf("%s takes %d bytes and a part of a backup %d at most", name, len(content), maxEntry)
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(content)), Format: tar.FormatUSTAR}
	if err := w.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := w.tar.Write(content); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// pieces writes what belongs together as entries of a bounded size, and sums it up.
type pieces struct {
	w      *Writer
	prefix string
	buffer bytes.Buffer
	number int
	sum    hash.Hash
	bytes  int64
}

func (w *Writer) pieces(prefix string) *pieces {
	return &pieces{w: w, prefix: prefix, sum: sha256.New()}
}

// Write implements io.Writer. What one call writes stays in one piece.
func (p *pieces) Write(b []byte) (int, error) {
	if p.buffer.Len() > 0 && p.buffer.Len()+len(b) > chunk {
		if err := p.flush(); err != nil {
			return 0, err
		}
	}
	p.sum.Write(b)
	p.bytes += int64(len(b))
	return p.buffer.Write(b)
}

func (p *pieces) flush() error {
	if p.buffer.Len() == 0 {
		return nil
	}
	p.number++
	err := p.w.entry(pieceName(p.prefix, p.number), p.buffer.Bytes())
	p.buffer.Reset()
	return err
}

func pieceName(prefix string, number int) string { return fmt.Sprintf("%s%06d", prefix, number) }

func (p *pieces) end(name string, rows int64) (Sum, error) {
	if err := p.flush(); err != nil {
		return Sum{}, err
	}
	return Sum{Name: name, Rows: rows, Bytes: p.bytes, SHA256: hex.EncodeToString(p.sum.Sum(nil))}, nil
}

// Table writes the next table of the header. rows hands over each row.
func (w *Writer) Table(rows func(table Table, yield func(row []any) error) error) (Sum, error) {
	if len(w.manifest.Tables) == len(w.header.Tables) {
		return Sum{}, errors.New("all tables of the backup are written")
	}
	t := w.header.Tables[len(w.manifest.Tables)]
	p := w.pieces(tablesDir + t.Name + "/")
	n := int64(0)
	err := rows(t, func(row []any) error {
		line, err := t.encodeRow(row)
		if err != nil {
			return err
		}
		n++
		_, err = p.Write(line)
		return err
	})
	if err != nil {
		return Sum{}, fmt.Errorf("back up the table %s: %w", t.Name, err)
	}
	sum, err := p.end(t.Name, n)
	w.manifest.Tables = append(w.manifest.Tables, sum)
	return sum, err
}

// Keys writes key files that were sealed to the recipients.
func (w *Writer) Keys(sealed []byte, recipients []string) error {
	w.manifest.Keys = &Keys{
		Sum:        Sum{Name: keysName, Rows: int64(len(recipients)), Bytes: int64(len(sealed)), SHA256: digest(sealed)},
		Recipients: recipients,
	}
	return w.entry(keysName, sealed)
}

// Mirror writes the objects of a mirror: objects writes them as one pack that needs no
// other. Mirrors come in the order of their names.
func (w *Writer) Mirror(name string, refs []Ref, objects func(io.Writer) error) (Sum, error) {
	if !mirrorPattern.MatchString(name) {
		return Sum{}, fmt.Errorf("%.100q is no name of a mirror", name)
	}
	text, err := encode(refs)
	if err != nil {
		return Sum{}, err
	}
	if err := w.entry(mirrorsDir+name+"/"+refsName, text); err != nil {
		return Sum{}, err
	}
	p := w.pieces(mirrorsDir + name + "/")
	p.sum.Write(text)
	if err := objects(p); err != nil {
		return Sum{}, fmt.Errorf("back up the git objects of %s: %w", name, err)
	}
	sum, err := p.end(name, int64(len(refs)))
	w.manifest.Mirrors = append(w.manifest.Mirrors, sum)
	return sum, err
}

// Close writes the end. sign makes the signature over the manifest's digest, or
// nothing. The digest names the backup.
func (w *Writer) Close(log Log, sign func(digest string) ([]byte, error)) (id string, err error) {
	if len(w.manifest.Tables) != len(w.header.Tables) {
		return "", errors.New("not all tables of the backup are written")
	}
	w.manifest.Log = log
	text, err := encode(w.manifest)
	if err != nil {
		return "", err
	}
	id = digest(text)
	if err := w.entry(manifestName, text); err != nil {
		return "", err
	}
	signature, err := sign(id)
	if err != nil {
		return "", err
	}
	if signature != nil {
		if err := w.entry(signatureName, signature); err != nil {
			return "", err
		}
	}
	if err := errors.Join(w.tar.Close(), w.zip.Close()); err != nil {
		return "", fmt.Errorf("end the backup: %w", err)
	}
	return id, nil
}
