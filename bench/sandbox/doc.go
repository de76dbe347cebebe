// Package sandbox measures how soon an agent begins to work and how soon its work is collected, on the Docker engine
// of this machine. Run it with
//
//	go test -run xxx -bench . ./bench/sandbox
//
// Every number that a target is set for is a ratio of two medians taken in one run, in turns.
package sandbox
