package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const superuser = "coderflow"

// serverSettings are for tests about behaviour; a test about durability takes
// durableSettings.
var (
	serverSettings = []string{
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off",
		"-c", "max_connections=300", "-c", "shared_buffers=32MB",
	}
	durableSettings = []string{"-c", "max_connections=100", "-c", "shared_buffers=32MB"}
)

const startTimeout = 60 * time.Second

// Server is a PostgreSQL server in a directory of its own, reachable on
// 127.0.0.1 with a random password. The kernel stops it when the test process
// dies, however that happens.
type Server struct {
	dir      string
	bin      string
	password string
	port     int
	settings []string
	account  *syscall.Credential // nil if the tests do not run as root

	mu     sync.Mutex
	exited chan struct{} // closed when the process has ended; nil while stopped
	pid    int
}

// start makes a database directory and starts a server on it.
func start(settings []string) (*Server, error) {
	bin, err := tools()
	if err != nil {
		return nil, err
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	removeStale()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	s := &Server{dir: dir, bin: bin, password: rand.Text(), settings: settings, account: account}
	if err := s.initialise(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// tools finds the directory of the newest installed initdb and postgres.
func tools() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return major(a) - major(b) })
		return filepath.Dir(newest), nil
	}
	inPath, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("PostgreSQL is not installed: run `make setup-test` or `apt-get install postgresql`")
	}
	return filepath.Dir(inPath), nil
}

// major is the version in /usr/lib/postgresql/VERSION/bin/initdb.
func major(path string) int {
	version, _, _ := strings.Cut(strings.TrimPrefix(path, "/usr/lib/postgresql/"), "/")
	n, _ := strconv.Atoi(version) // an odd name counts as the oldest
	return n
}

// unprivileged is the account for the server, which refuses to run as root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(account.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(account.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("neither the account postgres nor nobody exists to run PostgreSQL as")
}

func (s *Server) initialise() error {
	passwordFile := filepath.Join(s.dir, "password")
	if err := os.WriteFile(passwordFile, []byte(s.password), 0o600); err != nil {
		return fmt.Errorf("write the password: %w", err)
	}
	if s.account != nil {
		for _, path := range []string{s.dir, passwordFile} {
			if err := os.Chown(path, int(s.account.Uid), int(s.account.Gid)); err != nil {
				return fmt.Errorf("give the directory to the server's account: %w", err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "--pgdata", filepath.Join(s.dir, "data"),
		"--username", superuser, "--pwfile", passwordFile, "--auth", "scram-sha-256",
		"--encoding", "UTF8", "--locale", "C", "--no-sync")
	s.prepare(cmd)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, output)
	}
	return nil
}

func (s *Server) prepare(cmd *exec.Cmd) {
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account}
}

// Start starts the server and waits until it answers. A server that was stopped
// gets the same port again.
func (s *Server) Start() error {
	var err error
	for range 5 { // another process may take a free port before the server does
		if s.port == 0 {
			if s.port, err = freePort(); err != nil {
				return err
			}
		}
		if err = s.launch(); err == nil {
			return nil
		}
		if s.running() {
			return errors.Join(err, s.Stop())
		}
	}
	return err
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }() // only its number was wanted
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) launch() error {
	args := append([]string{
		"-D", filepath.Join(s.dir, "data"), "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + s.dir,
	}, s.settings...)
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	s.prepare(cmd)
	// SIGINT is PostgreSQL's fast shutdown.
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	started, exited := make(chan error), make(chan struct{})
	go func() {
		// The kernel sends Pdeathsig when the *thread* that forked ends: nothing else may run on this one and end it.
		// It is given back alive, because it may have started other processes of the test before, which have the
		// same setting; a thread ends with a goroutine that keeps it locked.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended does not matter; output tells why
		}
		close(exited)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.mu.Lock()
	s.pid, s.exited = cmd.Process.Pid, exited
	s.mu.Unlock()
	return s.await(exited, &output)
}

// await waits until the server answers a query.
func (s *Server) await(exited <-chan struct{}, output *bytes.Buffer) error {
	deadline := time.Now().Add(startTimeout)
	for {
		err := s.admin("SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			port := s.port
			s.port = 0
			return fmt.Errorf("postgres on port %d ended: %s", port, output.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("postgres does not answer: %w", err)
		}
	}
}

// Stop stops the server at once, as a crash of its host would: open
// connections break and the next start recovers from the log.
func (s *Server) Stop() error { return s.signal(syscall.SIGQUIT) }

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	pid, exited := s.pid, s.exited
	s.mu.Unlock()
	if exited == nil {
		return nil
	}
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop postgres: %w", err)
	}
	select {
	case <-exited:
		return nil
	case <-time.After(startTimeout):
		return fmt.Errorf("postgres (pid %d) does not stop", pid)
	}
}

func (s *Server) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exited == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

func (s *Server) remove() error {
	return errors.Join(s.Stop(), os.RemoveAll(s.dir))
}

// dirPrefix is followed by the pid of the test process.
const dirPrefix = "coderflow-postgres-"

// removeStale removes directories that test processes left behind when they
// were killed.
func removeStale() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*")) // the pattern is well-formed
	for _, dir := range dirs {
		name, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		pid, err := strconv.Atoi(name)
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir) // somebody else's to remove, then
		}
	}
}
