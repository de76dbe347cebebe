package guestproto

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Modes of tree entries, as git writes them.
const (
	ModeFile       = 0o100644
	ModeExecutable = 0o100755
	ModeSymlink    = 0o120000
	ModeGitlink    = 0o160000
)

// Entry is one path of the base tree.
type Entry struct {
	Path string // raw bytes, relative, '/' between names
	Mode uint32
	Hash []byte // SHA-1 (20 bytes) or SHA-256 (32 bytes) object id
	Size int64  // bytes of the blob; -1 for a gitlink
}

// ErrManifest says that a base manifest is not what `git ls-tree` prints.
var ErrManifest = errors.New("bad base manifest")

// ReadManifest calls each for every entry of a base manifest, which is the output of
//
//	git ls-tree -r -z -l --full-tree COMMIT
func ReadManifest(r io.Reader, each func(Entry) error) error {
	input := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := input.ReadSlice(0)
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: the last entry is cut: %w", ErrManifest, err)
		}
		entry, err := parseEntry(line[:len(line)-1])
		if err != nil {
			return err
		}
		if err := each(entry); err != nil {
			return err
		}
	}
}

func parseEntry(line []byte) (Entry, error) {
	meta, path, ok := bytes.Cut(line, []byte{'\t'})
	fields := bytes.Fields(meta)
	if !ok || len(path) == 0 || len(fields) != 4 {
		return Entry{}, fmt.Errorf("%w: entry %q", ErrManifest, line)
	}
	mode, err := strconv.ParseUint(string(fields[0]), 8, 32)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: mode of %q", ErrManifest, path)
	}
	hash, err := hex.DecodeString(string(fields[2]))
	if err != nil || len(hash) != 20 && len(hash) != 32 {
		return Entry{}, fmt.Errorf("%w: object id of %q", ErrManifest, path)
	}
	size := int64(-1)
	if mode != ModeGitlink {
		if size, err = strconv.ParseInt(string(fields[3]), 10, 64); err != nil || size < 0 {
			return Entry{}, fmt.Errorf("%w: size of %q", ErrManifest, path)
		}
	}
	return Entry{Path: string(path), Mode: uint32(mode), Hash: hash, Size: size}, nil
}
