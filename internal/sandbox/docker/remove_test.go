package docker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// A server that is not root meets the modes of what it made: the inputs of a container are read-only directories.
func TestInputsAreRemovedByAServerThatIsNotRoot(t *testing.T) {
	t.Parallel()
	const somebody = 10002
	root := filepath.Join(t.TempDir(), "inputs")
	if err := errors.Join(os.Mkdir(root, 0o700), os.Chmod(filepath.Dir(root), 0o755), os.Chmod(filepath.Dir(filepath.Dir(root)), 0o755)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(root, somebody, somebody); err != nil {
			t.Fatal(err)
		}
	}
	finished := make(chan error)
	go func() { // the thread ends with this function
		runtime.LockOSThread()
		if os.Geteuid() == 0 { // for files, this thread is somebody without root's capabilities
			_ = syscall.Setfsgid(somebody)
			_ = syscall.Setfsuid(somebody)
		}
		in, err := newInputs("orders")
		made := filepath.Join(root, "name", "digest")
		err = errors.Join(err, writeInputs(made, in, true))
		if plain := os.RemoveAll(made); !errors.Is(plain, fs.ErrPermission) {
			err = errors.Join(err, errors.New("the directory was not read-only, so this shows nothing"), plain)
		}
		finished <- errors.Join(err, removeTree(filepath.Join(root, "name")))
	}()
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(root, "name")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
