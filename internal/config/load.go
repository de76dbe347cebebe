package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/coderflow/coderflow/internal/forge"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
)

// maxSecret bounds a secret file; an RSA key of 16384 bits has 13 KiB.
const maxSecret = 64 << 10

// loader turns a file and variables into a Config, collecting what is wrong.
type loader struct {
	doc      *sy.Document      // nil without a file
	base     string            // directory of the file
	openFile bool              // somebody else can read the file
	set      map[string]string // key path → variable that set it
	problems []*sy.Problem
}

// Load reads the file, if path is not empty, and the CODERFLOW_* variables of
// environ ("KEY=value") over it. The error has every problem at once.
func Load(path string, environ []string) (Config, error) {
	c, err := Salvage(path, environ)
	if err != nil {
		return Config{}, err
	}
	return c, nil
}

// Salvage is Load for a look at what may be broken: with an error it returns
// what could be read all the same, which nothing may be run with.
func Salvage(path string, environ []string) (Config, error) {
	l := &loader{set: map[string]string{}}
	raw := file{
		Listen: defaultListen, DataDir: "/var/lib/coderflow", Database: "sqlite",
		Docker: dockerFile{Host: "unix:///var/run/docker.sock", Files: "auto"},
		Worker: workerFile{Enabled: true, Concurrency: 2, LostAfter: sy.Duration(defaultLostAfter)}, Reconcile: reconcileKey{Interval: sy.Duration(defaultInterval), Evidence: sy.Duration(defaultEvidence)},
		Log:     logFile{Level: "info", Format: "text"},
		Tracing: tracingFile{SampleRatio: 1},
		Sandbox: sandboxFile{Image: defaultImage, Workspaces: "auto", BaseAge: sy.Duration(defaultBaseAge), BaseSize: defaultBaseSize},
	}
	if path != "" {
		if err := l.readFile(path, &raw); err != nil {
			l.override(&raw, environ)
			return l.check(raw), err
		}
	}
	l.override(&raw, environ)
	c := l.check(raw)
	return c, sy.Join(l.problems)
}

// LoadDefault is Load for a place where a file may or may not be: without one,
// variables alone have to be enough. A path that somebody named is for Load.
func LoadDefault(path string, environ []string) (Config, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		path = ""
	}
	return Load(path, environ)
}

func (l *loader) readFile(path string, raw *file) error {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	l.base = filepath.Dir(absolute)
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w; `coderflow init` writes one", err)
	}
	if !info.Mode().IsRegular() || info.Size() > sy.MaxBytes {
		return fmt.Errorf("read the configuration: %s is not a regular file of at most %s", path, sy.Size(sy.MaxBytes))
	}
	l.openFile = info.Mode().Perm()&0o077 != 0
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	docs, err := sy.Parse(path, data)
	if err != nil {
		return err
	}
	if len(docs) > 1 {
		return docs[1].Problem("", "a configuration is one document; remove the line ---")
	}
	if len(docs) == 1 {
		l.doc = docs[0]
		l.problems = append(l.problems, l.doc.Decode(raw)...)
	}
	return nil
}

// wrong reports a problem of a key where it was set: in a variable or the file.
func (l *loader) wrong(path, format string, args ...any) {
	for _, p := range l.problems {
		if p.Path == path {
			return // one complaint about a value is enough
		}
	}
	switch variable, overridden := l.set[path]; {
	case overridden:
		l.problems = append(l.problems, &sy.Problem{File: variable, Path: path, Text: fmt.Sprintf(format, args...)})
	case l.doc != nil:
		l.problems = append(l.problems, l.doc.Problem(path, format, args...))
	default:
		text := fmt.Sprintf(format, args...) + "; set it in coderflow.yaml or as " + Variable(path)
		l.problems = append(l.problems, &sy.Problem{File: "configuration", Path: path, Text: text})
	}
}

// path makes the path that a key holds absolute.
func (l *loader) path(key, value string) string {
	if value == "" || filepath.IsAbs(value) {
		return value
	}
	if _, overridden := l.set[key]; !overridden && l.base != "" {
		return filepath.Join(l.base, value)
	}
	absolute, err := filepath.Abs(value)
	if err != nil {
		l.wrong(key, "cannot be made absolute: %v", err)
	}
	return absolute
}

// secret reads the secret file that a key names. Its content is in no message.
func (l *loader) secret(key, value, what string) string {
	if value == "" {
		l.wrong(key, "is required: a file, readable by its owner only, with %s", what)
		return ""
	}
	text, err := readSecret(l.path(key, value))
	if err != nil {
		l.wrong(key, "%v", err)
	}
	return text
}

var errEmptySecret = errors.New("is empty")

// ReadSecret reads a secret file as a configuration does.
func ReadSecret(path string) (forge.Secret, error) {
	text, err := readSecret(path)
	return forge.Secret(text), err
}

func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a regular file", path)
	case tooOpen(info, os.Geteuid()):
		return "", fmt.Errorf("others than its owner can read or change %s (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	case info.Size() > maxSecret:
		return "", fmt.Errorf("%s is larger than %s, which no secret is", path, sy.Size(maxSecret))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	text := trimNewline(string(data))
	if text == "" {
		return "", fmt.Errorf("%s %w", path, errEmptySecret)
	}
	return text, nil
}

// tooOpen reports whether others than the process, whose user is self, can read or change a secret file. One of root's may
// be readable by its group: that is how service managers hand a secret to a process of another user (systemd's
// credentials, Kubernetes' volumes with an fsGroup). PostgreSQL has the same rule for its key.
func tooOpen(info fs.FileInfo, self int) bool {
	const root = 0
	if about, is := info.Sys().(*syscall.Stat_t); is && about.Uid == root && self != root {
		return info.Mode().Perm()&0o037 != 0
	}
	return info.Mode().Perm()&0o077 != 0
}

// trimNewline removes the one line end that editors and echo leave behind.
func trimNewline(s string) string {
	if n := len(s); n > 0 && s[n-1] == '\n' {
		s = s[:n-1]
		if n > 1 && s[n-2] == '\r' {
			s = s[:n-2]
		}
	}
	return s
}
