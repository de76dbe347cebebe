package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// filled returns a T in which no field, however deep, is zero: a field that the
// store forgets comes back as zero and is noticed.
func filled[T any]() T {
	var v T
	n := 0
	fill(reflect.ValueOf(&v).Elem(), &n)
	return v
}

func fill(v reflect.Value, n *int) {
	*n++
	switch value := v.Addr().Interface().(type) {
	case *forge.Subject:
		*value = forge.Subject{Host: forge.GitHub, ID: fmt.Sprint(*n)}
		return
	case *time.Time:
		*value = time.Date(2026, 2, 3, 4, 5, 6, *n*1000, time.UTC)
		return
	case *json.RawMessage:
		*value = json.RawMessage(`{"a":"'"}`)
		return
	case *[]policy.Reason: // which contains itself
		*value = []policy.Reason{policy.Yes("it's so", policy.No("or not"))}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("it's %d \\ \"ü\" ?0", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(*n % 256))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(value, n)
		v.SetMapIndex(key, value)
	default:
		panic("the store's test does not know how to fill a " + v.Type().String())
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	g, _ := json.MarshalIndent(got, "", " ") // only to show it
	w, _ := json.MarshalIndent(want, "", " ")
	t.Errorf("%s came back as\n%s\nwant\n%s", what, g, w)
}

func TestWhatIsStoredComesBackWithEveryField(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		want := filled[task.Task]()
		want.State, want.Epoch = task.Queued, 0
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.InsertTask(ctx, want)
			return err
		})
		inserted, err := s.Task(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		want.UpdatedAt = inserted.UpdatedAt // the store's own
		same(t, "the task", inserted, want)

		delivery := filled[forge.Delivery]()
		proposal := filled[task.Proposal]()
		proposal.Task, proposal.Digest = want.ID, ""
		proposal.Digest = proposal.ComputeDigest()
		record := filled[approval.Record]()
		record.Task, record.Revision = want.ID, proposal.Revision
		record.Replay, record.Examined = nil, nil // the audit log keeps them
		run := filled[deploy.Run]()
		run.TriedAt = time.Time{} // kept of a pending run only, where others have StartedAt: see turns_test.go
		run.Task, run.ApprovalID, run.State = want.ID, record.ID, deploy.Running
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			if _, err := insertDelivery(ctx, tx, delivery); err != nil {
				return err
			}
			if err := tx.InsertProposal(ctx, proposal); err != nil {
				return err
			}
			if _, err := tx.InsertApproval(ctx, record); err != nil {
				return err
			}
			_, err := tx.InsertRun(ctx, run)
			return err
		})
		gotDelivery, err := s.Delivery(t.Context(), delivery.ID)
		same(t, "the delivery", result(t, gotDelivery, err), delivery)
		gotProposal, err := s.Proposal(t.Context(), want.ID)
		same(t, "the proposal", result(t, gotProposal, err), proposal)
		gotRecord, err := s.Approval(t.Context(), record.ID)
		same(t, "the approval", result(t, gotRecord, err), record)
		gotRuns, err := s.DeployRuns(t.Context(), want.ID)
		same(t, "the run", result(t, gotRuns, err), []deploy.Run{run})
	})
}

func result[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSaveTaskWritesWhatAStepMayChangeAndNothingElse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first := newTask()
		first.CreatedAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		first = insertTask(t, s, first)
		saved := filled[task.Task]()
		saved.ID, saved.State, saved.Epoch = first.ID, task.Preparing, first.Epoch
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.SaveTask(ctx, &saved) })

		want := saved
		want.Environment, want.Repository, want.Issue, want.Requester = first.Environment, first.Repository, first.Issue, first.Requester
		want.TriggerKey, want.TriggerURL, want.Snapshot = first.TriggerKey, first.TriggerURL, first.Snapshot
		want.PolicyVersion, want.CreatedAt = first.PolicyVersion, first.CreatedAt
		want.Group, want.Variant, want.Place, want.Places = first.Group, first.Variant, first.Place, first.Places
		got, err := s.Task(t.Context(), first.ID)
		same(t, "the saved task", result(t, got, err), want)
	})
}

// The digest covers bytes that need not be UTF-8; a store that replaces one of
// them would void every approval.
func TestAProposalOfAnyBytesComesBackWithItsDigest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		id := insertTask(t, s, newTask()).ID
		revision := 0
		rapid.Check(t, func(r *rapid.T) {
			raw := func(name string) string { return string(rapid.SliceOf(rapid.Byte()).Draw(r, name)) }
			revision++
			p := newProposal(id, revision)
			p.BaseBranch, p.Message, p.Diff = raw("branch"), raw("message"), []byte(raw("diff"))
			for range rapid.IntRange(0, 3).Draw(r, "paths") {
				p.Manifest = append(p.Manifest, task.PathChange{Path: raw("path"), Kind: task.Added, NewMode: "100644"})
				p.Risks = append(p.Risks, task.Risk{Name: "bidi", Path: raw("risky path")})
			}
			p.Digest = p.ComputeDigest()
			ctx := context.Background()
			if err := s.InTx(ctx, func(tx *store.Tx) error { return tx.InsertProposal(ctx, p) }); err != nil {
				r.Fatal(err)
			}
			got, err := s.Proposal(ctx, id)
			if err != nil {
				r.Fatal(err)
			}
			if err := got.Verify(); err != nil {
				r.Fatalf("%v", err)
			}
			if len(got.Risks) != len(p.Risks) || (len(p.Risks) > 0 && got.Risks[0].Path != p.Risks[0].Path) {
				r.Fatalf("the risks came back as %v", got.Risks)
			}
		})
	})
}

func TestADiffOfManyMegabytesIsStored(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		id := insertTask(t, s, newTask()).ID
		p := newProposal(id, 1)
		p.Diff = bytes.Repeat([]byte("+\x00\xff'\\?0\n"), 1<<20) // 8 MiB
		p.Digest = p.ComputeDigest()
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error { return tx.InsertProposal(ctx, p) })
		got, err := s.Proposal(t.Context(), id)
		if err := result(t, got, err).Verify(); err != nil {
			t.Error(err)
		}
	})
}

// Text from a forge may hold what a database refuses; that must neither fail the
// task nor end the SQL literal it stands in.
func TestHostileTextIsStored(t *testing.T) {
	t.Parallel()
	hostile := "a\x00b \xff'; DROP TABLE tasks; -- \\' ?0 ?::x $1 \u202e"
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v := newTask()
		v.Snapshot.Title, v.Snapshot.Body = "x\x00'", hostile
		v.Requester.Login, v.TriggerURL, v.Environment = hostile, hostile, hostile
		v = insertTask(t, s, v)
		v.Failure = hostile
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			if err := tx.SaveTask(ctx, &v); err != nil {
				return err
			}
			_, err := insertDelivery(ctx, tx, forge.Delivery{ID: hostile, Event: hostile, Headers: map[string]string{hostile: hostile}})
			return err
		})
		got, err := s.Task(t.Context(), v.ID)
		want := "a\ufffdb \ufffd'; DROP TABLE tasks; -- \\' ?0 ?::x $1 \u202e"
		if result(t, got, err); got.Failure != want || got.Environment != want {
			t.Errorf("came back as %q", got.Failure)
		}
		if got.Snapshot.Title != "x\x00'" { // JSON can say NUL
			t.Errorf("the title came back as %q", got.Snapshot.Title)
		}
		if _, err := s.Delivery(t.Context(), hostile); err != nil {
			t.Error(err)
		}
	})
}

func TestAValueThatWouldNotReadBackIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v := newTask()
		v.Requester.Subject.ID = "not a number"
		err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.InsertTask(ctx, v)
			return err
		})
		if err == nil {
			t.Error("it was stored, and no list of tasks can be read any more")
		}
	})
}
