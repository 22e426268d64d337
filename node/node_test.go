package node

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/wire"
	"ottla.dev/node/config"
)

// fake is a broker that is nothing but a control, which listens at once and stops when asked.
type fake struct {
	core.Outbox
	told  []config.Listener
	stays bool // does not stop
}

func (f *fake) Control() core.Machine                      { return f }
func (f *fake) Shards() int                                { return 0 }
func (f *fake) Shard(uint32) core.Machine                  { return nil }
func (f *fake) NewSession(uint32, wire.Class) core.Machine { return &closer{} }
func (f *fake) Identity() broker.Identity                  { return broker.Identity{ClusterID: "fake", NodeID: 7} }
func (f *fake) Deadline() (time.Duration, bool)            { return 0, false }

func (f *fake) Step(_ core.Instant, in core.Input) {
	switch in.Kind {
	case core.InputStart:
		f.Listen = true
		f.Note(core.Warn, "a sentence for the operator")
	case core.InputShutdown:
		f.Stopped = !f.stays
	case core.InputTick:
		f.Halt = "storage cannot be trusted"
	}
}

func (f *fake) Drain(out *core.Outbox) {
	out.Listen, out.Stopped = out.Listen || f.Listen, out.Stopped || f.Stopped
	out.Halt += f.Halt
	out.Notes = append(out.Notes, f.Notes...)
	f.Reset()
}

// closer is a session that says that it is done once its client is gone.
type closer struct{ core.Outbox }

func (c *closer) Deadline() (time.Duration, bool) { return 0, false }
func (c *closer) Step(_ core.Instant, in core.Input) {
	c.Close = in.Kind == core.InputDisconnected
	c.Resume = in.Kind == core.InputStart
}

func (c *closer) Drain(out *core.Outbox) {
	out.Close, out.Resume = out.Close || c.Close, out.Resume || c.Resume
	c.Reset()
}

func settings(t *testing.T, set ...string) *config.Config {
	t.Helper()
	s, err := config.Load(config.Input{Set: append([]string{"listeners=PLAINTEXT://127.0.0.1:0",
		"log.dirs=" + t.TempDir()}, set...)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func startFake(t *testing.T, f *fake, log io.Writer) *Node {
	t.Helper()
	n, err := Start(Config{Settings: settings(t), Metrics: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(log, nil)),
		compose: func(_ *config.Config, _ string, told []config.Listener) Machines { f.told = told; return f }})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func within(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Fatal("waited in vain for " + what)
	}
}

func TestANodeStartsServesAndStops(t *testing.T) {
	var log strings.Builder
	f := &fake{}
	n := startFake(t, f, &log)
	within(t, "the broker to be ready", n.Ready())
	if id := n.Identity(); id.ClusterID != "fake" || id.NodeID != 7 {
		t.Errorf("identity %+v", id)
	}
	if len(f.told) != 1 || f.told[0].Port == 0 || f.told[0] != n.Listeners()[0] {
		t.Errorf("clients are told %v, the broker listens on %v", f.told, n.Listeners())
	}
	client, err := net.Dial("tcp", n.Listeners()[0].Address())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	answer, err := http.Get("http://" + n.MetricsAddress().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	for _, name := range []string{"ottla_machine_steps_total", `ottla_sent_bytes_total{by="mapping"}`,
		`ottla_sent_bytes_total{by="copy"}`, "ottla_disk_sync_seconds", "ottla_connections"} {
		if !strings.Contains(string(text), name) {
			t.Errorf("no %s among the metrics", name)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := n.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	within(t, "the node to end", n.Done())
	if n.Err() != nil {
		t.Errorf("ended with %v", n.Err())
	}
	client.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := client.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client's connection is still open: %v", err)
	}
	if !strings.Contains(log.String(), "a sentence for the operator") {
		t.Errorf("the log lacks the note:\n%s", log.String())
	}
}

func TestAHaltEndsTheNodeWithItsReason(t *testing.T) {
	n := startFake(t, &fake{}, io.Discard)
	n.engine.Deliver(n.engine.Control(), core.Input{Kind: core.InputTick})
	within(t, "the node to end", n.Done())
	if n.Err() == nil || !strings.Contains(n.Err().Error(), "storage cannot be trusted") {
		t.Errorf("ended with %v", n.Err())
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := n.Shutdown(ctx); err == nil {
		t.Error("a halted node was shut down cleanly")
	}
}

func TestAShutdownThatTakesTooLongIsAnError(t *testing.T) {
	n := startFake(t, &fake{stays: true}, io.Discard)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := n.Shutdown(ctx); !errors.Is(err, errUnclean) {
		t.Errorf("Shutdown = %v, want %v", err, errUnclean)
	}
}

func TestAFailedStartLeavesTheFolderUnlocked(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := settings(t, "listeners=PLAINTEXT://"+taken.Addr().String())
	cfg := Config{Settings: s, Log: slog.New(slog.DiscardHandler),
		compose: func(*config.Config, string, []config.Listener) Machines { return &fake{} }}
	if _, err := Start(cfg); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Fatalf("Start = %v, want an error that names the address", err)
	}
	taken.Close()
	n, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := n.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
