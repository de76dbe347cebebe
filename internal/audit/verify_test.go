package audit_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/audit"
)

// book is a log in memory, with what a database stores beside the entries.
type book struct {
	entries []audit.Entry
	hashes  []tlog.Hash
	signed  []audit.Checkpoint
}

func (b *book) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, i := range indexes {
		found = append(found, b.hashes[i])
	}
	return found, nil
}

func newBook(t testing.TB, n int) *book {
	t.Helper()
	b := &book{}
	for i := range n {
		e := audit.Entry{
			Seq: int64(i + 1), At: time.Unix(int64(i), 5_000).UTC(), Actor: audit.System, Action: audit.TaskMoved,
			Task: fmt.Sprintf("task%d", i%3), Environment: "staging", Detail: json.RawMessage(fmt.Sprintf(`{"n":%d,"text":"<b>"}`, i)),
		}
		first, hashes, err := e.Hashes(b)
		if err != nil || first != int64(len(b.hashes)) {
			t.Fatalf("entry %d is stored from %d on, want %d: %v", e.Seq, first, len(b.hashes), err)
		}
		b.entries, b.hashes = append(b.entries, e), append(b.hashes, hashes...)
	}
	return b
}

func (b *book) root(t testing.TB, size int64) tlog.Hash {
	t.Helper()
	root, err := tlog.TreeHash(size, b)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func (b *book) sign(t testing.TB, sizes ...int64) {
	t.Helper()
	for _, size := range sizes {
		b.signed = append(b.signed, audit.Checkpoint{Origin: "log", Size: size, Root: b.root(t, size)})
	}
}

func each[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, x := range list {
			if !yield(x, nil) {
				return
			}
		}
	}
}

func (b *book) verify(t testing.TB) audit.Report {
	t.Helper()
	r, err := audit.Verify(audit.Stored{Entries: each(b.entries), Hashes: each(b.hashes), Checkpoints: b.signed})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestALogAsItWasWrittenHolds(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		b := newBook(t, n)
		b.sign(t, 0, int64(n/2), int64(n))
		r := b.verify(t)
		if len(r.Findings) > 0 || r.Entries != int64(n) || r.Checkpoints != 3 || r.Root != b.root(t, int64(n)) {
			t.Errorf("%d entries: %+v", n, r)
		}
	}
}

// What somebody with the database can do to it, with the triggers out of the way.
func TestThreat54EveryChangeOfTheLogIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 70).Draw(rt, "entries")
		i := rapid.IntRange(0, n-1).Draw(rt, "at")
		b := newBook(t, n)
		b.sign(t, int64(n))
		want := int64(i + 1)
		switch rapid.SampledFrom([]string{"actor", "action", "task", "environment", "detail", "blanks", "time", "removed", "added", "swapped", "cut"}).Draw(rt, "change") {
		case "actor":
			b.entries[i].Actor = "github:1"
		case "action":
			b.entries[i].Action = audit.PushDone
		case "task":
			b.entries[i].Task += "x"
		case "environment":
			b.entries[i].Environment = ""
		case "detail":
			b.entries[i].Detail = json.RawMessage(`{"n":-1}`)
		case "blanks":
			b.entries[i].Detail = append(json.RawMessage(" "), b.entries[i].Detail...)
		case "time":
			b.entries[i].At = b.entries[i].At.Add(time.Microsecond)
		case "removed":
			b.entries = slices.Delete(b.entries, i, i+1)
		case "added":
			extra := b.entries[i]
			b.entries = slices.Insert(b.entries, i, extra)
			b.entries[i].Detail = json.RawMessage(`"added"`)
		case "swapped":
			i, want = 0, 1
			b.entries[0], b.entries[n-1] = b.entries[n-1], b.entries[0]
		case "cut":
			b.entries = b.entries[:i]
		}
		r := b.verify(t)
		if len(r.Findings) == 0 {
			rt.Fatal("nothing was found")
		}
		if got := r.Findings[0]; got.Seq != want {
			rt.Fatalf("the first finding is %q, want entry %d", got, want)
		}
	})
}

// Whoever computes the stored hashes anew, too, meets what was signed.
func TestThreat54ALogThatWasWrittenAnewMeetsItsCheckpoints(t *testing.T) {
	t.Parallel()
	old := newBook(t, 20)
	old.sign(t, 5, 10, 20)
	forged := &book{signed: old.signed}
	for _, e := range old.entries {
		if e.Seq == 7 {
			e.Actor = "github:1"
		}
		_, hashes, err := e.Hashes(forged)
		if err != nil {
			t.Fatal(err)
		}
		forged.entries, forged.hashes = append(forged.entries, e), append(forged.hashes, hashes...)
	}
	r := forged.verify(t)
	if r.Checkpoints != 1 || len(r.Findings) != 2 || !strings.Contains(r.Findings[0].String(), "first 10 entries") {
		t.Errorf("%+v", r)
	}
	forged.entries, forged.hashes = forged.entries[:6], forged.hashes[:tlog.StoredHashCount(6)]
	if r := forged.verify(t); len(r.Findings) != 2 || r.Findings[0].Seq != 7 {
		t.Errorf("cut off: %+v", r)
	}
}

// The stored hashes themselves, at every place.
func TestAChangedHashIsFound(t *testing.T) {
	t.Parallel()
	for i := range newBook(t, 17).hashes {
		b := newBook(t, 17)
		b.hashes[i][3] ^= 1
		if r := b.verify(t); len(r.Findings) != 1 {
			t.Errorf("hash %d: %+v", i, r.Findings)
		}
	}
}

// Somebody without our code checks with the libraries that define the formats.
func TestOthersVerifyCheckpointsAndProofs(t *testing.T) {
	t.Parallel()
	private, err := audit.NewKey("coderflow.example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	key, err := audit.ParseKey(private)
	if err != nil {
		t.Fatal(err)
	}
	b := newBook(t, 33)
	signed, err := key.Sign(33, b.root(t, 33))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("coderflow.example.com/audit\n33\n%s\n", b.root(t, 33)); opened.Text != want {
		t.Errorf("the checkpoint is %q, want %q", opened.Text, want)
	}
	leaf, err := b.entries[11].Leaf()
	if err != nil {
		t.Fatal(err)
	}
	proof, err := tlog.ProveRecord(33, 11, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckRecord(proof, 33, b.root(t, 33), 11, tlog.RecordHash(leaf)); err != nil {
		t.Error(err)
	}
	grown, err := tlog.ProveTree(33, 12, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckTree(grown, 33, b.root(t, 33), 12, b.root(t, 12)); err != nil {
		t.Error(err)
	}
}

func TestCheckpointsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	keys := map[string]audit.Key{}
	for _, name := range []string{"a", "a again", "b"} {
		private, err := audit.NewKey(strings.Fields(name)[0])
		if err != nil {
			t.Fatal(err)
		}
		if keys[name], err = audit.ParseKey(private); err != nil {
			t.Fatal(err)
		}
	}
	good, err := keys["a"].Sign(3, tlog.Hash{1})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := audit.OpenCheckpoint(good, keys["a"].Public()); err != nil || c.Size != 3 || c.Root != (tlog.Hash{1}) {
		t.Errorf("%+v, %v", c, err)
	}
	for _, name := range []string{"a again", "b"} {
		if _, err := audit.OpenCheckpoint(good, keys[name].Public()); err == nil {
			t.Errorf("the key %q opens it", name)
		}
	}
	for _, bad := range []string{"", "a\n3\n", strings.Replace(string(good), "\n3\n", "\n4\n", 1), string(good) + "x", strings.Repeat("x", 1<<20)} {
		if _, err := audit.OpenCheckpoint([]byte(bad), keys["a"].Public()); err == nil {
			t.Errorf("%.40q was taken", bad)
		}
	}
	for _, bad := range []string{"", "PRIVATE+KEY+a+1+x", keys["a"].Public()} {
		if _, err := audit.ParseKey(bad); err == nil || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestALeafIsOneLineAndDoesNotDependOnTheZone(t *testing.T) {
	t.Parallel()
	e := newBook(t, 1).entries[0]
	leaf, err := e.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"number":1,"at":"1970-01-01T00:00:00.000005Z","actor":"coderflow","action":"task.moved","task":"task0","environment":"staging","detail":{"n":0,"text":"<b>"}}`
	e.At = e.At.In(time.FixedZone("x", 3600))
	again, err := e.Leaf()
	if err != nil || string(leaf) != want || string(again) != want {
		t.Errorf("%s\n%s\nwant %s: %v", leaf, again, want, err)
	}
	e.Detail = json.RawMessage("{")
	if _, err := e.Leaf(); err == nil {
		t.Error("what is not JSON has a leaf")
	}
}

func BenchmarkVerifyMillion(b *testing.B) {
	log := newBook(b, 1_000_000)
	for b.Loop() {
		if r := log.verify(b); len(r.Findings) > 0 {
			b.Fatal(r.Findings)
		}
	}
}
