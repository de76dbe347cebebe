// Package archtest holds the architecture: which package may import which, and
// which few places may start programs, mint a grant or ask for a credential that
// can push. The table in table.go is the one in the design; a change of it is a
// decision and belongs into docs/adr.
//
// It reads the source, whatever its build tags, and knows only syntax. That is
// enough for rules about names that are few and distinct, and it cannot be
// switched off by a comment.
package archtest
