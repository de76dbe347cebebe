// Package atonce takes independent steps at the same time.
package atonce

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// Do takes steps that do not depend on each other at the same time, and waits for all of them: each is a request
// to a forge or an engine, or a process, that mostly waits. It returns the error of the first of them, in their order, that failed.
// A panic of one is the caller's.
func Do(steps ...func() error) error {
	errs, panics := make([]error, len(steps)), make([]any, len(steps))
	var all sync.WaitGroup
	for i, step := range steps {
		all.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics[i] = fmt.Sprintf("%v\n%s", p, debug.Stack())
				}
			}()
			errs[i] = step()
		})
	}
	all.Wait()
	for i, err := range errs {
		if panics[i] != nil {
			panic(panics[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}
