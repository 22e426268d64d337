package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "the `address` to listen at")
	dir := flag.String("dir", "", "the `folder` for the logs")
	durable := flag.Bool("sync", false, "answer producers when the records are on disk")
	flag.Parse()
	if *dir == "" {
		fmt.Fprintln(os.Stderr, "limit: --dir says where the logs go; --help has the rest")
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "limit:", run(*listen, *dir, *durable))
	os.Exit(1)
}

// run serves until something fails; a signal ends the process.
func run(listen, dir string, durable bool) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	debug.SetGCPercent(400)
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	s := newStore(dir)
	if durable {
		if s.committer, err = newCommitter(dir); err != nil {
			return err
		}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-signals
		os.Exit(0)
	}()
	fmt.Printf("listening %s\n", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go newPeer(conn.(*net.TCPConn), s).serve()
	}
}
