package gitops

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// blobWriter stores many blobs in a quarantine through one git fast-import,
// which takes bytes as they are: no filter, no conversion, no file name.
// The pipe is the system's, not io.Pipe: os/exec would wait for a copy from the
// latter for ever, also after the deadline has killed git.
type blobWriter struct {
	q     *quarantine
	pipe  *os.File
	buf   *bufio.Writer
	done  chan error
	marks int
}

func (q *quarantine) newBlobWriter(ctx context.Context) (*blobWriter, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("store blobs: %w", err)
	}
	w := &blobWriter{q: q, pipe: write, buf: bufio.NewWriterSize(write, 64<<10), done: make(chan error, 1)}
	go func() {
		_, err := q.run(ctx, invocation{
			args: []string{"fast-import", "--quiet", "--done", "--export-marks=" + q.file("marks")}, stdin: read,
			config: []string{"fastimport.unpackLimit=0"},
		})
		read.Close() // frees a writer that waits
		w.done <- err
	}()
	return w, nil
}

// errContentSize is content that is not as long as was announced.
var errContentSize = errors.New("the content is not as long as announced")

// write stores size bytes of content and returns the blob's number.
func (w *blobWriter) write(content io.Reader, size int64) (int, error) {
	w.marks++
	fmt.Fprintf(w.buf, "blob\nmark :%d\ndata %d\n", w.marks, size)
	if size > 0 {
		if _, err := io.CopyN(w.buf, content, size); err != nil {
			if errors.Is(err, io.EOF) {
				err = errContentSize
			}
			return 0, fmt.Errorf("store a blob: %w", err)
		}
	}
	if content != nil {
		var one [1]byte
		if n, err := io.ReadFull(content, one[:]); n > 0 {
			return 0, fmt.Errorf("store a blob: %w", errContentSize)
		} else if !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read content: %w", err)
		}
	}
	if err := w.buf.WriteByte('\n'); err != nil {
		return 0, fmt.Errorf("store a blob: %w", err)
	}
	return w.marks, nil
}

// abort ends fast-import without keeping anything. It returns why it had ended
// already, if cause is that it no longer read.
func (w *blobWriter) abort(cause error) error {
	w.pipe.Close() // without "done", which fast-import wants to see
	err := <-w.done
	if errors.Is(cause, syscall.EPIPE) {
		return errors.Join(err, cause)
	}
	return cause
}

// finish returns the ids of the blobs: that of number n at index n.
func (w *blobWriter) finish() ([]string, error) {
	_, written := w.buf.WriteString("done\n")
	flushed := w.buf.Flush()
	w.pipe.Close()
	if err := <-w.done; err != nil {
		return nil, fmt.Errorf("store the blobs: %w", err)
	}
	if err := errors.Join(written, flushed); err != nil {
		return nil, fmt.Errorf("store the blobs: %w", err)
	}
	return w.readMarks()
}

func (w *blobWriter) readMarks() ([]string, error) {
	ids := make([]string, w.marks+1)
	marks, err := os.ReadFile(w.q.file("marks"))
	if err != nil {
		return nil, fmt.Errorf("store the blobs: %w", err)
	}
	for line := range bytes.Lines(marks) {
		mark, id, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		n, err := strconv.Atoi(strings.TrimPrefix(mark, ":"))
		if err != nil || n < 1 || n > w.marks {
			return nil, fmt.Errorf("git fast-import wrote the mark %.100q", line)
		}
		if err := checkID("stored blob", id); err != nil {
			return nil, err
		}
		ids[n] = id
	}
	for n := 1; n <= w.marks; n++ {
		if ids[n] == "" {
			return nil, fmt.Errorf("git fast-import did not store blob %d", n)
		}
	}
	return ids, nil
}
