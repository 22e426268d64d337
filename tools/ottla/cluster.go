package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
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
)

const clusterLong = `Cluster runs several brokers as processes on this machine, each with a data folder of its own.

Clients connect to any of them. Up to five of the brokers are controllers, too. What the brokers say is shown in one
view, each line with its broker's number, and so is who the controller is. Ctrl-C stops all of them, each cleanly.

The settings of each broker are written to a file beside its data. A broker that you have killed comes back with
'ottla serve DIR/broker-N.properties'; the same file is a beginning for a cluster on several hosts.`

const clusterExample = `  ottla cluster
  ottla cluster --brokers 5 --dir /tmp/five
  ottla cluster --port 19092 --controller-port 19192 --set num.partitions=6`

type clusterOptions struct {
	brokers        int
	port           int
	controllerPort int
	dir            string
	set            []string
}

const (
	// The bounds of what cluster starts.
	maxClusterBrokers = 20
	maxClusterVoters  = 5
	// clusterStart is how long the brokers may take to be ready, logs that have to be checked among it, before the user
	// is told that it takes long.
	clusterStart = 20 * time.Second
)

func newCluster() *cobra.Command {
	var o clusterOptions
	cmd := &cobra.Command{
		Use:     "cluster",
		Short:   "Run a cluster of several brokers on this machine",
		Long:    clusterLong,
		Example: clusterExample,
		Args:    usage(cobra.NoArgs),
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
	flags.StringVar(&o.dir, "dir", "./ottla-cluster", "the `folder` that holds the brokers' settings and data")
	flags.StringArrayVar(&o.set, "set", nil, "a setting of all brokers, as `key=value`; may be repeated")
	kafkaFlagNames(flags, map[string]string{"data": "dir"})
	return cmd
}

// voters is how many of the brokers are controllers, too.
func (o clusterOptions) voters() int { return min(o.brokers, maxClusterVoters) }

func (o clusterOptions) address(id int) string {
	return fmt.Sprintf("127.0.0.1:%d", o.port+id-1)
}

func (o clusterOptions) controllerAddress(id int) string {
	return fmt.Sprintf("127.0.0.1:%d", o.controllerPort+id-1)
}

// addresses are those of all brokers.
func (o clusterOptions) addresses() []string {
	var all []string
	for id := 1; id <= o.brokers; id++ {
		all = append(all, o.address(id))
	}
	return all
}

func (o clusterOptions) dataDir(id int) string {
	return filepath.Join(o.dir, "broker-"+strconv.Itoa(id))
}

func (o clusterOptions) propertiesFile(id int) string { return o.dataDir(id) + ".properties" }

// settings are what broker id is started with, before those of the user.
func (o clusterOptions) settings(id int) []string {
	var voters []string
	for v := 1; v <= o.voters(); v++ {
		voters = append(voters, fmt.Sprintf("%d@%s", v, o.controllerAddress(v)))
	}
	copies := strconv.Itoa(min(o.brokers, 3))
	listeners, roles := "PLAINTEXT://"+o.address(id), "broker"
	if id <= len(voters) {
		listeners += ",CONTROLLER://" + o.controllerAddress(id)
		roles = "broker,controller"
	}
	return []string{
		"node.id=" + strconv.Itoa(id),
		"process.roles=" + roles,
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"controller.listener.names=CONTROLLER",
		"listeners=" + listeners,
		"log.dirs=" + o.dataDir(id),
		"default.replication.factor=" + copies,
		"offsets.topic.replication.factor=" + copies,
		"min.insync.replicas=" + strconv.Itoa((min(o.brokers, 3)+1)/2),
	}
}

// writeProperties writes the file that broker id reads. A setting of the user's that comes later wins.
func (o clusterOptions) writeProperties(id int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Broker %d of %d, written by 'ottla cluster' at each start: its --set changes it.\n", id, o.brokers)
	given := map[string]bool{}
	for _, s := range o.set {
		key, _, _ := strings.Cut(s, "=")
		given[strings.TrimSpace(key)] = true
	}
	for _, s := range o.settings(id) {
		if key, _, _ := strings.Cut(s, "="); !given[key] {
			fmt.Fprintln(&b, s)
		}
	}
	for _, s := range o.set {
		fmt.Fprintln(&b, s)
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return fmt.Errorf("cannot make the folder of the cluster: %w\nchoose another with --dir", err)
	}
	if err := os.WriteFile(o.propertiesFile(id), []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("cannot write the settings of broker %d: %w", id, err)
	}
	return nil
}

// prepare writes the settings of all brokers. The folder of a cluster of another size is left alone: brokers do not
// become members of a quorum by being started.
func (o clusterOptions) prepare() error {
	found, err := filepath.Glob(filepath.Join(o.dir, "broker-*.properties"))
	if err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	if len(found) > 0 && len(found) != o.brokers {
		return fmt.Errorf("%s has a cluster of %d brokers: run it with --brokers %d, "+
			"or choose another folder with --dir", o.dir, len(found), len(found))
	}
	for id := 1; id <= o.brokers; id++ {
		if err := o.writeProperties(id); err != nil {
			return err
		}
	}
	return nil
}

// portsTaken names what is taken of the ports that the cluster needs, and what to do.
func (o clusterOptions) portsTaken() error {
	var taken []string
	for id := 1; id <= o.brokers; id++ {
		need := []string{o.address(id)}
		if id <= o.voters() {
			need = append(need, o.controllerAddress(id))
		}
		for _, address := range need {
			listener, err := net.Listen("tcp", address)
			if err != nil {
				taken = append(taken, address[strings.LastIndex(address, ":")+1:])
				continue
			}
			listener.Close()
		}
	}
	if len(taken) == 0 {
		return nil
	}
	const further = 10000
	return fmt.Errorf("the cluster needs ports that other programs have taken: %s\n"+
		"is a cluster running already? stop it, or choose other ports, for example\n"+
		"  ottla cluster --brokers %d --port %d --controller-port %d --dir ./other-cluster", strings.Join(taken, ", "),
		o.brokers, (o.port+further)%65000, (o.controllerPort+further)%65000)
}

func runCluster(out io.Writer, o clusterOptions) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := o.portsTaken(); err != nil {
		return err
	}
	if err := o.prepare(); err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	run := &clusterRun{o: o, view: newView(out), ended: make(chan member, o.brokers), ready: make(chan struct{})}
	for id := 1; id <= o.brokers; id++ {
		if err := run.startMember(self, id); err != nil {
			run.signal(syscall.SIGTERM)
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go run.followController(ctx)
	return run.untilEnd(signals, cancel)
}

// clusterRun is a cluster that runs.
type clusterRun struct {
	o       clusterOptions
	view    *view
	members []member
	ended   chan member
	ready   chan struct{} // closed when all brokers have been there
}

// member is a broker's process.
type member struct {
	id  int
	cmd *exec.Cmd
}

// untilEnd waits for Ctrl-C, or for all brokers to be gone. A broker that ends before all have been there has failed to
// start, and the others are stopped; one that ends later has been killed, and the others go on.
func (r *clusterRun) untilEnd(signals <-chan os.Signal, cancel func()) error {
	stopping, left, failed := false, len(r.members), error(nil)
	var asked time.Time
	stop := func(why string) {
		stopping, asked = true, time.Now()
		cancel()
		r.view.line(clusterName, why)
		r.signal(syscall.SIGTERM)
	}
	slow := time.After(clusterStart)
	for left > 0 {
		select {
		case m := <-r.ended:
			left--
			switch {
			case stopping:
			case !r.isReady():
				failed = exitError{1, fmt.Sprintf("broker %d could not start; what it said is above", m.id)}
				stop(fmt.Sprintf("Broker %d could not start (%s). Stopping the others.", m.id, m.cmd.ProcessState))
			default:
				r.view.line(clusterName, fmt.Sprintf("Broker %d has ended: %s. Start it again with: %s serve %s", m.id,
					m.cmd.ProcessState, commandName(), r.o.propertiesFile(m.id)))
			}
		case <-slow:
			if !r.isReady() && !stopping {
				r.view.line(clusterName, "Not all brokers are there yet. After a crash they check their logs first.")
			}
		case <-signals:
			if !stopping {
				stop("Stopping all brokers. A second Ctrl-C stops them at once.")
			} else if time.Since(asked) >= sameSignal {
				r.signal(syscall.SIGKILL)
			}
		}
	}
	if stopping {
		r.view.line(clusterName, "All brokers have stopped.")
		return failed
	}
	return exitError{1, "all brokers have ended"}
}

func (r *clusterRun) isReady() bool {
	select {
	case <-r.ready:
		return true
	default:
		return false
	}
}

// startMember starts a broker in a process group of its own, so that Ctrl-C comes to it through here alone.
func (r *clusterRun) startMember(self string, id int) error {
	cmd := exec.Command(self, "serve", "--quiet", r.o.propertiesFile(id))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start broker %d: %w", id, err)
	}
	var shown sync.WaitGroup
	shown.Go(func() {
		lines := bufio.NewScanner(reader)
		for lines.Scan() {
			r.view.line(strconv.Itoa(id), lines.Text())
		}
		io.Copy(io.Discard, reader) // whatever is no line must not block the broker
	})
	m := member{id, cmd}
	go func() {
		cmd.Wait()
		writer.Close()
		shown.Wait()
		r.ended <- m
	}()
	r.members = append(r.members, m)
	return nil
}

// signal sends it to all brokers; those that are gone do not mind.
func (r *clusterRun) signal(s os.Signal) {
	for _, m := range r.members {
		m.cmd.Process.Signal(s)
	}
}
