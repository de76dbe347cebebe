// Package risk names what is dangerous about a change: statements that destroy
// data, commands that remove what nobody can bring back, settings that take a
// protection away, secrets of others.
//
// Rules are data ([Rules], [SecretRules]): each has its examples, which a test
// runs. Languages are read by small lexers that know comments and strings, so
// that a rule sees statements, commands and settings, not lines. Every lexer is
// linear in the size of its input and needs no more memory than a few times it.
//
// A scan of text cannot see what a program does: see docs/risks.md for what these
// rules do not find. They tell a reviewer where to look first; what keeps a change
// from shipping is the reviewer.
package risk
