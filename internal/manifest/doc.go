// Package manifest reads what administrators apply: environments, deployment
// profiles and role bindings, as strict YAML.
//
// A [Set] is everything that was applied together. Its Version is the hash of
// its canonical form, so the same rules have the same version whatever files
// they are written in, and every decision can name the rules it was made under.
// Loading reports all problems of all files at once, each with file, line,
// column and key path; a set with a problem does not exist.
package manifest
