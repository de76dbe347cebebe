package gitops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// Options configure a [Git].
type Options struct {
	// Dir is where mirrors and quarantines live. It belongs to one process at a
	// time: what is in quarantine when it starts is a dead process's and removed.
	Dir string
	// Git is the path of the git program; empty means the one in PATH.
	Git string
	// Committer is CoderFlow's own identity in the commits that it makes.
	Committer Identity
	// AllowHTTPHosts are the hosts ("127.0.0.1:3000" or "127.0.0.1") that may be
	// reached over plain http: local forges of tests and the demo.
	AllowHTTPHosts []string
	// CAFile is a PEM file of certificate authorities for https; empty means the system's.
	CAFile string
	// Proxy is the URL of an HTTP proxy for https; empty means a direct connection.
	Proxy string
	// NetworkTimeout bounds one fetch or push; 0 means 15 minutes.
	NetworkTimeout time.Duration
	// LocalTimeout bounds any other git process; 0 means 5 minutes.
	LocalTimeout time.Duration
	Logger       *slog.Logger
}

// Identity is the author or committer of a commit.
type Identity struct{ Name, Email string }

// Remote is a repository at its forge and how to reach it.
type Remote struct {
	Repository forge.RepositoryRef
	URL        string
	Token      forge.Token
}

// Git does CoderFlow's git work below one directory. It is safe for concurrent
// use, also by several processes on the same directory.
type Git struct {
	opts    Options
	program string
	tips    *http.Client
	locks   locks
}

// Fixed places below Options.Dir.
const (
	mirrorsDir    = "mirrors"
	quarantineDir = "quarantine"
	emptyDir      = "empty" // HOME, current directory and nominal work tree; nothing is ever in it
	askpassFile   = "askpass"
)

// New checks the git program, prepares Options.Dir and removes what killed
// processes left in the quarantine.
func New(opts Options) (*Git, error) {
	g, err := open(opts)
	if err != nil {
		return nil, err
	}
	if err := g.prepareDir(); err != nil {
		return nil, err
	}
	if err := g.checkVersion(); err != nil {
		return nil, err
	}
	return g, g.emptyQuarantine()
}

// open finds the git program and touches nothing below Options.Dir.
func open(opts Options) (*Git, error) {
	if err := checkOptions(&opts); err != nil {
		return nil, err
	}
	program := opts.Git
	if program == "" {
		found, err := exec.LookPath("git")
		if err != nil {
			return nil, fmt.Errorf("git is not installed (Debian and Ubuntu: apt-get install git): %w", err)
		}
		program = found
	}
	absolute, err := filepath.Abs(program)
	if err != nil {
		return nil, fmt.Errorf("find the git program: %w", err)
	}
	tips, err := tipClient(opts)
	if err != nil {
		return nil, fmt.Errorf("gitops: %w", err)
	}
	return &Git{opts: opts, program: absolute, tips: tips}, nil
}

func checkOptions(opts *Options) error {
	if opts.Dir == "" {
		return errors.New("gitops: a directory is needed")
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return fmt.Errorf("gitops directory: %w", err)
	}
	// The path becomes an entry of GIT_ALTERNATE_OBJECT_DIRECTORIES, a list with
	// ':' between and '"' for quoting.
	if strings.ContainsAny(dir, ":\"\n") {
		return fmt.Errorf("gitops directory %q: its path must not contain ':', '\"' or a newline", dir)
	}
	opts.Dir = dir
	if clean := cleanIdentity(opts.Committer); clean != opts.Committer || clean.Name == "" || clean.Email == "" {
		return fmt.Errorf("committer identity %q <%s>: name and email must be set and of plain characters",
			opts.Committer.Name, opts.Committer.Email)
	}
	if opts.NetworkTimeout <= 0 {
		opts.NetworkTimeout = 15 * time.Minute
	}
	if opts.LocalTimeout <= 0 {
		opts.LocalTimeout = 5 * time.Minute
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func (g *Git) prepareDir() error {
	for _, name := range []string{"", mirrorsDir, quarantineDir, emptyDir} {
		if err := os.MkdirAll(filepath.Join(g.opts.Dir, name), 0o700); err != nil {
			return fmt.Errorf("prepare the git directory: %w", err)
		}
	}
	entries, err := os.ReadDir(g.place(emptyDir))
	if err != nil {
		return fmt.Errorf("prepare the git directory: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s must stay empty but contains %q; remove it", g.place(emptyDir), entries[0].Name())
	}
	return writeAskpass(g.place(askpassFile))
}

func (g *Git) place(name string) string { return filepath.Join(g.opts.Dir, name) }

var versionPattern = regexp.MustCompile(`^git version ([0-9]+)\.([0-9]+)`)

// checkVersion wants 2.39: what the pinned settings do was observed there, and
// older versions lack fixes that they rely on.
func (g *Git) checkVersion() error {
	out, err := g.run(context.Background(), invocation{args: []string{"version"}})
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", g.program, err)
	}
	m := versionPattern.FindStringSubmatch(string(out))
	if m == nil {
		return fmt.Errorf("%s answers %q to \"git version\"", g.program, sanitize(string(out)))
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if major < 2 || (major == 2 && minor < 39) {
		return fmt.Errorf("git %s.%s is too old: at least 2.39 is needed", m[1], m[2])
	}
	return nil
}

var objectID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// checkID refuses whatever is not a full SHA-1 object id, so that no option,
// ref name or abbreviation ever stands where git expects an object.
func checkID(what, id string) error {
	if len(id) == 64 {
		return fmt.Errorf("%s %.80q: %w", what, id, ErrSHA256)
	}
	if !objectID.MatchString(id) {
		return fmt.Errorf("%s %.80q is not a full object id", what, id)
	}
	return nil
}
