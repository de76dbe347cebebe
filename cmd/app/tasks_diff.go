package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/task"
)

type tasksDiffCmd struct {
	taskFlags
	Stat     bool `help:"Print only which files change, and by how many lines."`
	Revision int  `help:"Of this revision, instead of the one that is up." placeholder:"N"`
	Against  int  `help:"What it changes of this revision's result, instead of its base." placeholder:"N"`
}

// Help implements kong.HelpProvider.
func (tasksDiffCmd) Help() string {
	return `Into a file or a pipe go the exact bytes that an approval is bound to. On a terminal what it would act on is
shown as escapes instead: an agent wrote them.

Examples:

  coderflow tasks diff zzp6hr35kqtq
  coderflow tasks diff zzp6hr35kqtq --stat
  coderflow tasks diff zzp6hr35kqtq --revision 3 --against 2
  coderflow tasks diff zzp6hr35kqtq > proposal.diff`
}

// Run prints the diff of a task's proposal.
func (c tasksDiffCmd) Run(ctx context.Context, s streams) error {
	if c.Revision < 0 || c.Against < 0 {
		return errors.New("--revision and --against take the number of a revision, from 1")
	}
	d, err := askTask(ctx, c.whereFlags, s, c.Task,
		func(l local, t task.Task) (client.Diff, error) { return l.diff(ctx, t, c.Revision, c.Against) },
		func(server *client.Client) (client.Diff, error) {
			return server.Diff(ctx, c.Task, c.Revision, c.Against)
		})
	switch {
	case err != nil:
		return err
	case c.Stat:
		return diffStat(s, d.Bytes)
	case isTerminal(s.out):
		_, err = io.WriteString(s.out, visible(string(d.Bytes)))
	default:
		_, err = s.out.Write(d.Bytes)
	}
	return err
}

// diffStat counts the lines of each file.
func diffStat(s streams, diff []byte) error {
	files, _, err := gitdiff.Parse(bytes.NewReader(diff))
	if err != nil {
		return fmt.Errorf("count the lines of the diff: %w", err)
	}
	var added, deleted int64
	return outputFlag{}.print(s, nil, func(t *table) {
		for _, f := range files {
			var plus, minus int64
			for _, fragment := range f.TextFragments {
				plus, minus = plus+fragment.LinesAdded, minus+fragment.LinesDeleted
			}
			counts := fmt.Sprintf("+%d -%d", plus, minus)
			if f.IsBinary {
				counts = "binary"
			}
			t.row(fileChange(f), counts)
			added, deleted = added+plus, deleted+minus
		}
		t.line("%d files change, %d lines added, %d removed", len(files), added, deleted)
	})
}

func fileChange(f *gitdiff.File) string {
	switch {
	case f.IsNew:
		return "A " + f.NewName
	case f.IsDelete:
		return "D " + f.OldName
	case f.IsRename:
		return "R " + f.OldName + " → " + f.NewName
	}
	return "M " + f.NewName
}
