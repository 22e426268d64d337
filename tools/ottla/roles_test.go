package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// process is an ottla serve, which dies with the test.
type process struct {
	settings []string
	log      string
	cmd      *exec.Cmd
}

// buildOttla builds the command that the test belongs to.
func buildOttla(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs processes")
	}
	binary := filepath.Join(t.TempDir(), "ottla")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func (p *process) start(t *testing.T, binary string) {
	t.Helper()
	args := []string{"serve"}
	for _, s := range p.settings {
		args = append(args, "--set", s)
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(binary, args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// ports finds ports that nobody listens on.
func ports(t *testing.T, n int) []int {
	t.Helper()
	var found []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		found = append(found, l.Addr().(*net.TCPAddr).Port)
	}
	return found
}

// split is three controllers and two brokers, each a process of one role.
type split struct {
	t       *testing.T
	binary  string
	nodes   []*process // by id - 1: 1 to 3 are controllers
	brokers []string   // addresses
	clients []*kgo.Client
}

func startSplit(t *testing.T) *split {
	s := &split{t: t, binary: buildOttla(t)}
	p, dir := ports(t, 5), t.TempDir()
	var voters []string
	for i := range 3 {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i+1, p[i]))
	}
	for i := range 5 {
		role, listener := "controller", "CONTROLLER"
		if i >= 3 {
			role, listener = "broker", "PLAINTEXT"
			s.brokers = append(s.brokers, fmt.Sprintf("127.0.0.1:%d", p[i]))
		}
		s.nodes = append(s.nodes, &process{log: filepath.Join(dir, fmt.Sprint(i+1, ".log")), settings: []string{
			fmt.Sprintf("node.id=%d", i+1), "process.roles=" + role, "controller.listener.names=CONTROLLER",
			"controller.quorum.voters=" + strings.Join(voters, ","), "log.dirs=" + filepath.Join(dir, fmt.Sprint(i+1)),
			fmt.Sprintf("listeners=%s://127.0.0.1:%d", listener, p[i]), "offsets.topic.replication.factor=2"}})
	}
	for i, n := range s.nodes {
		n.start(t, s.binary)
		client, err := kgo.NewClient(kgo.SeedBrokers(fmt.Sprintf("127.0.0.1:%d", p[i])), kgo.RequestRetries(0),
			kgo.RetryTimeout(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		s.clients = append(s.clients, client)
	}
	t.Cleanup(func() {
		for i, n := range s.nodes {
			s.clients[i].Close()
			n.kill()
			if text, err := os.ReadFile(n.log); err == nil && t.Failed() {
				t.Logf("node %d:\n%s", i+1, text)
			}
		}
	})
	return s
}

// leader asks the controllers but one who leads, and gives the epoch and the high watermark.
func (s *split) leader(except int32) (leader, epoch int32, high int64, ok bool) {
	for i := range int32(3) {
		if i+1 == except {
			continue
		}
		req := kmsg.NewPtrDescribeQuorumRequest()
		req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "__cluster_metadata",
			Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		resp, err := s.clients[i].SeedBrokers()[0].Request(ctx, req)
		cancel()
		if err != nil {
			continue
		}
		if r := resp.(*kmsg.DescribeQuorumResponse); r.ErrorCode == 0 && len(r.Topics) == 1 {
			p := &r.Topics[0].Partitions[0]
			return p.LeaderID, p.LeaderEpoch, p.HighWatermark, true
		}
	}
	return 0, 0, 0, false
}

// Three controllers and two brokers, all processes of one role, serve clients while every controller is killed once.
// A new leader has committed a record of its epoch within a second of the death of the old one.
func TestControllersAloneSettleAnElectionWithinOneSecond(t *testing.T) {
	s := startSplit(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, err = kadm.NewClient(client).CreateTopic(ctx, 2, 2, nil, "t"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	var took []time.Duration
	for round := range 6 {
		time.Sleep(1500 * time.Millisecond) // for the node of the last round to be back
		leader, epoch, high, ok := s.leader(0)
		if !ok {
			t.Fatal("no leader")
		}
		s.nodes[leader-1].kill()
		died := time.Now()
		for {
			_, e, h, ok := s.leader(leader)
			if ok && e > epoch && h > high {
				break
			}
			if time.Since(died) > 10*time.Second {
				t.Fatal("no leader after 10 s")
			}
			time.Sleep(2 * time.Millisecond)
		}
		took = append(took, time.Since(died))
		if err := client.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(round))).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if _, err := kadm.NewClient(client).CreateTopic(ctx, 1, 2, nil, fmt.Sprint("after-", round)); err != nil {
			t.Error(err)
		}
		s.nodes[leader-1].start(t, s.binary)
	}
	t.Log(took)
	slices.Sort(took)
	if median := took[len(took)/2]; median > time.Second { // a loaded machine may delay one of them
		t.Errorf("median %v", median)
	}
}
