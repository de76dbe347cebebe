package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"
)

// A container that writes one byte a line costs the engine's log dozens of times as much as it wrote, so that the
// cut comes at a number of lines too.
const bytesPerLine = 16

// output copies what the phases write into the container's standard output, up to a cap. After that it goes on
// reading, so that what runs is not held up, and keeps nothing.
type output struct {
	pipe      *os.File // the writing end, for the phases
	reader    *os.File
	to        io.Writer
	left      int64 // bytes
	lines     int64 // left
	cap       int64
	written   int64
	truncated bool
	done      chan struct{}
}

func newOutput(to io.Writer, limit int64) (*output, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("opening the output: %w", err)
	}
	o := &output{
		pipe: writer, reader: reader, to: to, cap: limit, left: limit, lines: limit/bytesPerLine + 1,
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
	if o.truncated {
		return
	}
	lines := int64(bytes.Count(chunk, []byte{'\n'}))
	if int64(len(chunk)) <= o.left && lines <= o.lines {
		o.left -= int64(len(chunk))
		o.lines -= lines
		_, _ = o.to.Write(chunk)
		return
	}
	o.truncated = true
	if lines <= o.lines {
		_, _ = o.to.Write(chunk[:o.left])
	}
	fmt.Fprintf(o.to, "\n[coderflow: the output was cut here, at %d bytes]\n", o.cap)
}

// finish waits until everything is copied and says how much there was. All writers are dead by now; a second is
// for what still lies in the pipe.
func (o *output) finish() (written int64, truncated bool) {
	_ = o.pipe.Close()
	_ = o.reader.SetReadDeadline(time.Now().Add(5 * time.Second))
	<-o.done
	return o.written, o.truncated
}
