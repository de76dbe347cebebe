package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// Each piece costs the engine's log some 50 bytes more than its text, so that the cut comes at a number of pieces
// too: one for every so many bytes of the cap.
const bytesPerPiece = 16

// output copies what the phases write into the container's standard output, up to a cap. After that it goes on
// reading, so that what runs is not held up, and keeps nothing.
type output struct {
	pipe      *os.File // the writing end, for the phases
	reader    *os.File
	to        io.Writer
	left      int64 // bytes
	pieces    int64 // left
	cap       int64
	written   int64
	truncated bool
	encoded   []byte // reused
	done      chan struct{}
}

func newOutput(to io.Writer, limit int64) (*output, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("opening the output: %w", err)
	}
	o := &output{
		pipe: writer, reader: reader, to: to, cap: limit, left: limit, pieces: limit/bytesPerPiece + 1,
		done: make(chan struct{}),
	}
	go o.copy()
	return o, nil
}

func (o *output) copy() {
	defer close(o.done)
	buffer := make([]byte, 64<<10)
	for {
		n, err := o.reader.Read(buffer)
		o.pass(buffer[:n])
		if err != nil {
			return
		}
	}
}

func (o *output) pass(chunk []byte) {
	o.written += int64(len(chunk))
	if o.truncated || len(chunk) == 0 {
		return
	}
	kept := chunk[:min(int64(len(chunk)), o.left)]
	encoded, pieces := guestproto.AppendPieces(o.encoded[:0], kept)
	o.encoded = encoded
	if int64(pieces) > o.pieces {
		kept, encoded = nil, nil
	}
	o.left -= int64(len(kept))
	o.pieces -= int64(pieces)
	_, _ = o.to.Write(encoded)
	if len(kept) < len(chunk) {
		o.truncated = true
		mark, _ := guestproto.AppendPieces(nil, fmt.Appendf(nil,
			"\n[coderflow: the output was cut here, at %d bytes]\n", o.cap))
		_, _ = o.to.Write(mark)
	}
}

// finish waits until everything is copied and says how much there was. All writers are dead by now; a second is
// for what still lies in the pipe.
func (o *output) finish() (written int64, truncated bool) {
	_ = o.pipe.Close()
	_ = o.reader.SetReadDeadline(time.Now().Add(5 * time.Second))
	<-o.done
	return o.written, o.truncated
}
