package store_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/backup"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// The restored data directory is another node. A task that stayed on the former one
// would wait for it for ever, a task that has ended too: deployments are asked for there.
func TestARestoredTaskIsOnNoNode(t *testing.T) {
	t.Parallel()
	from := storetest.SQLite(t)
	var before []task.Task
	for _, state := range []task.State{task.Proposed, task.Landing, task.Done} {
		v := newTask()
		v.Run = task.Run{Node: "former", Image: "sha256:1"}
		before = append(before, storetest.TaskIn(t, from, v, state))
	}
	file, now := saved(t, from, nil), time.Now().UTC()
	for name, empty := range empties {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			into := opened(t, empty(t))
			err := into.Load(t.Context(), func(l *store.Loader) error {
				_, err := backup.Read(bytes.NewReader(file), sink{t, l})
				return err
			}, func(l *store.Loaded) error {
				_, err := l.Settle(t.Context(), now.Add(-time.Hour), now)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, was := range before {
				is, err := into.Task(t.Context(), was.ID)
				if err != nil || is.Run.Node != "" || is.Run.Image != was.Run.Image || is.State != was.State || !is.UpdatedAt.Equal(was.UpdatedAt) {
					t.Errorf("%+v, was %+v: %v", is, was, err)
				}
			}
		})
	}
}
