// Package forge is CoderFlow's neutral vocabulary for a Git forge: subjects,
// repositories, issues, pull requests, reviews and the events about them, and
// the ports through which the rest of CoderFlow reads and writes a forge.
//
// It imports nothing of ours. Adapters (forge/github, forge/azuredevops)
// translate; nobody else knows a forge's own types.
//
// Two rules hold for every implementation of the ports:
//
//   - Identity is numeric. A login or a repository's name is display text and may
//     be reused by somebody else tomorrow; decisions use [Subject] and
//     [RepositoryRef].ID only.
//   - An answer is either what the forge said just now or an error. Adapters
//     never guess and never serve a stale value for a decision.
package forge
