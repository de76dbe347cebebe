package main

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// cause is the error number below what the standard library wraps around it.
func cause(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// network tries every way out. Its arguments are the host's address with a port where TCP and UDP are answered, and
// the name of an abstract socket that is listened on in the host's network namespace.
func network(arguments []string) {
	host, abstract := arguments[0], arguments[1]
	say("tcp", dial("tcp", host))
	say("udp", askUDP(host))
	say("metadata", dial("tcp", "169.254.169.254:80"))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err := net.DefaultResolver.LookupHost(ctx, "example.com")
	if err != nil {
		err = errors.New("no answer")
	}
	say("dns", err)
	say("abstract", dial("unix", "@"+abstract))
	say("vsock", socket(40, syscall.SOCK_STREAM, 0))
	say("packet", socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0))
	say("ping", socket(syscall.AF_INET, syscall.SOCK_DGRAM, syscall.IPPROTO_ICMP))
	say("netlink-uevent", socket(syscall.AF_NETLINK, syscall.SOCK_RAW, 15))
	say("netlink-route", socket(syscall.AF_NETLINK, syscall.SOCK_RAW, 0))
	say("loopback", loopback())
}

func dial(network, address string) error {
	conn, err := net.DialTimeout(network, address, 2*time.Second)
	if err != nil {
		if os.IsTimeout(err) {
			return errors.New("timeout")
		}
		return cause(err)
	}
	return conn.Close()
}

func askUDP(address string) error {
	conn, err := net.DialTimeout("udp", address, 2*time.Second)
	if err != nil {
		return cause(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		return cause(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	if _, err := conn.Read(make([]byte, 16)); err != nil {
		return errors.New("no answer")
	}
	return nil
}

// loopback is what must work.
func loopback() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	return dial("tcp", listener.Addr().String())
}

func socket(family, kind, protocol int) error {
	fd, err := syscall.Socket(family, kind, protocol)
	if err != nil {
		return err
	}
	return syscall.Close(fd)
}
