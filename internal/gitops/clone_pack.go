package gitops

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// packWriter writes objects as a pack, gitformat-pack(5): a header with their
// number, each with its kind and length before its content, and the hash of it all.
type packWriter struct {
	path  string
	file  *os.File
	out   *bufio.Writer
	zip   *zlib.Writer
	count uint32
}

func newPackWriter(repository string) (*packWriter, error) {
	path := filepath.Join(repository, "objects", "pack", "pack-change.pack")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take the clone's objects over: %w", err)
	}
	p := &packWriter{path: path, file: file, out: bufio.NewWriter(file)}
	if p.zip, err = zlib.NewWriterLevel(p.out, zlib.BestSpeed); err == nil {
		_, err = p.out.Write(packHeader(0))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take the clone's objects over: %w", err), file.Close())
	}
	return p, nil
}

func packHeader(objects uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), objects)
}

// objectHeader is what stands before the compressed content of an object.
func objectHeader(kind string, content []byte) []byte {
	number := map[string]byte{"commit": 1, "tree": 2, "blob": 3}[kind]
	size := uint64(len(content))
	head := []byte{number<<4 | byte(size&15)}
	for size >>= 4; size > 0; size >>= 7 {
		head[len(head)-1] |= 0x80
		head = append(head, byte(size&0x7f))
	}
	return head
}

// singlePack is the pack of one object.
func singlePack(kind string, content []byte) []byte {
	var pack bytes.Buffer
	pack.Write(packHeader(1))
	pack.Write(objectHeader(kind, content))
	zip := zlib.NewWriter(&pack)
	_, _ = zip.Write(content) // memory takes all of it
	_ = zip.Close()
	sum := sha1.Sum(pack.Bytes())
	return append(pack.Bytes(), sum[:]...)
}

// add writes one object. It is called once for each.
func (p *packWriter) add(kind string, content []byte) error {
	if _, err := p.out.Write(objectHeader(kind, content)); err != nil {
		return fmt.Errorf("take the clone's objects over: %w", err)
	}
	p.zip.Reset(p.out)
	if _, err := p.zip.Write(content); err != nil {
		return fmt.Errorf("take the clone's objects over: %w", err)
	}
	if err := p.zip.Close(); err != nil {
		return fmt.Errorf("take the clone's objects over: %w", err)
	}
	p.count++
	return nil
}

// close puts the number of objects into the header and the hash at the end.
func (p *packWriter) close() error {
	err := p.out.Flush()
	if err == nil {
		_, err = p.file.WriteAt(packHeader(p.count), 0)
	}
	if err == nil {
		_, err = p.file.Seek(0, io.SeekStart)
	}
	hash := sha1.New()
	if err == nil {
		_, err = io.Copy(hash, p.file)
	}
	if err == nil {
		_, err = p.file.Write(hash.Sum(nil))
	}
	if err = errors.Join(err, p.file.Close()); err != nil {
		return fmt.Errorf("take the clone's objects over: %w", err)
	}
	return nil
}
