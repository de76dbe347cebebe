// Package packaging makes what a release consists of: archives that are the same whoever makes them, a bill of materials
// read from the programs themselves, and the licences of what they contain.
//
// Nothing here looks at the clock, at the machine, or at the order in which a file system lists its entries: every time is
// that of the commit. docs/releases.md tells how somebody else makes the same bytes.
package packaging
