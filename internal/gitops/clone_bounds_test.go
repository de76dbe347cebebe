package gitops

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A small object may be stored as a difference to a huge one, which git would have to
// hold as a whole.
func TestThreat54AnObjectBehindAHugeOneIsRefused(t *testing.T) {
	t.Parallel()
	w := newWork(t)
	const huge = 201 << 20
	// gitformat-pack(5): a blob, and a difference that copies its first byte.
	pack := bytes.NewBuffer(packHeader(2))
	deflated := func(head []byte, content io.Reader) int {
		begin := pack.Len()
		pack.Write(head)
		z, err := zlib.NewWriterLevel(pack, zlib.BestSpeed)
		if err == nil {
			_, err = io.Copy(z, content)
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return begin
	}
	size := func(n int) (b []byte) {
		for ; n > 0x7f; n >>= 7 {
			b = append(b, byte(n)|0x80)
		}
		return append(b, byte(n))
	}
	base := deflated(append([]byte{3<<4 | 0x80 | huge&15}, size(huge>>4)...), io.LimitReader(zeros{}, huge))
	delta := append(append(size(huge), 1), 0x90, 1) // the base's size, the result's, copy one byte from its beginning
	back := pack.Len() - base
	offset := []byte{byte(back & 0x7f)}
	for back >>= 7; back > 0; back >>= 7 {
		back--
		offset = append([]byte{0x80 | byte(back&0x7f)}, offset...)
	}
	deflated(append([]byte{6<<4 | byte(len(delta))}, offset...), bytes.NewReader(delta))
	sum := sha1.Sum(pack.Bytes())
	pack.Write(sum[:])
	path := filepath.Join(w.dir, ".git/objects/pack/pack-huge.pack")
	if err := os.WriteFile(path, pack.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	w.git("index-pack", path)
	c, err := OpenClone(t.Context(), w.dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.objects.readAs("blob", hashObject("blob", []byte{0}), maxBlobBytes)
	if err == nil {
		t.Error("git held a blob of 201 MiB to give one byte")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// Not parallel: it sets the search path.
func TestACloneIsReadOnlyByAGitThatIsNewEnough(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte("#!/bin/sh\necho git version 2.34.1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	w := newWork(t)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	c, err := OpenClone(t.Context(), w.dir)
	if err == nil {
		_ = c.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "git 2.34 is too old") {
		t.Errorf("%v", err)
	}
}
