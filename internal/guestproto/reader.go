package guestproto

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Reader reads a collection that comes out of a container. It is an iterator; it holds one record at a time.
// Nothing that it yielded may be used before Next has returned io.EOF.
type Reader struct {
	in      *bufio.Reader
	sum     hash.Hash
	limits  Limits
	content io.LimitedReader // what is left of the current record
	seen    map[string]struct{}
	bytes   int64
	err     error // sticky
}

// NewReader reads a collection from r and enforces limits on it.
func NewReader(r io.Reader, limits Limits) *Reader {
	return &Reader{
		in: bufio.NewReaderSize(r, 256<<10), sum: sha256.New(), limits: limits, seen: make(map[string]struct{}),
	}
}

// Next returns the next record, skipping what is unread of the one before. After the last one it returns io.EOF,
// and only then is the collection complete. Other errors are ErrTruncated, ErrCorrupt and *LimitError; they stick.
func (r *Reader) Next() (Record, error) {
	if r.err != nil {
		return Record{}, r.err
	}
	record, err := r.next()
	r.err = err
	return record, err
}

func (r *Reader) next() (Record, error) {
	if r.content.R == nil {
		if err := r.start(); err != nil {
			return Record{}, err
		}
	}
	if err := r.skip(); err != nil {
		return Record{}, err
	}
	tag, err := r.take(1)
	if err != nil {
		return Record{}, err
	}
	switch tag[0] {
	case tagRecord:
		return r.record()
	case tagLimit:
		return Record{}, r.limit()
	case tagEnd:
		return Record{}, r.end()
	}
	return Record{}, fmt.Errorf("%w: tag %#x", ErrCorrupt, tag[0])
}

func (r *Reader) start() error {
	got, err := r.take(len(magic))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, []byte(magic)) {
		return fmt.Errorf("%w: it does not begin with the magic", ErrCorrupt)
	}
	r.content.R = io.TeeReader(r.in, r.sum)
	return nil
}

func (r *Reader) skip() error {
	if _, err := io.Copy(io.Discard, &r.content); err != nil {
		return truncated(err)
	}
	if r.content.N > 0 {
		return ErrTruncated
	}
	return nil
}

func (r *Reader) record() (Record, error) {
	kind, err := r.take(1)
	if err != nil {
		return Record{}, err
	}
	record := Record{Kind: Kind(kind[0])}
	if _, known := kindNames[record.Kind]; !known {
		return Record{}, fmt.Errorf("%w: %s", ErrCorrupt, record.Kind)
	}
	if record.Path, err = r.path(); err != nil {
		return Record{}, err
	}
	size, err := r.number()
	if err != nil {
		return Record{}, err
	}
	if err := r.admit(record, size); err != nil {
		return Record{}, err
	}
	record.Size = size
	r.content.N = size
	record.Content = exactly{&r.content}
	return record, nil
}

func (r *Reader) admit(record Record, size int64) error {
	if err := checkPath(record.Path, r.limits); err != nil {
		return err
	}
	if _, twice := r.seen[record.Path]; twice {
		return fmt.Errorf("%w: path %q twice", ErrCorrupt, record.Path)
	}
	switch {
	case int64(len(r.seen)) >= r.limits.Records:
		return &LimitError{Limit: LimitRecords, Max: r.limits.Records, Path: record.Path}
	case size != 0 && !record.Kind.HasContent():
		return fmt.Errorf("%w: a %s with content", ErrCorrupt, record.Kind)
	case size > r.limits.FileBytes:
		return &LimitError{Limit: LimitFileBytes, Max: r.limits.FileBytes, Path: record.Path}
	case r.bytes+size > r.limits.TotalBytes:
		return &LimitError{Limit: LimitTotalBytes, Max: r.limits.TotalBytes, Path: record.Path}
	}
	r.seen[record.Path] = struct{}{}
	r.bytes += size
	return nil
}

func (r *Reader) limit() error {
	which, err := r.take(1)
	if err != nil {
		return err
	}
	limit := Limit(which[0])
	if _, known := limitTexts[limit]; !known {
		return fmt.Errorf("%w: limit %d", ErrCorrupt, limit)
	}
	value, err := r.number()
	if err != nil {
		return err
	}
	path, err := r.path()
	if err != nil {
		return err
	}
	return &LimitError{Limit: limit, Max: value, Path: path}
}

func (r *Reader) end() error {
	records, err := r.number()
	if err != nil {
		return err
	}
	size, err := r.number()
	if err != nil {
		return err
	}
	if records != int64(len(r.seen)) || size != r.bytes {
		return fmt.Errorf("%w: the trailer counts %d records and %d bytes", ErrCorrupt, records, size)
	}
	want := r.sum.Sum(nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r.in, got); err != nil {
		return truncated(err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%w: checksum", ErrCorrupt)
	}
	// The stream's own end is the container's, for which the engine takes tens of milliseconds. It would say nothing more:
	// the trailer counts and sums up all that came before it.
	if r.in.Buffered() > 0 {
		return fmt.Errorf("%w: bytes after the trailer", ErrCorrupt)
	}
	return io.EOF
}

// truncated never wraps io.EOF: to callers that one means that all is well.
func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return fmt.Errorf("%w: %w", ErrTruncated, err)
}

// take reads n bytes into the hash; n is small.
func (r *Reader) take(n int) ([]byte, error) {
	buffer := make([]byte, n)
	if _, err := io.ReadFull(r.in, buffer); err != nil {
		return nil, truncated(err)
	}
	r.sum.Write(buffer)
	return buffer, nil
}

func (r *Reader) path() (string, error) {
	length, err := r.take(2)
	if err != nil {
		return "", err
	}
	path, err := r.take(int(binary.BigEndian.Uint16(length)))
	return string(path), err
}

func (r *Reader) number() (int64, error) {
	digits, err := r.take(8)
	if err != nil {
		return 0, err
	}
	value := int64(binary.BigEndian.Uint64(digits))
	if value < 0 {
		return 0, fmt.Errorf("%w: number out of range", ErrCorrupt)
	}
	return value, nil
}

// exactly turns an early end of the stream into ErrTruncated, so that content is never silently short.
type exactly struct{ rest *io.LimitedReader }

func (e exactly) Read(p []byte) (int, error) {
	n, err := e.rest.Read(p)
	if errors.Is(err, io.EOF) && e.rest.N > 0 {
		return n, ErrTruncated
	}
	return n, err
}
