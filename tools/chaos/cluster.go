package chaos

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// cluster is the brokers' processes.
type cluster struct {
	options *Options
	members []*member // broker id is at id-1

	mu     sync.Mutex
	deaths []string // of processes that nobody had ended
}

// member is one broker and its process, if it has one.
type member struct {
	id                   int
	clients, controllers string // addresses
	data                 string
	log                  string
	clock                string            // the file that says by how much its clock is wrong, or empty
	via                  map[string]string // addresses of others, and where to dial them
	disk                 *disk             // of its own, or nil

	cluster *cluster
	mu      sync.Mutex
	process *exec.Cmd
	ended   chan struct{} // closed when the process is gone
	wanted  bool          // to run
	paused  bool
}

func newCluster(o *Options) (*cluster, error) {
	c := &cluster{options: o}
	ports, err := freePorts(2 * brokers)
	if err != nil {
		return nil, err
	}
	for id := 1; id <= brokers; id++ {
		m := &member{id: id, clients: ports[2*id-2], controllers: ports[2*id-1], cluster: c,
			log: filepath.Join(o.Dir, fmt.Sprintf("broker-%d.log", id)), via: map[string]string{},
			data: filepath.Join(o.Dir, fmt.Sprintf("broker-%d", id))}
		if o.Drill == DrillClocks {
			m.clock = filepath.Join(o.Dir, fmt.Sprintf("clock-%d", id))
		}
		c.members = append(c.members, m)
	}
	return c, nil
}

// Ports are taken from below those that systems give to connections, so that they are free again for a broker that
// comes back.
const (
	firstPort = 20_000
	portRange = 12_000
)

// freePorts gives addresses on loopback that nobody listens on.
func freePorts(n int) (addresses []string, err error) {
	for range 100 * n {
		if len(addresses) == n {
			return addresses, nil
		}
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(portRange))
		l, err := net.Listen("tcp", address)
		if err == nil && !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
		if err == nil {
			l.Close()
		}
	}
	return nil, fmt.Errorf("chaos: no free ports from %d to %d", firstPort, firstPort+portRange)
}

func (c *cluster) voters() string {
	var voters []string
	for _, m := range c.members {
		voters = append(voters, fmt.Sprintf("%d@%s", m.id, m.controllers))
	}
	return strings.Join(voters, ",")
}

// seeds are the brokers' addresses for clients.
func (c *cluster) seeds() (all []string) {
	for _, m := range c.members {
		all = append(all, m.clients)
	}
	return all
}

// start starts the process, unless it runs.
func (m *member) start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wanted {
		return nil
	}
	log, err := os.OpenFile(m.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"serve"}
	for _, s := range append(settings(m.cluster, m), m.cluster.options.Set...) {
		args = append(args, "--set", s)
	}
	for _, to := range slices.Sorted(maps.Keys(m.via)) {
		args = append(args, "--dial-via", to+"="+m.via[to])
	}
	if m.clock != "" {
		args = append(args, "--clock-file", m.clock)
	}
	fmt.Fprintf(log, "--- %s starting\n", time.Now().Format(time.RFC3339Nano))
	cmd := exec.Command(m.cluster.options.Binary, args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, ownGroup()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("broker %d cannot be started: %w", m.id, err)
	}
	m.process, m.wanted, m.paused, m.ended = cmd, true, false, make(chan struct{})
	go m.wait(cmd, m.ended)
	return nil
}

// wait notes the end of a process.
func (m *member) wait(cmd *exec.Cmd, ended chan struct{}) {
	cmd.Wait()
	m.mu.Lock()
	surprise := m.wanted
	m.wanted = false
	m.mu.Unlock()
	if surprise {
		m.cluster.died(fmt.Sprintf("broker %d ended by itself (%s): %s", m.id, cmd.ProcessState, lastLines(m.log)))
	}
	close(ended)
}

func (c *cluster) died(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaths = append(c.deaths, text)
}

// takeDeaths returns what happened since the last call.
func (c *cluster) takeDeaths() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.deaths
	c.deaths = nil
	return d
}

// lastLines is the end of a broker's log, for a message.
func lastLines(name string) string {
	const most = 2000
	b, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(b[max(0, len(b)-most):]))
}

// running says whether there is a process that is not paused.
func (m *member) running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wanted && !m.paused
}

// kill ends the process as kill -9 does, and waits until it is gone. It is false if there was none.
func (m *member) kill() bool { return m.end(syscall.SIGKILL) == nil }

// end ends the process with a signal and waits for it.
func (m *member) end(s syscall.Signal) error {
	m.mu.Lock()
	if !m.wanted {
		m.mu.Unlock()
		return os.ErrProcessDone
	}
	m.wanted = false
	cmd, ended, paused := m.process, m.ended, m.paused
	m.mu.Unlock()
	cmd.Process.Signal(s)
	if paused && s != syscall.SIGKILL {
		cmd.Process.Signal(syscall.SIGCONT)
	}
	select {
	case <-ended:
		return nil
	case <-time.After(stopWithin):
		cmd.Process.Kill()
		<-ended
		return fmt.Errorf("broker %d did not stop within %s: %s", m.id, stopWithin, lastLines(m.log))
	}
}

// stopWithin bounds a clean stop.
const stopWithin = 40 * time.Second

// pause stops the process where it stands; it is false if it does not run.
func (m *member) pause() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.wanted || m.paused || m.process.Process.Signal(syscall.SIGSTOP) != nil {
		return false
	}
	m.paused = true
	return true
}

func (m *member) resume() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wanted && m.paused {
		m.process.Process.Signal(syscall.SIGCONT)
		m.paused = false
	}
}

// stopAll stops everybody cleanly and at once, and says who did not.
func (c *cluster) stopAll() (failed []string) {
	var all sync.WaitGroup
	errs := make([]error, len(c.members))
	for i, m := range c.members {
		all.Go(func() { errs[i] = m.end(syscall.SIGTERM) })
	}
	all.Wait()
	for i, m := range c.members {
		switch {
		case errs[i] != nil:
			failed = append(failed, errs[i].Error())
		case !m.process.ProcessState.Success():
			failed = append(failed, fmt.Sprintf("broker %d did not stop cleanly (%s): %s", m.id, m.process.ProcessState,
				lastLines(m.log)))
		}
	}
	return failed
}

// killAll leaves no process behind.
func (c *cluster) killAll() {
	for _, m := range c.members {
		m.kill()
	}
}
