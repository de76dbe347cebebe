package guestproto

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

type sent struct {
	path    string
	kind    Kind
	content string
}

func encode(t testing.TB, limits Limits, records ...sent) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, limits)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.Write(r.path, r.kind, int64(len(r.content)), strings.NewReader(r.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func decode(stream []byte, limits Limits) ([]sent, error) {
	r := NewReader(bytes.NewReader(stream), limits)
	var all []sent
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		content, err := io.ReadAll(record.Content)
		if err != nil {
			return all, err
		}
		all = append(all, sent{record.Path, record.Kind, string(content)})
	}
}

var sample = []sent{
	{"a", KindFile, "content"}, {"b/c", KindExecutable, ""}, {"b/\xff\n", KindSymlink, "../a"},
	{"gone", KindDeleted, ""}, {"x/.git", KindNestedGit, ""}, {"pipe", KindFIFO, ""},
}

func TestACollectionComesThroughWhole(t *testing.T) {
	t.Parallel()
	got, err := decode(encode(t, DefaultLimits(), sample...), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(sample) {
		t.Fatalf("got %v", got)
	}
	for i := range sample {
		if got[i] != sample[i] {
			t.Errorf("record %d: %v, want %v", i, got[i], sample[i])
		}
	}
}

func TestUnreadContentIsSkippedAndStillChecked(t *testing.T) {
	t.Parallel()
	stream := encode(t, DefaultLimits(), sample...)
	r := NewReader(bytes.NewReader(stream), DefaultLimits())
	count := 0
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != len(sample) {
		t.Errorf("%d records", count)
	}
	stream[bytes.Index(stream, []byte("content"))] = 'C'
	if _, err := decode(stream, DefaultLimits()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("with a changed byte: %v", err)
	}
}

func TestEveryCutOfACollectionIsSeen(t *testing.T) {
	t.Parallel()
	stream := encode(t, DefaultLimits(), sample...)
	for n := range stream {
		if _, err := decode(stream[:n], DefaultLimits()); !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	if _, err := decode(append(stream, 'x'), DefaultLimits()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("with more after the end: %v", err)
	}
}

func TestTheReaderEnforcesTheLimitsAgain(t *testing.T) {
	t.Parallel()
	wide := DefaultLimits()
	stream := encode(t, wide, sent{"a/b/c", KindFile, "12345"}, sent{"d", KindFile, "12345"})
	for limit, narrow := range map[Limit]func(*Limits){
		LimitRecords:    func(l *Limits) { l.Records = 1 },
		LimitFileBytes:  func(l *Limits) { l.FileBytes = 4 },
		LimitTotalBytes: func(l *Limits) { l.TotalBytes = 9 },
		LimitPathBytes:  func(l *Limits) { l.PathBytes = 4 },
		LimitDepth:      func(l *Limits) { l.Depth = 1 },
	} {
		limits := wide
		narrow(&limits)
		_, err := decode(stream, limits)
		var got *LimitError
		if !errors.As(err, &got) || got.Limit != limit {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

func TestALimitThatStopsTheWalkReachesTheHost(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w, err := NewWriter(&out, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Fail(&LimitError{Limit: LimitEntries, Max: 7, Path: "dir"}); err != nil {
		t.Fatal(err)
	}
	_, err = decode(out.Bytes(), DefaultLimits())
	if err == nil || err.Error() != `the workspace holds more than 7 files and directories (at "dir")` {
		t.Errorf("%v", err)
	}
}

func TestPathsThatNoDirectoryHasAreRefused(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/a", "a/", "a//b", ".", "..", "a/../b", "a\x00b", ".git", ".git/config"} {
		// A writer that does not check.
		var out bytes.Buffer
		w, err := NewWriter(&out, DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		head := []byte{tagRecord, byte(KindFile), 0, byte(len(path))}
		head = append(head, path...)
		if _, err := w.out.Write(append(head, make([]byte, 8)...)); err != nil {
			t.Fatal(err)
		}
		w.records++
		if err := w.End(); err != nil {
			t.Fatal(err)
		}
		if _, err := decode(out.Bytes(), DefaultLimits()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%q: %v", path, err)
		}
	}
	twice := encode(t, DefaultLimits(), sent{"a", KindFile, ""}, sent{"a", KindFile, ""})
	if _, err := decode(twice, DefaultLimits()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a path twice: %v", err)
	}
}

// FuzzReader: whatever comes out of a container, the reader ends, stays within its limits, and calls nothing
// complete that is not.
func FuzzReader(f *testing.F) {
	limits := Limits{Entries: 10, Records: 4, FileBytes: 64, TotalBytes: 128, PathBytes: 32, Depth: 4}
	stream := encode(f, limits, sent{"a", KindFile, "content"}, sent{"b/c", KindSymlink, "../a"})
	f.Add(stream)
	f.Add(stream[:len(stream)-40])
	f.Add([]byte(magic + "L\x01\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00"))
	f.Add([]byte(magic + "R\x01\x00\x01a\x7f\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		records, err := decode(stream, limits)
		total := 0
		for _, r := range records {
			total += len(r.content)
			if r.path == "" || len(r.path) > limits.PathBytes || strings.HasPrefix(r.path, ".git/") {
				t.Errorf("path %q", r.path)
			}
		}
		if int64(len(records)) > limits.Records || int64(total) > limits.TotalBytes {
			t.Errorf("%d records of %d bytes", len(records), total)
		}
		if err == nil && !bytes.Equal(encode(t, limits, records...), stream) {
			t.Error("complete, and not what a writer writes")
		}
	})
}
