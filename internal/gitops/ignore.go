package gitops

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"
)

// ignorer answers whether the base tree's .gitignore files ignore a new path.
//
// git itself answers, through one check-ignore that is asked path by path. It
// looks at a work tree, so it gets an empty directory that is none of the
// agent's, and an index that holds the base's .gitignore files and nothing
// else, marked skip-worktree: git then reads them from the index, as in a
// sparse checkout. What the agent wrote is nowhere in sight.
type ignorer struct {
	start              func() error // the process is started for the first question
	rules              bool         // the base has .gitignore files; else nothing is ignored
	questions, answers *os.File
	read               *bufio.Reader
	done               chan error
}

func (q *quarantine) newIgnorer(ctx context.Context, base []BaseEntry) *ignorer {
	var entries, paths bytes.Buffer
	for _, e := range base {
		// git does not follow a .gitignore that is a link (gitignore(5)).
		if path.Base(e.Path) == ".gitignore" && (e.Mode == modeRegular || e.Mode == modeExecutable) {
			fmt.Fprintf(&entries, "%s %s\t%s\x00", e.Mode, e.Blob, e.Path)
			paths.WriteString(e.Path + "\x00")
		}
	}
	i := &ignorer{rules: paths.Len() > 0, done: make(chan error, 1)}
	i.start = sync.OnceValue(func() error { return q.startIgnorer(ctx, i, &entries, &paths) })
	return i
}

// startIgnorer talks to git through the system's pipes; see blobWriter.
func (q *quarantine) startIgnorer(ctx context.Context, i *ignorer, entries, paths io.Reader) error {
	env := []string{"GIT_INDEX_FILE=" + q.file("ignore.index"), "GIT_WORK_TREE=" + q.g.place(emptyDir)}
	config := []string{"core.bare=false"}
	for _, step := range []invocation{
		{args: []string{"update-index", "-z", "--index-info"}, stdin: entries},
		{args: []string{"update-index", "-z", "--skip-worktree", "--stdin"}, stdin: paths},
	} {
		step.env, step.config = env, config
		if _, err := q.run(ctx, step); err != nil {
			return fmt.Errorf("read the ignore rules of the base: %w", err)
		}
	}
	questionsRead, questions, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("ask for ignore rules: %w", err)
	}
	answers, answersWrite, err := os.Pipe()
	if err != nil {
		questionsRead.Close()
		questions.Close()
		return fmt.Errorf("ask for ignore rules: %w", err)
	}
	i.questions, i.answers, i.read = questions, answers, bufio.NewReader(answers)
	go func() {
		_, err := q.run(ctx, invocation{
			args:  []string{"check-ignore", "--verbose", "--non-matching", "-z", "--stdin"},
			stdin: questionsRead, stdout: answersWrite, config: config,
			env: append(env, "GIT_LITERAL_PATHSPECS=0"), // it refuses to run with them
		})
		questionsRead.Close()
		answersWrite.Close()
		i.done <- err
	}()
	return nil
}

// ignores reports whether a file that the base does not have is left out. The
// path has passed structureProblem.
func (i *ignorer) ignores(file string) (bool, error) {
	if !i.rules {
		return false, nil
	}
	if err := i.start(); err != nil {
		return false, err
	}
	question := "./" + file // so that a leading ':' is no pathspec magic
	if _, err := io.WriteString(i.questions, question+"\x00"); err != nil {
		return false, fmt.Errorf("ask for ignore rules: %w", err)
	}
	var fields [4]string // source, line, pattern, path
	for n := range fields {
		field, err := i.read.ReadString(0)
		if err != nil {
			return false, fmt.Errorf("ask for ignore rules: %w", err)
		}
		fields[n] = strings.TrimSuffix(field, "\x00")
	}
	if fields[3] != question {
		return false, fmt.Errorf("git check-ignore answers for %.200q, not %.200q", fields[3], file)
	}
	return fields[2] != "" && !strings.HasPrefix(fields[2], "!"), nil
}

// close ends the process, if there is one. It is called once.
func (i *ignorer) close() error {
	if i.questions == nil {
		return nil
	}
	i.questions.Close()
	err := <-i.done
	i.answers.Close()
	var failed *CommandError
	if errors.As(err, &failed) && failed.ExitCode == 1 { // nothing was ignored
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask for ignore rules: %w", err)
	}
	return nil
}
