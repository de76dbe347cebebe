package atonce_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/atonce"
)

func TestDoWaitsForAllAndTellsOfTheFirst(t *testing.T) {
	t.Parallel()
	first, second := errors.New("first"), errors.New("second")
	met := make(chan struct{}) // neither of the first two ends without the other
	ended := false
	err := atonce.Do(
		func() error { <-met; return first },
		func() error { close(met); return second },
		func() error { ended = true; return nil },
	)
	if !errors.Is(err, first) || errors.Is(err, second) || !ended {
		t.Errorf("error %v, ended %v", err, ended)
	}
	if err := atonce.Do(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

// In a goroutine of its own it would end the process.
func TestDoHandsAPanicToItsCaller(t *testing.T) {
	t.Parallel()
	defer func() {
		if p, said := recover().(string); !said || !strings.Contains(p, "boom") {
			t.Errorf("the panic came as %v", p)
		}
	}()
	_ = atonce.Do(func() error { return nil }, func() error { panic("boom") })
	t.Error("it went on")
}
