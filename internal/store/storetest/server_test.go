package storetest_test

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/coderflow/coderflow/internal/store/storetest"
)

// Other processes of a test, the program among them, are told of the death of the thread that
// started them too. A database server that is stopped must not end that thread.
func TestAStoppedServerTakesNoOtherProcessWithIt(t *testing.T) {
	t.Parallel()
	s := storetest.NewServer(t)
	for range 5 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		other := exec.Command("sleep", "infinity")
		other.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		_ = other.Process.Signal(syscall.SIGTERM) // or it is dead already
		_ = other.Wait()                          // its status tells
		if status, ok := other.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
			t.Fatalf("the other process ended: %s", other.ProcessState)
		}
	}
}
