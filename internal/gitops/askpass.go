package gitops

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/coderflow/coderflow/internal/forge"
)

// The credential reaches git through a pipe that only the git process of this
// one command inherits, as descriptor 3. git asks for it by running the askpass
// program, which reads the pipe. So the value is in no argument list, no URL, no
// configuration, no environment and no file, and it is gone once it was read: a
// server that answers 401 gets no second try with it.
//
// A program of ours instead of the script would need the whole of CoderFlow to
// start for each question; a file would outlive a killed process.
const askpassScript = `#!/bin/sh
case "$1" in
Password*) IFS= read -r secret <&3 && printf '%s\n' "$secret" ;;
*) exit 1 ;;
esac
`

// askpassUser is the name that goes with an installation's token; with a person's, any will do.
const askpassUser = "x-access-token"

// writeAskpass writes the script unless it already stands there unchanged. It
// is put in place by a rename, so that a process that runs it now is not disturbed.
func writeAskpass(path string) error {
	if present, err := os.ReadFile(path); err == nil && string(present) == askpassScript {
		return nil
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), "askpass-")
	if err != nil {
		return fmt.Errorf("write the askpass program: %w", err)
	}
	defer os.Remove(fresh.Name())
	_, err = fresh.WriteString(askpassScript)
	if err == nil {
		err = fresh.Chmod(0o500)
	}
	if closed := fresh.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(fresh.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the askpass program: %w", err)
	}
	return nil
}

// attachCredential gives cmd the credential, if there is one, and returns what
// closes our end of the pipe.
func (g *Git) attachCredential(cmd *exec.Cmd, secret forge.Secret) (closePipe func(), err error) {
	if secret.Reveal() == "" {
		return func() {}, nil
	}
	if err := checkSecret(secret); err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("hand over the credential: %w", err)
	}
	// At most maxSecret bytes: they fit into the pipe's buffer, so this cannot block.
	_, err = write.WriteString(secret.Reveal() + "\n")
	if closed := write.Close(); err == nil {
		err = closed
	}
	if err != nil {
		read.Close()
		return nil, fmt.Errorf("hand over the credential: %w", err)
	}
	cmd.ExtraFiles = []*os.File{read} // descriptor 3
	cmd.Env = append(cmd.Env, "GIT_ASKPASS="+g.place(askpassFile))
	return func() { read.Close() }, nil
}

// maxSecret is below the 4096 bytes that every pipe can hold.
const maxSecret = 4000

func checkSecret(secret forge.Secret) error {
	if len(secret) > maxSecret {
		return fmt.Errorf("the credential is longer than %d bytes", maxSecret)
	}
	for _, c := range []byte(secret.Reveal()) {
		if c < 0x21 || c > 0x7e {
			return fmt.Errorf("the credential contains a character that cannot be in one")
		}
	}
	return nil
}
