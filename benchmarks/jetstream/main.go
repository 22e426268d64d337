package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `Jetstream runs a NATS server with JetStream, or puts a load on one.

  jetstream serve --listen 127.0.0.1:4222 --dir /tmp/js [--sync]
  jetstream produce --server 127.0.0.1:4222 --stream s --bytes 1000 --for 3s [--most 1000000000]
  jetstream consume --server 127.0.0.1:4222 --stream s --records 500000 --for 3s

`

func main() {
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	if len(os.Args) < 2 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "jetstream:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, mode string, args []string) error {
	var l load
	flags := flag.NewFlagSet(mode, flag.ExitOnError)
	flags.Usage = flag.Usage
	listen := flags.String("listen", "127.0.0.1:4222", "")
	dir := flags.String("dir", "", "")
	sync := flags.Bool("sync", false, "")
	flags.StringVar(&l.server, "server", "127.0.0.1:4222", "")
	flags.StringVar(&l.stream, "stream", "s", "")
	flags.IntVar(&l.bytes, "bytes", 1000, "")
	flags.Int64Var(&l.most, "most", 1<<40, "")
	flags.Int64Var(&l.records, "records", 0, "")
	flags.DurationVar(&l.duration, "for", 3*time.Second, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var got outcome
	var err error
	switch mode {
	case "serve":
		return serve(ctx, *listen, *dir, *sync)
	case "produce":
		got, err = l.produce(ctx)
	case "consume":
		got, err = l.consume(ctx)
	default:
		return fmt.Errorf("%q is none of serve, produce and consume", mode)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(got)
}
