package emulator

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A push is decided by the state, not by files: the hooks of a repository only carry the question to the
// forge and the answer back, over two named pipes in a directory made for this one push. Without that
// directory (git run by hand on the repository) nothing is accepted.
const hookScript = `#!/bin/sh
[ -n "$EMULATOR_HOOK_DIR" ] || { echo "pushes go through the forge" >&2; exit 1; }
{
	echo "%s"
	echo "$GIT_OBJECT_DIRECTORY"
	echo "$GIT_ALTERNATE_OBJECT_DIRECTORIES"
	cat
	echo end
} > "$EMULATOR_HOOK_DIR/ask"
while IFS= read -r line; do
	case "$line" in
	accept) exit 0 ;;
	refuse) exit 1 ;;
	*) printf '%%s\n' "$line" >&2 ;;
	esac
done < "$EMULATOR_HOOK_DIR/answer"
exit 1
`

func writeHooks(dir string) error {
	for _, name := range []string{"pre-receive", "post-receive"} {
		path := filepath.Join(dir, "hooks", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("emulator: %w", err)
		}
		if err := os.WriteFile(path, fmt.Appendf(nil, hookScript, name), 0o700); err != nil {
			return fmt.Errorf("emulator: writing a hook: %w", err)
		}
	}
	return nil
}

// hookSession answers the hooks of one push.
type hookSession struct {
	forge *Forge
	push  gitRequest
	dir   string
	ask   *os.File
	reply *os.File
	ended sync.WaitGroup
	// reasons are why Azure DevOps refuses refs; guarded by Forge.mu.
	reasons map[string]string
}

func (f *Forge) openHookSession(g gitRequest) (*hookSession, error) {
	dir, err := os.MkdirTemp("", "emulator-hook-")
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	s := &hookSession{forge: f, push: g, dir: dir, reasons: map[string]string{}}
	for _, pipe := range []struct {
		name string
		file **os.File
	}{{"ask", &s.ask}, {"answer", &s.reply}} {
		path := filepath.Join(dir, pipe.name)
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			return nil, errors.Join(fmt.Errorf("emulator: making a pipe: %w", err), os.RemoveAll(dir))
		}
		// Opened for both directions, so that neither side waits for the other to open it.
		if *pipe.file, err = os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0); err != nil {
			return nil, errors.Join(fmt.Errorf("emulator: opening a pipe: %w", err), os.RemoveAll(dir))
		}
	}
	s.ended.Go(s.serve)
	return s, nil
}

func (s *hookSession) env() []string { return []string{"EMULATOR_HOOK_DIR=" + s.dir} }

// close ends the session; the backend has exited by now.
func (s *hookSession) close() {
	_ = s.ask.SetReadDeadline(time.Unix(1, 0))
	s.ended.Wait()
	_, _ = s.ask.Close(), s.reply.Close()
	_ = os.RemoveAll(s.dir)
}

// refusals are why refs were refused; the backend has exited by now.
func (s *hookSession) refusals() map[string]string {
	s.forge.mu.Lock()
	defer s.forge.mu.Unlock()
	return s.reasons
}

func (s *hookSession) serve() {
	for {
		question, err := s.readQuestion()
		if err != nil {
			return
		}
		for _, line := range s.answer(question) {
			if _, err := io.WriteString(s.reply, line+"\n"); err != nil {
				return
			}
		}
	}
}

// readQuestion reads byte-wise up to the end line, so that nothing of a later question is taken.
func (s *hookSession) readQuestion() ([]string, error) {
	var lines []string
	var line []byte
	buffer := make([]byte, 1)
	for {
		if _, err := s.ask.Read(buffer); err != nil {
			return nil, err
		}
		if buffer[0] != '\n' {
			line = append(line, buffer[0])
			continue
		}
		if string(line) == "end" {
			return lines, nil
		}
		lines, line = append(lines, string(line)), nil
	}
}

// answer decides a pre-receive question, or draws the consequences of a post-receive one.
func (s *hookSession) answer(question []string) []string {
	if len(question) < 3 {
		return []string{"refuse"}
	}
	var env []string
	if question[1] != "" {
		env = []string{"GIT_OBJECT_DIRECTORY=" + question[1], "GIT_ALTERNATE_OBJECT_DIRECTORIES=" + question[2]}
	}
	f := s.forge
	f.mu.Lock()
	defer f.mu.Unlock()
	refused := []string{}
	for _, line := range question[3:] {
		fields := strings.SplitN(line, " ", 3)
		if len(fields) < 3 {
			return []string{"refuse"}
		}
		change := refChange{old: fields[0], new: fields[1], ref: fields[2]}
		if question[0] == "post-receive" {
			f.received(s.push.repo, s.push.who, change)
			continue
		}
		if why := f.refusal(s.push.repo, s.push.who, change, env); why != "" {
			f.log.Info("push refused", "ref", change.ref, "by", s.push.name(), "reason", why)
			if f.azure != nil { // it says so in the report, see heldResponse
				s.reasons[change.ref] = why
				refused = append(refused, "")
				continue
			}
			refused = append(refused, strings.Split("error: "+why, "\n")...)
		}
	}
	switch {
	case len(refused) > 0 && f.azure != nil:
		return []string{"refuse"}
	case len(refused) > 0:
		return append(refused, "refuse")
	}
	return []string{"accept"}
}

// received draws the consequences of a push as the service does that the forge is.
func (f *Forge) received(r *repository, who caller, c refChange) {
	if f.azure != nil {
		f.pushedAzure(r, who, c.ref, c.old, c.new)
		return
	}
	f.pushed(r, who, c.ref, c.old, c.new)
}

// refusal is why that service would not accept the change, or "".
func (f *Forge) refusal(r *repository, who caller, c refChange, env []string) string {
	if f.azure != nil {
		return f.refuseAzure(r, who, c, env)
	}
	return f.refuse(r, who, c, env)
}
