// Package config reads coderflow.yaml and the CODERFLOW_* variables over it.
//
// Every key KEY of a section SECTION can be overridden by CODERFLOW_SECTION_KEY,
// a top-level key by CODERFLOW_KEY, in upper case with an underscore between
// words: github.appID is CODERFLOW_GITHUB_APP_ID. Where the underscores stand
// does not matter (CODERFLOW_GITHUB_APPID is the same key). Lists are separated
// by commas. An unknown CODERFLOW_* variable is an error like an unknown key.
//
// Relative paths in the file are relative to the file's directory, in a variable
// to the working directory. Secrets are read from files that only their owner
// can read. All problems are reported at once, each with file, line and key or
// with the variable's name.
package config
