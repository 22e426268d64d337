package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/tools/admin"
)

// clusterName is who speaks when it is none of the brokers.
const clusterName = "cluster"

// view is what the brokers say, line by line.
type view struct {
	mu     sync.Mutex
	out    io.Writer
	colour bool
}

func newView(out io.Writer) *view { return &view{out: out, colour: admin.Colours(out)} }

// brokerColours tell neighbours apart; the cluster's own lines are bold.
var brokerColours = [...]string{"\x1b[36m", "\x1b[33m", "\x1b[35m", "\x1b[32m", "\x1b[34m"}

func (v *view) line(who, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	prefix := fmt.Sprintf("%7s |", who)
	if v.colour {
		start := "\x1b[1m"
		if who != clusterName {
			start = brokerColours[int(who[len(who)-1]-'0')%len(brokerColours)]
		}
		prefix = start + prefix + "\x1b[0m"
	}
	fmt.Fprintln(v.out, strings.TrimRight(prefix+" "+text, " "))
}

// controllerEvery is how often the brokers are asked who the controller is.
const controllerEvery = time.Second

// followController says when all brokers are there, who the controller is, and when any of that changes.
func (r *clusterRun) followController(ctx context.Context) {
	client, err := kgo.NewClient(kgo.SeedBrokers(r.o.addresses()...), kgo.RetryTimeout(controllerEvery))
	if err != nil {
		return
	}
	defer client.Close()
	last, brokers := int32(-1), 0
	for ctx.Err() == nil {
		req := kmsg.NewPtrDescribeClusterRequest()
		each, cancel := context.WithTimeout(ctx, controllerEvery)
		resp, err := req.RequestWith(each, client)
		cancel()
		if err == nil && ctx.Err() == nil {
			if !r.isReady() && len(resp.Brokers) == r.o.brokers && resp.ControllerID >= 0 {
				r.banner(resp.ControllerID)
				last, brokers = resp.ControllerID, len(resp.Brokers)
				close(r.ready)
			}
			if r.isReady() {
				r.news(last, resp.ControllerID, brokers, len(resp.Brokers))
				last, brokers = resp.ControllerID, len(resp.Brokers)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(controllerEvery / 4):
		}
	}
}

// news are what has changed since the last look.
func (r *clusterRun) news(oldController, controller int32, oldBrokers, brokers int) {
	switch {
	case controller == oldController:
	case controller < 0:
		r.view.line(clusterName, fmt.Sprintf("There is no controller; it was %d.", oldController))
	default:
		r.view.line(clusterName, fmt.Sprintf("The controller is now %d.", controller))
	}
	if brokers != oldBrokers {
		r.view.line(clusterName, fmt.Sprintf("%d of %d brokers are there.", brokers, r.o.brokers))
	}
}

// banner says what a person needs who has just started a cluster.
func (r *clusterRun) banner(controller int32) {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s of Ottla %s are ready.\n\n", count(r.o.brokers, "broker"), version)
	table := admin.NewTable("  BROKER", "ADDRESS", "PROCESS", "DATA", "CONTROLLER")
	for _, m := range r.members {
		mark := ""
		if int32(m.id) == controller {
			mark = "*"
		}
		table.Row(admin.Plain, fmt.Sprintf("  %6d", m.id), r.o.address(m.id), fmt.Sprint(m.cmd.Process.Pid),
			r.o.dataDir(m.id), mark)
	}
	table.Write(&b, false)
	me, at := commandName(), ""
	if r.o.address(1) != admin.DefaultServer {
		at = " -b " + r.o.address(1)
	}
	victim := r.members[len(r.members)-1]
	fmt.Fprintf(&b, "\n  bootstrap servers  %s\n\n", strings.Join(r.o.addresses(), ","))
	fmt.Fprintf(&b, "Try in another terminal:\n  %s topic create hello --partitions 6%s\n", me, at)
	fmt.Fprintf(&b, "  %s topic describe hello%s\n", me, at)
	if r.o.brokers > 2 {
		fmt.Fprintf(&b, "  kill -9 %-8d and broker %d is gone; see who leads now\n", victim.cmd.Process.Pid, victim.id)
	}
	fmt.Fprintf(&b, "Ctrl-C stops all.\n\n")
	for line := range strings.Lines(b.String()) {
		r.view.line(clusterName, strings.TrimRight(line, "\n"))
	}
}

// commandName is how the user called this program, as far as it can be typed again.
func commandName() string {
	name := os.Args[0]
	if strings.Contains(name, "go-build") {
		return "go run ./tools/ottla"
	}
	return name
}
