// Package telemetry ties what several processes say about one task together: the ids that
// log lines carry, and the spans of the one trace that a task has.
//
// The trace of a task is derived from its id ([TraceOf]), so nothing has to be stored, and
// a process that goes on with a task after a restart, or on another node, goes on with its
// trace. Steps repeat themselves many times while a task waits; only a step that changed
// something is told of, with what it called (see [Scope]).
//
// Spans and log lines carry ids, and names that administrators chose. Nothing that an agent
// or a stranger wrote is in them: no title, no prompt, no path of a repository, no address.
package telemetry
