// SPDX-License-Identifier: Apache-2.0

// A server with a fault: it reads each connection to the end of its stream and never closes it.
// forgetful PORT plain|mptcp|closes: plain is net.Listen with its defaults (keepalive every 15 s);
// mptcp listens as Go 1.24 and later do by default; closes has no fault. The process exits with 0
// at the end of stdin.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

const ipprotoMPTCP = 262

var (
	held []net.Conn
	lock sync.Mutex
)

func listen(port, what string) (net.Listener, error) {
	if what != "mptcp" {
		return new(net.ListenConfig).Listen(context.Background(), "tcp", ":"+port)
	}
	var number int
	fmt.Sscan(port, &number)
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, ipprotoMPTCP)
	if err != nil {
		return nil, err
	}
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err := syscall.Bind(fd, &syscall.SockaddrInet6{Port: number}); err != nil {
		return nil, err
	}
	if err := syscall.Listen(fd, 128); err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	return net.FileListener(file)
}

func serve(connection net.Conn, what string) {
	io.Copy(connection, connection)
	if what == "closes" {
		connection.Close()
		return
	}
	lock.Lock()
	held = append(held, connection) // the collector would close it
	lock.Unlock()
}

func main() {
	listener, err := listen(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(connection, os.Args[2])
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}
