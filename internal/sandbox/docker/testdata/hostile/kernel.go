package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"
)

// Numbers of x86-64 and AArch64 where they are the same (since Linux 5.1), or by architecture.
const (
	sysIOUringSetup = 425
	sysClone3       = 435
	cloneNewUser    = 0x10000000
)

// privileges prints what the process is allowed, and tries to be more.
func privileges() {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		for _, name := range []string{"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"} {
			if value, ok := strings.CutPrefix(line, name+":"); ok {
				fmt.Printf("%s: %s\n", name, strings.Join(strings.Fields(value), " "))
			}
		}
	}
	say("setuid", cause(syscall.Setuid(0)))
	_, _, errno := syscall.RawSyscall(syscall.SYS_UNSHARE, cloneNewUser, 0, 0)
	say("unshare-user", number(errno))
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, cloneNewUser|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && pid == 0 {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
	say("clone-user", number(errno))
	var arguments [88]byte
	_, _, errno = syscall.RawSyscall(sysClone3, uintptr(unsafe.Pointer(&arguments[0])), 0, 0)
	say("clone3", number(errno))
	say("mount", cause(syscall.Mount("none", "/tmp", "tmpfs", 0, "")))
	say("mknod", cause(syscall.Mknod("/tmp/disk", syscall.S_IFBLK|0o600, 0xfe00)))
	say("docker-socket", find())
	devices, _ := filepath.Glob("/dev/*")
	fmt.Printf("devices: %s\n", strings.ReplaceAll(strings.Join(devices, " "), "/dev/", ""))
}

// find reports a Docker socket anywhere in the file system as success.
func find() error {
	err := filepath.WalkDir("/", func(path string, entry os.DirEntry, err error) error {
		if path == "/proc" || path == "/sys" {
			return filepath.SkipDir
		}
		if err == nil && (strings.Contains(entry.Name(), "docker.sock") || strings.Contains(entry.Name(), "containerd.sock")) {
			return fmt.Errorf("found %s", path)
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return os.ErrNotExist
}

func number(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// syscalls tries doors of the kernel that nobody needs. Where a call is let through, bad arguments give another
// error than EPERM, which counts as open.
func syscalls() {
	say("af-alg", socket(38, syscall.SOCK_SEQPACKET, 0))
	var parameters [120]byte
	_, _, errno := syscall.RawSyscall(sysIOUringSetup, 1, uintptr(unsafe.Pointer(&parameters[0])), 0)
	say("io_uring", number(errno))
	for name, trap := range map[string]uintptr{
		"bpf": sysBPF, "add_key": sysAddKey, "keyctl": sysKeyctl, "request_key": sysRequestKey,
		"userfaultfd": sysUserfaultfd, "open_by_handle_at": sysOpenByHandle, "perf_event_open": sysPerfEventOpen,
	} {
		_, _, errno := syscall.RawSyscall6(trap, 0, 0, 0, 0, 0, 0)
		say(name, number(errno))
	}
}

// trace goes for pid 1, whose file descriptors carry the result of the run.
func trace() {
	const seize = 0x4206
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, seize, 1, 0, 0, 0, 0)
	say("ptrace", number(errno))
	for _, path := range []string{"/proc/1/mem", "/proc/1/fd/1", "/proc/1/fd/2"} {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			fmt.Fprintln(file, `{"result":{"outcome":"ok"}}`)
			_ = file.Close()
		}
		say(path, cause(err))
	}
	_, err := os.ReadFile("/proc/1/environ")
	say("/proc/1/environ", cause(err))
	// None of these may end pid 1.
	for sig := syscall.Signal(1); sig < 32; sig++ {
		if sig != syscall.SIGTERM {
			_ = syscall.Kill(1, sig)
		}
	}
	say("signals", nil)
}
