package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const clusterLong = `Cluster runs several brokers as processes on this machine, each with a data folder of its own.

Clients connect to any of them. Up to five of the brokers are controllers, too. What the brokers say is shown in one
view, each line with its broker's number. Ctrl-C stops all of them, each cleanly.`

const clusterExample = `  ottla cluster
  ottla cluster --brokers 5 --data /tmp/five
  ottla cluster --port 19092 --controller-port 19192 --set num.partitions=6`

type clusterOptions struct {
	brokers        int
	port           int
	controllerPort int
	data           string
	set            []string
}

// The bounds of what cluster starts.
const (
	maxClusterBrokers = 20
	maxClusterVoters  = 5
)

func newCluster() *cobra.Command {
	var o clusterOptions
	cmd := &cobra.Command{
		Use:     "cluster",
		Short:   "Run a cluster of several brokers on this machine",
		Long:    clusterLong,
		Example: clusterExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.brokers < 1 || o.brokers > maxClusterBrokers {
				return exitError{exitUsage, fmt.Sprintf("--brokers must be from 1 to %d", maxClusterBrokers)}
			}
			return runCluster(cmd.OutOrStdout(), o)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.brokers, "brokers", 3, "how many `brokers` to run")
	flags.IntVar(&o.port, "port", 9092, "the `port` of the first broker; the others follow")
	flags.IntVar(&o.controllerPort, "controller-port", 9192, "the `port` of the first controller; the others follow")
	flags.StringVar(&o.data, "data", "./ottla-cluster", "the `folder` that holds the brokers' data folders")
	flags.StringArrayVar(&o.set, "set", nil, "a setting of all brokers, as `key=value`; may be repeated")
	return cmd
}

// clusterSettings are what broker id is started with, before those of the user.
func clusterSettings(o clusterOptions, id int) []string {
	var voters []string
	for v := 1; v <= min(o.brokers, maxClusterVoters); v++ {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", v, o.controllerPort+v-1))
	}
	copies := strconv.Itoa(min(o.brokers, 3))
	listeners := fmt.Sprintf("PLAINTEXT://127.0.0.1:%d", o.port+id-1)
	roles := "broker"
	if id <= len(voters) {
		listeners += fmt.Sprintf(",CONTROLLER://127.0.0.1:%d", o.controllerPort+id-1)
		roles = "broker,controller"
	}
	return []string{
		"node.id=" + strconv.Itoa(id),
		"process.roles=" + roles,
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"controller.listener.names=CONTROLLER",
		"listeners=" + listeners,
		"log.dirs=" + filepath.Join(o.data, "broker-"+strconv.Itoa(id)),
		"default.replication.factor=" + copies,
		"offsets.topic.replication.factor=" + copies,
		"min.insync.replicas=" + strconv.Itoa((min(o.brokers, 3)+1)/2),
	}
}

// member is a broker's process.
type member struct {
	id  int
	cmd *exec.Cmd
}

func runCluster(out io.Writer, o clusterOptions) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	view := &view{out: out}
	ended := make(chan member, o.brokers)
	var members []member
	for id := 1; id <= o.brokers; id++ {
		m, err := startMember(self, o, id, view, ended)
		if err != nil {
			stopMembers(members, syscall.SIGTERM)
			return err
		}
		members = append(members, m)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go followController(ctx, view, o)
	stopping, left := false, len(members)
	var asked time.Time
	for left > 0 {
		select {
		case m := <-ended:
			left--
			if !stopping {
				view.line("cluster", fmt.Sprintf("broker %d has ended: %s", m.id, m.cmd.ProcessState))
			}
		case <-signals:
			if stopping {
				if time.Since(asked) >= sameSignal {
					stopMembers(members, syscall.SIGKILL)
				}
				continue
			}
			stopping, asked = true, time.Now()
			cancel()
			view.line("cluster", "Stopping all brokers. A second signal stops them at once.")
			stopMembers(members, syscall.SIGTERM)
		}
	}
	cancel()
	if !stopping {
		return exitError{1, "all brokers have ended"}
	}
	return nil
}

// startMember starts a broker in a process group of its own, so that Ctrl-C comes to it through here alone.
func startMember(self string, o clusterOptions, id int, v *view, ended chan<- member) (member, error) {
	args := []string{"serve"}
	for _, s := range append(clusterSettings(o, id), o.set...) {
		args = append(args, "--set", s)
	}
	cmd := exec.Command(self, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		return member{}, fmt.Errorf("cannot start broker %d: %w", id, err)
	}
	var shown sync.WaitGroup
	shown.Go(func() {
		lines := bufio.NewScanner(reader)
		for lines.Scan() {
			v.line(strconv.Itoa(id), lines.Text())
		}
		io.Copy(io.Discard, reader) // whatever is no line must not block the broker
	})
	m := member{id, cmd}
	go func() {
		cmd.Wait()
		writer.Close()
		shown.Wait()
		ended <- m
	}()
	return m, nil
}

func stopMembers(members []member, s os.Signal) {
	for _, m := range members {
		m.cmd.Process.Signal(s)
	}
}

// view is what the brokers say, line by line.
type view struct {
	mu  sync.Mutex
	out io.Writer
}

func (v *view) line(who, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintf(v.out, "%7s | %s\n", who, text)
}

// controllerEvery is how often the brokers are asked who the controller is.
const controllerEvery = time.Second

// followController says who the controller is, and again when it is another.
func followController(ctx context.Context, v *view, o clusterOptions) {
	var seeds []string
	for id := 1; id <= o.brokers; id++ {
		seeds = append(seeds, fmt.Sprintf("127.0.0.1:%d", o.port+id-1))
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.RetryTimeout(controllerEvery))
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
		if err == nil && (resp.ControllerID != last || len(resp.Brokers) != brokers) {
			last, brokers = resp.ControllerID, len(resp.Brokers)
			v.line("cluster", fmt.Sprintf("%d of %d brokers are there; the controller is %d", brokers, o.brokers, last))
		}
		select {
		case <-ctx.Done():
		case <-time.After(controllerEvery / 4):
		}
	}
}
