// One socket in CLOSE_WAIT whose end of stream was read, by a program that then waits in a system call.
package main

import (
	"fmt"
	"net"
	"runtime"
	"syscall"
)

//go:noinline
func readPipe(fd int) int {
	data := make([]byte, 10)
	n, _ := syscall.Read(fd, data) // blocked
	return n + 1
}

//go:noinline
func serve(served net.Conn, pipe int) int {
	data := make([]byte, 10)
	for {
		if _, err := served.Read(data); err != nil {
			break
		}
	}
	fmt.Println("ready")
	return readPipe(pipe) + 1 // calls it
}

func main() {
	runtime.LockOSThread()
	pipe := make([]int, 2)
	syscall.Pipe(pipe)
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	client, _ := net.Dial("tcp", listener.Addr().String())
	served, _ := listener.Accept()
	client.Close()
	fmt.Println(serve(served, pipe[0]))
}
