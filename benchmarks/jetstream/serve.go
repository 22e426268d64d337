package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// readyWithin is for how long a server may start.
const readyWithin = 30 * time.Second

// serve runs a server until the context ends. With sync it writes to the disk before it acknowledges; without, it is as
// NATS does it by default, every two minutes.
func serve(ctx context.Context, listen, dir string, sync bool) error {
	host, digits, err := net.SplitHostPort(listen)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(digits)
	if err != nil || dir == "" {
		return fmt.Errorf("--listen %s needs a port, and --dir a folder", listen)
	}
	s, err := server.NewServer(&server.Options{Host: host, Port: port, JetStream: true, StoreDir: dir, SyncAlways: sync,
		NoSigs: true, DontListen: false})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(readyWithin) {
		return errors.New("the server is not ready")
	}
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}
