package client

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/coderflow/coderflow/internal/token"
)

// ReadToken reads a file that has one API token. exposed tells that others on
// this machine can read it.
func ReadToken(path string) (value token.Value, exposed bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return token.Value{}, false, err
	}
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err == nil {
		exposed = info.Mode().Perm()&0o077 != 0
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return token.Value{}, exposed, err
	}
	if value, err = token.Parse(strings.TrimSpace(string(text))); err != nil {
		return value, exposed, fmt.Errorf("%s: %w", path, err)
	}
	return value, exposed, nil
}
