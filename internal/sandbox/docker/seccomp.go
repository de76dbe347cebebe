package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// The seccomp profile is an allow-list; SECCOMP.md says how it differs from the engine's default and why. What is
// not listed gives EPERM. The types follow the engine's JSON
// (https://docs.docker.com/engine/security/seccomp/).
type seccompDocument struct {
	DefaultAction string        `json:"defaultAction"`
	ArchMap       []seccompArch `json:"archMap"`
	Syscalls      []seccompRule `json:"syscalls"`
}

type seccompArch struct {
	Architecture     string   `json:"architecture"`
	SubArchitectures []string `json:"subArchitectures"`
}

type seccompRule struct {
	Names    []string     `json:"names"`
	Action   string       `json:"action"`
	Args     []seccompArg `json:"args,omitempty"`
	ErrnoRet *uint        `json:"errnoRet,omitempty"`
}

// Several conditions on different arguments must all hold.
type seccompArg struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo"`
	Op       string `json:"op"`
}

const (
	actAllow = "SCMP_ACT_ALLOW"
	actErrno = "SCMP_ACT_ERRNO"
	opEqual  = "SCMP_CMP_EQ"
	opMasked = "SCMP_CMP_MASKED_EQ" // (argument & Value) == ValueTwo
)

// allowedSyscalls by what they are about.
var allowedSyscalls = map[string][]string{
	"files": {
		"access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup", "dup2", "dup3",
		"faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown",
		"fchownat", "fcntl", "fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate", "futimesat", "getcwd",
		"getdents", "getdents64", "ioctl", "lchown", "link", "linkat", "lseek", "lstat", "mkdir", "mkdirat", "mknod",
		"mknodat", "newfstatat", "open", "openat", "openat2", "pread64", "preadv", "preadv2", "pwrite64", "pwritev",
		"pwritev2", "read", "readahead", "readlink", "readlinkat", "readv", "rename", "renameat", "renameat2", "rmdir",
		"sendfile", "splice", "stat", "statfs", "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs",
		"tee", "truncate", "umask", "unlink", "unlinkat", "utime", "utimensat", "utimes", "vmsplice", "write", "writev",
		"cachestat",
	},
	"extended attributes": {
		"fgetxattr", "flistxattr", "fremovexattr", "fsetxattr", "getxattr", "lgetxattr", "listxattr", "llistxattr",
		"lremovexattr", "lsetxattr", "removexattr", "setxattr",
		"getxattrat", "listxattrat", "removexattrat", "setxattrat",
	},
	"waiting": {
		"epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait",
		"epoll_wait_old", "eventfd", "eventfd2", "inotify_add_watch", "inotify_init", "inotify_init1",
		"inotify_rm_watch", "pause", "poll", "ppoll", "pselect6", "select", "signalfd", "signalfd4",
	},
	"asynchronous I/O of libaio": {
		"io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_setup", "io_submit",
	},
	"memory": {
		"brk", "madvise", "map_shadow_stack", "membarrier", "memfd_create", "mincore", "mlock", "mlock2", "mlockall",
		"mmap", "mprotect", "mremap", "mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free",
		"pkey_mprotect",
	},
	"processes and threads": {
		"alarm", "arch_prctl", "execve", "execveat", "exit", "exit_group", "fork", "futex", "futex_requeue",
		"futex_wait", "futex_waitv", "futex_wake", "get_robust_list", "get_thread_area", "getcpu", "getitimer",
		"getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrlimit", "getrusage", "getsid", "gettid",
		"ioprio_get", "ioprio_set", "kill", "pidfd_open", "pidfd_send_signal", "pipe", "pipe2", "prctl", "prlimit64",
		"process_mrelease", "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
		"rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo",
		"sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam",
		"sched_getscheduler", "sched_rr_get_interval", "sched_setaffinity", "sched_setattr", "sched_setparam",
		"sched_setscheduler", "sched_yield", "set_robust_list", "set_thread_area", "set_tid_address", "setitimer",
		"setpgid", "setpriority", "setrlimit", "setsid", "sigaltstack", "tgkill", "tkill", "vfork", "wait4", "waitid",
	},
	// The kernel itself has processes call it that the host traces; called otherwise it ends the caller.
	"being traced by the host": {"uretprobe"},
	// Debuggers and sanitizers of the task's own. pid 1 is out of reach: it is not dumpable.
	"tracing own processes": {"process_vm_readv", "process_vm_writev", "ptrace"},
	// Without a capability they can only keep what a process is.
	"identity": {
		"capget", "capset", "getegid", "geteuid", "getgid", "getgroups", "getresgid", "getresuid", "getuid", "setfsgid",
		"setfsuid", "setgid", "setgroups", "setregid", "setresgid", "setresuid", "setreuid", "setuid",
	},
	"a sandbox inside": {
		"landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "seccomp",
	},
	// socket and socketpair have rules of their own below.
	"sockets that exist": {
		"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom",
		"recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
	},
	"System V and POSIX IPC": {
		"mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "msgctl", "msgget",
		"msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat", "shmctl", "shmdt", "shmget",
	},
	"clocks": {
		"clock_getres", "clock_gettime", "clock_nanosleep", "getrandom", "gettimeofday", "nanosleep", "sysinfo", "time",
		"timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime", "timerfd_create",
		"timerfd_gettime", "timerfd_settime", "times", "uname",
	},
}

// Address families and protocols (linux/socket.h, linux/in.h, linux/netlink.h).
const (
	afUnix       = 1
	afInet       = 2
	afInet6      = 10
	afNetlink    = 16
	protoDefault = 0
	protoTCP     = 6
	protoUDP     = 17
	netlinkRoute = 0
)

// namespaceFlags are the CLONE_NEW* flags of clone(2): NS, CGROUP, UTS, IPC, USER, PID, NET.
const namespaceFlags = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000

// enosys makes programs fall back to what they did before the call was there: the C library from clone3, whose flags
// a filter cannot see, to clone; others from statmount and listmount to /proc.
const enosys = 38

func seccompRules() []seccompRule {
	var rules []seccompRule
	for _, about := range slices.Sorted(maps.Keys(allowedSyscalls)) {
		rules = append(rules, seccompRule{Names: allowedSyscalls[about], Action: actAllow})
	}
	rules = append(rules, socketRule(family(afUnix)),
		socketRule(family(afNetlink), protocol(netlinkRoute)))
	for _, inet := range []uint64{afInet, afInet6} {
		// No ICMP ("ping") and no other protocol of the address families.
		for _, proto := range []uint64{protoDefault, protoTCP, protoUDP} {
			rules = append(rules, socketRule(family(inet), protocol(proto)))
		}
	}
	rules = append(rules, seccompRule{Names: []string{"socketpair"}, Action: actAllow, Args: []seccompArg{family(afUnix)}})
	rules = append(rules, seccompRule{Names: []string{"clone"}, Action: actAllow, Args: []seccompArg{
		{Index: 0, Value: namespaceFlags, ValueTwo: 0, Op: opMasked},
	}})
	// What programs ask for with personality(2): to know it, plain Linux, UNAME26, no randomization.
	for _, persona := range []uint64{0, 0x8, 0x20000, 0x20008, 0x40000, 0xffffffff} {
		rules = append(rules, seccompRule{Names: []string{"personality"}, Action: actAllow, Args: []seccompArg{
			{Index: 0, Value: persona, Op: opEqual},
		}})
	}
	number := uint(enosys)
	return append(rules, seccompRule{Names: []string{"clone3", "listmount", "statmount"}, Action: actErrno, ErrnoRet: &number})
}

func socketRule(args ...seccompArg) seccompRule {
	return seccompRule{Names: []string{"socket"}, Action: actAllow, Args: args}
}

func family(value uint64) seccompArg   { return seccompArg{Index: 0, Value: value, Op: opEqual} }
func protocol(value uint64) seccompArg { return seccompArg{Index: 2, Value: value, Op: opEqual} }

// seccompProfile renders the profile for the engine. Only the native 64-bit architectures are in it: a 32-bit or
// x32 system call, which the rules on arguments would not bind, kills the caller.
func seccompProfile() (string, error) {
	text, err := json.Marshal(seccompDocument{
		DefaultAction: actErrno,
		ArchMap:       []seccompArch{{Architecture: "SCMP_ARCH_X86_64"}, {Architecture: "SCMP_ARCH_AARCH64"}},
		Syscalls:      seccompRules(),
	})
	if err != nil {
		return "", fmt.Errorf("rendering the seccomp profile: %w", err)
	}
	return string(text), nil
}
