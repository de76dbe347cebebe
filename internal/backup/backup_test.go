package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var header = Header{
	Program: "test", Schema: 3, Database: "sqlite", LeftOut: []Left{{"a", "b"}},
	Tables: []Table{
		{"people", []Column{{"id", Int}, {"name", Text}, {"face", Bytes}}},
		{"empty", []Column{{"id", Int}}},
	},
}

// kept keeps what a file has.
type kept struct {
	rows    map[string][][]any
	keys    []byte
	refs    map[string][]Ref
	packs   map[string]string
	unread  bool // packs are not read
	refuses error
}

func newKept() *kept {
	return &kept{rows: map[string][][]any{}, refs: map[string][]Ref{}, packs: map[string]string{}}
}

func (k *kept) Begin(Header) error { return k.refuses }
func (k *kept) Rows(t Table, rows [][]any) error {
	k.rows[t.Name] = append(k.rows[t.Name], rows...)
	return nil
}
func (k *kept) Keys(sealed []byte) error { k.keys = sealed; return nil }
func (k *kept) Mirror(name string, refs []Ref, pack io.Reader) error {
	k.refs[name] = refs
	if k.unread {
		return nil
	}
	all, err := io.ReadAll(pack)
	k.packs[name] = string(all)
	return err
}

// entry is one of the archive's.
type entry struct {
	head    tar.Header
	content []byte
}

func written(t testing.TB, rows [][]any, pack string) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file, header)
	if err != nil {
		t.Fatal(err)
	}
	for range header.Tables {
		_, err := w.Table(func(table Table, yield func([]any) error) error {
			for _, row := range rows {
				if table.Name != "people" {
					break
				}
				if err := yield(row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Keys([]byte("sealed"), []string{"age1x"}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Mirror("github-1", []Ref{{"refs/coderflow/trees/a/1", strings.Repeat("a", 40)}}, func(to io.Writer) error {
		_, err := io.WriteString(to, pack)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(Log{Entries: 7, Root: "root"}, func(id string) ([]byte, error) { return []byte("signed " + id), nil }); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func entries(t testing.TB, file []byte) (all []entry) {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		content, readErr := io.ReadAll(archive)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		all = append(all, entry{*h, content})
	}
}

func archived(t testing.TB, all []entry) []byte {
	t.Helper()
	var file bytes.Buffer
	zip := gzip.NewWriter(&file)
	archive := tar.NewWriter(zip)
	for _, e := range all {
		e.head.Size = int64(len(e.content))
		if e.head.Typeflag != tar.TypeReg {
			e.head.Size, e.content = 0, nil
		}
		_, err := archive.Write(nil)
		err = errors.Join(err, archive.WriteHeader(&e.head))
		if _, more := archive.Write(e.content); errors.Join(err, more) != nil {
			t.Fatal(err, more)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		row := rapid.Custom(func(r *rapid.T) []any {
			return []any{
				rapid.Int64().Draw(r, "id"),
				rapid.OneOf(rapid.Just[any](nil), rapid.Map(rapid.String(), func(s string) any { return strings.ToValidUTF8(s, "") })).Draw(r, "name"),
				rapid.SliceOf(rapid.Byte()).Draw(r, "face"),
			}
		})
		rows := rapid.SliceOf(row).Draw(r, "rows")
		pack := rapid.String().Draw(r, "pack")
		file := written(t, rows, pack)
		k := newKept()
		end, err := Read(bytes.NewReader(file), k)
		if err != nil {
			r.Fatal(err)
		}
		if len(rows) > 0 && fmt.Sprint(k.rows["people"]) != fmt.Sprint(rows) || k.packs["github-1"] != pack || string(k.keys) != "sealed" {
			r.Errorf("%v %v", k, rows)
		}
		if string(end.Signature) != "signed "+end.ID || end.Manifest.Rows("people") != int64(len(rows)) || end.Manifest.Log.Entries != 7 {
			r.Errorf("%+v", end)
		}
		if _, err := Read(bytes.NewReader(file), &kept{rows: map[string][][]any{}, refs: map[string][]Ref{}, unread: true}); err != nil {
			r.Errorf("a sink that does not want the pack: %v", err)
		}
	})
}

// Rows that take more than a piece.
func TestLongTablesAreWrittenInPieces(t *testing.T) {
	t.Parallel()
	var rows [][]any
	for i := range int64(9) {
		rows = append(rows, []any{i, strings.Repeat("x", chunk/3), []byte{}})
	}
	file := written(t, rows, strings.Repeat("p", 3*chunk))
	n := 0
	for _, e := range entries(t, file) {
		if strings.HasPrefix(e.head.Name, tablesDir) {
			n++
		}
	}
	k := newKept()
	if _, err := Read(bytes.NewReader(file), k); err != nil || n < 4 || !reflect.DeepEqual(k.rows["people"], rows) {
		t.Errorf("%d pieces: %v", n, err)
	}
}

// Every way to say something else than what was written.
func TestAHostileFileIsRefused(t *testing.T) {
	t.Parallel()
	whole := entries(t, written(t, [][]any{{int64(1), "ann", []byte("a")}, {int64(2), "ben", []byte("b")}}, "pack"))
	at := func(name string) int {
		return slices.IndexFunc(whole, func(e entry) bool { return strings.Contains(e.head.Name, name) })
	}
	with := func(name, from, to string) []entry {
		all := slices.Clone(whole)
		i := at(name)
		if !bytes.Contains(all[i].content, []byte(from)) {
			t.Fatalf("%s has no %q: %s", name, from, all[i].content)
		}
		all[i].content = bytes.Replace(slices.Clone(all[i].content), []byte(from), []byte(to), 1)
		return all
	}
	named := func(name, to string, kind byte) []entry {
		all := slices.Clone(whole)
		i := at(name)
		all[i].head.Name, all[i].head.Typeflag = to, kind
		if kind != tar.TypeReg {
			all[i].head.Linkname = "/etc/passwd"
		}
		return all
	}
	again := func(name string) []entry { return slices.Insert(slices.Clone(whole), at(name), whole[at(name)]) }
	without := func(name string) []entry { return slices.Delete(slices.Clone(whole), at(name), at(name)+1) }
	for name, all := range map[string][]entry{
		"a value":              with("people/", "ann", "eve"),
		"a row less":           with("people/", "[2,\"ben\",\"Yg==\"]\n", ""),
		"a row more":           with("people/", "[2,", "[3,\"eve\",\"\"]\n[2,"),
		"a column more":        with("people/", "[2,", "[2,2,"),
		"a text for a number":  with("people/", "[2,", "[\"2\","),
		"a fraction":           with("people/", "[2,", "[2.5,"),
		"a number too large":   with("people/", "[2,", "[9223372036854775808,"),
		"an object":            with("people/", `"ben"`, `{"a":1}`),
		"two rows in a line":   with("people/", "]\n[2", "] [2"),
		"no base64":            with("people/", `"Yg=="`, `"Yh=="`),
		"a long part of rows":  with("people/", "ann", strings.Repeat("a", chunk)),
		"an unfinished row":    with("people/", "\"Yg==\"]\n", "\"Yg==\"]"),
		"a key twice":          with(headerName, `"schema":3`, `"schema":2,"schema":3`),
		"a key of other case":  with(headerName, `"schema":3`, `"Schema":3`),
		"an unknown key":       with(headerName, `"schema":3`, `"schema":3,"more":1`),
		"blanks":               with(headerName, `"schema":3`, `"schema": 3`),
		"a table twice":        with(headerName, `"empty"`, `"people"`),
		"a path as a table":    with(headerName, `"empty"`, `"../up"`),
		"no schema":            with(headerName, `"schema":3`, `"schema":0`),
		"other counts":         with(manifestName, `"rows":2`, `"rows":3`),
		"another hash":         with(manifestName, `"sha256":"`, `"sha256":"0`),
		"a part without a sum": with(manifestName, `"mirrors":[{`, `"mirrors":[],"x":[{`),
		"no end":               without(manifestName),
		"no header":            without(headerName),
		"no keys":              without(keysName),
		"a table's part gone":  without("people/"),
		"a part twice":         again("people/"),
		"the manifest twice":   again(manifestName),
		"keys twice":           again(keysName),
		"a path":               named("people/", "tables/../../etc/passwd", tar.TypeReg),
		"an absolute path":     named("people/", "/etc/passwd", tar.TypeReg),
		"a link":               named("people/", "tables/people/000001", tar.TypeSymlink),
		"a hard link":          named("people/", "tables/people/000001", tar.TypeLink),
		"a device":             named("people/", "tables/people/000001", tar.TypeChar),
		"a mirror's path":      named(refsName, "git/../../x/refs.json", tar.TypeReg),
		"a second piece alone": named("people/", "tables/people/000002", tar.TypeReg),
		"something more":       append(slices.Clone(whole), entry{tar.Header{Typeflag: tar.TypeReg, Name: "more", Mode: 0o600}, []byte("x")}),
	} {
		_, err := Read(bytes.NewReader(archived(t, all)), newKept())
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		// The same by somebody who knows how to hash. What is well formed is for the
		// signature to refuse then.
		_, err = Read(bytes.NewReader(archived(t, summed(all))), newKept())
		wellFormed := []string{
			"a value", "a row less", "a row more", "no keys", "a table's part gone", "other counts", "another hash", "a part without a sum",
		}
		if slices.Contains(wellFormed, name) != (err == nil) {
			t.Errorf("%s, hashed anew: %v", name, err)
		}
	}
	if _, err := Read(bytes.NewReader(archived(t, whole)), newKept()); err != nil {
		t.Errorf("unchanged: %v", err)
	}
	newer := (*NewerError)(nil)
	if _, err := Read(bytes.NewReader(archived(t, with(headerName, `"format":1`, `"format":2,"new":{}`))), newKept()); !errors.As(err, &newer) || newer.Found != 2 {
		t.Errorf("a later format: %v", err)
	}
	refused := errors.New("refused")
	if _, err := Read(bytes.NewReader(archived(t, whole)), &kept{refuses: refused}); !errors.Is(err, refused) {
		t.Errorf("a sink that refuses: %v", err)
	}
}

// summed hashes the parts anew, as well as the manifest can be made of them.
func summed(all []entry) []entry {
	all = slices.Clone(all)
	people, sum := []byte{}, Manifest{Tables: []Sum{{Name: "people"}, {Name: "empty", SHA256: digest(nil)}}, Mirrors: []Sum{}}
	for i, e := range all {
		switch {
		case e.head.Name == headerName:
			sum.Header = digest(e.content)
		case strings.HasPrefix(e.head.Name, "tables/people/"):
			people = append(people, e.content...)
		case e.head.Name == keysName:
			sum.Keys = &Keys{Sum: Sum{Name: keysName, Rows: 1, Bytes: int64(len(e.content)), SHA256: digest(e.content)}, Recipients: []string{"age1x"}}
		case strings.HasSuffix(e.head.Name, refsName):
			sum.Mirrors = []Sum{{"github-1", 1, 4, digest(append(slices.Clone(e.content), "pack"...))}}
		case e.head.Name == manifestName:
			sum.Tables[0].Rows, sum.Tables[0].Bytes, sum.Tables[0].SHA256 = int64(bytes.Count(people, []byte("\n"))), int64(len(people)), digest(people)
			sum.Log = Log{Entries: 7, Root: "root"}
			all[i].content, _ = encode(sum)
		}
	}
	return all
}

// A file may say that a part is as long as it likes.
func TestASizeThatIsNotThereTakesNoMemory(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	zip := gzip.NewWriter(&file)
	archive := tar.NewWriter(zip)
	err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: headerName, Size: maxEntry + 1, Mode: 0o600})
	if err := errors.Join(err, zip.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(&file, newKept()); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(written(f, [][]any{{int64(1), "ann", []byte("a")}}, "pack"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, err := Read(bytes.NewReader(file), newKept()); err != nil && !errors.Is(err, ErrDamaged) && !errors.As(err, new(*NewerError)) {
			t.Errorf("%v", err)
		}
	})
}
