package config

import (
	"io/fs"
	"syscall"
	"testing"
	"time"
)

// someFile is what stat says of a file.
type someFile struct {
	owner uint32
	mode  fs.FileMode
}

func (f someFile) Name() string       { return "key" }
func (f someFile) Size() int64        { return 1 }
func (f someFile) Mode() fs.FileMode  { return f.mode }
func (f someFile) ModTime() time.Time { return time.Time{} }
func (f someFile) IsDir() bool        { return false }
func (f someFile) Sys() any           { return &syscall.Stat_t{Uid: f.owner} }

func TestASecretOfRootMayBeReadableByItsGroup(t *testing.T) {
	t.Parallel()
	const root, self = 0, 10002
	for _, c := range []struct {
		who   string
		file  someFile
		as    int
		wrong bool
	}{
		{"the server's own", someFile{self, 0o600}, self, false},
		{"the server's own, for its group", someFile{self, 0o640}, self, true},
		{"a credential of systemd", someFile{root, 0o440}, self, false},
		{"root's, that the group can write", someFile{root, 0o660}, self, true},
		{"root's, that the group can run", someFile{root, 0o450}, self, true},
		{"root's, for everybody", someFile{root, 0o444}, self, true},
		{"somebody else's, for the group", someFile{1000, 0o440}, self, true},
		{"root's, of a server that is root", someFile{root, 0o440}, root, true},
	} {
		if got := tooOpen(c.file, c.as); got != c.wrong {
			t.Errorf("%s: refused = %v", c.who, got)
		}
	}
}
