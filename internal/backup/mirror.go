package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
)

func (r *reader) mirrors() error {
	for last := ""; strings.HasPrefix(r.name, mirrorsDir); {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.name, mirrorsDir), "/")
		if !mirrorPattern.MatchString(name) || name <= last {
			return fmt.Errorf("%w: %.100q is no mirror, or not in its place", ErrDamaged, r.name)
		}
		last = name
		if err := r.mirror(name); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) mirror(name string) error {
	prefix := mirrorsDir + name + "/"
	text, is, err := r.wants(prefix+refsName, maxPlain)
	if err != nil {
		return err
	}
	if !is {
		return fmt.Errorf("%w: the mirror %s has no list of refs", ErrDamaged, name)
	}
	var refs []Ref
	if err := decode("list of refs of "+name, text, &refs); err != nil {
		return err
	}
	pack := &packReader{r: r, prefix: prefix, sum: sha256.New()}
	pack.sum.Write(text)
	if err := r.sink.Mirror(name, refs, pack); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, pack); err != nil {
		return err
	}
	r.found.Mirrors = append(r.found.Mirrors, Sum{
		Name: name, Rows: int64(len(refs)), Bytes: pack.bytes, SHA256: hex.EncodeToString(pack.sum.Sum(nil)),
	})
	return nil
}

// packReader reads the pieces of a pack as one stream.
type packReader struct {
	r      *reader
	prefix string
	number int
	piece  []byte
	sum    hash.Hash
	bytes  int64
}

// Read implements io.Reader.
func (p *packReader) Read(b []byte) (int, error) {
	if len(p.piece) == 0 {
		piece, is, err := p.r.wants(pieceName(p.prefix, p.number+1), maxEntry)
		if err != nil {
			return 0, err
		}
		if !is {
			return 0, io.EOF
		}
		if len(piece) == 0 {
			return 0, fmt.Errorf("%w: a part of %s is empty", ErrDamaged, p.prefix)
		}
		p.number++
		p.sum.Write(piece)
		p.bytes += int64(len(piece))
		p.piece = piece
	}
	n := copy(b, p.piece)
	p.piece = p.piece[n:]
	return n, nil
}
