package guestproto

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// The stream is
//
//	magic  { 'R' kind pathLength:u16 path size:u64 content }  'E' records:u64 bytes:u64 sha256[32]
//
// in big-endian order, or ends with 'L' limit max:u64 pathLength:u16 path where a limit stopped the walk. The hash
// is over everything before it. A stream without 'E' or 'L' was cut.
const magic = "CFCOLL1\n"

const (
	tagRecord = 'R'
	tagLimit  = 'L'
	tagEnd    = 'E'
)

// Writer writes a collection. It enforces the limits that concern records; the walk enforces the others.
type Writer struct {
	out     *bufio.Writer
	sum     hash.Hash
	limits  Limits
	records int64
	bytes   int64
}

// NewWriter starts a collection on w.
func NewWriter(w io.Writer, limits Limits) (*Writer, error) {
	sum := sha256.New()
	writer := &Writer{out: bufio.NewWriterSize(io.MultiWriter(w, sum), 256<<10), sum: sum, limits: limits}
	if _, err := writer.out.WriteString(magic); err != nil {
		return nil, fmt.Errorf("starting the collection: %w", err)
	}
	return writer, nil
}

// Write adds one record with exactly size bytes of content. It returns a *LimitError before it writes anything
// of a record that would exceed a limit.
func (w *Writer) Write(path string, kind Kind, size int64, content io.Reader) error {
	if err := w.check(path, size); err != nil {
		return err
	}
	w.records++
	w.bytes += size
	head := make([]byte, 0, 16+len(path))
	head = append(head, tagRecord, byte(kind))
	head = binary.BigEndian.AppendUint16(head, uint16(len(path)))
	head = append(head, path...)
	head = binary.BigEndian.AppendUint64(head, uint64(size))
	if _, err := w.out.Write(head); err != nil {
		return fmt.Errorf("writing a record: %w", err)
	}
	if size == 0 {
		return nil
	}
	if _, err := io.CopyN(w.out, content, size); err != nil {
		return fmt.Errorf("reading %q: %w", path, err)
	}
	return nil
}

func (w *Writer) check(path string, size int64) error {
	if err := checkPath(path, w.limits); err != nil {
		return err
	}
	switch {
	case w.records >= w.limits.Records:
		return &LimitError{Limit: LimitRecords, Max: w.limits.Records, Path: path}
	case size > w.limits.FileBytes:
		return &LimitError{Limit: LimitFileBytes, Max: w.limits.FileBytes, Path: path}
	case w.bytes+size > w.limits.TotalBytes:
		return &LimitError{Limit: LimitTotalBytes, Max: w.limits.TotalBytes, Path: path}
	}
	return nil
}

// End completes the collection.
func (w *Writer) End() error {
	tail := []byte{tagEnd}
	tail = binary.BigEndian.AppendUint64(tail, uint64(w.records))
	tail = binary.BigEndian.AppendUint64(tail, uint64(w.bytes))
	if _, err := w.out.Write(tail); err != nil {
		return fmt.Errorf("ending the collection: %w", err)
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("ending the collection: %w", err)
	}
	if _, err := w.out.Write(w.sum.Sum(nil)); err != nil {
		return fmt.Errorf("ending the collection: %w", err)
	}
	return w.out.Flush()
}

// Fail ends the collection with the limit that stopped it.
func (w *Writer) Fail(limit *LimitError) error {
	path := limit.Path
	if len(path) > w.limits.PathBytes {
		path = path[:w.limits.PathBytes]
	}
	tail := []byte{tagLimit, byte(limit.Limit)}
	tail = binary.BigEndian.AppendUint64(tail, uint64(limit.Max))
	tail = binary.BigEndian.AppendUint16(tail, uint16(len(path)))
	tail = append(tail, path...)
	_, err := w.out.Write(tail)
	return errors.Join(err, w.out.Flush())
}
