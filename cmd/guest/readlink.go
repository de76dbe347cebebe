package main

import (
	"syscall"
	"unsafe"
)

// readlinkat reads the link that fd, opened with O_PATH, is open on. The standard library has no call for it.
// (readlinkat(2): an empty path names the descriptor itself.)
func readlinkat(fd int, buffer []byte) (int, error) {
	empty := [1]byte{}
	n, _, errno := syscall.Syscall6(syscall.SYS_READLINKAT, uintptr(fd), uintptr(unsafe.Pointer(&empty[0])),
		uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
