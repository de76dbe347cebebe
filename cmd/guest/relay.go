package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/mux"
)

// hold keeps what is mounted in its container there until it is told to end. It is pid 1 of a relay container.
func hold() error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
	return nil
}

// held reports a directory that is not in memory.
func held(directories []string) error {
	for _, directory := range directories {
		var about unix.Statfs_t
		if err := unix.Statfs(directory, &about); err != nil {
			return fmt.Errorf("looking at %s: %w", directory, err)
		}
		if about.Type != unix.TMPFS_MAGIC {
			return fmt.Errorf("%s is not in memory (file system %#x)", directory, about.Type)
		}
	}
	return nil
}

// relay listens where the task's container finds its gateway, and passes each connection on as a stream in this
// process's input and output, to whoever started it. It ends with them.
func relay() error {
	listener, err := listenRelay()
	if err != nil {
		return err
	}
	session, err := mux.Opening(stdio{})
	if err != nil {
		return fmt.Errorf("beginning to relay: %w", err)
	}
	go relayAll(listener, func() (net.Conn, error) { return session.OpenStream(context.Background()) })
	<-session.CloseChan()
	return nil
}

// listenRelay puts the socket in the place of a former relay's, whose connections go on as long as it lives.
func listenRelay() (net.Listener, error) {
	path := guestproto.GatewaySocket + "." + strconv.Itoa(os.Getpid())
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("listening for the task: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listening for the task: %w", err)
	}
	listener.SetUnlinkOnClose(false)
	// Only the task's container and this one lead to the socket.
	if err := errors.Join(os.Chmod(path, 0o666), os.Rename(path, guestproto.GatewaySocket)); err != nil {
		return nil, fmt.Errorf("listening for the task: %w", err)
	}
	return listener, nil
}

// stdio is this process's input and output as one.
type stdio struct{}

func (stdio) Read(p []byte) (int, error)  { return os.Stdin.Read(p) }
func (stdio) Write(p []byte) (int, error) { return os.Stdout.Write(p) }
func (stdio) Close() error                { return errors.Join(os.Stdin.Close(), os.Stdout.Close()) }

var _ io.ReadWriteCloser = stdio{}
