package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopWithin is how long a process gets for a clean stop before it is killed.
const stopWithin = 20 * time.Second

// process is a broker's.
type process struct {
	name, address, dir string
	metrics            string // where it serves metrics, "" nowhere
	nats               string // the client's program, of a server of NATS
	cmd                *exec.Cmd
	said               *tail
	began              time.Time
	done               chan struct{} // closed when it has ended
	spent              float64       // CPU-seconds at its end
}

// tail keeps the last that a process said, for errors.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(len(t.text)-tailBytes, 0):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}

// launch starts a command that ends with this process, whichever way that goes.
func launch(name, dir, address string, command []string) (*process, error) {
	p := &process{name: name, dir: dir, address: address, cmd: exec.Command(command[0], command[1:]...), said: &tail{},
		done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	endWithParent(p.cmd)
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	go func() {
		p.cmd.Wait()
		if s := p.cmd.ProcessState; s != nil {
			p.spent = (s.UserTime() + s.SystemTime()).Seconds()
		}
		close(p.done)
	}()
	return p, nil
}

// ended is true when the process is gone.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// listens waits until the process takes connections.
func (p *process) listens(within time.Duration) error {
	for deadline := p.began.Add(within); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if p.ended() {
			return fmt.Errorf("%s ended before it was ready (%s); it said:\n%s", p.name, p.cmd.ProcessState, p.said)
		}
		if conn, err := net.Dial("tcp", p.address); err == nil {
			conn.Close()
			return nil
		}
	}
	return fmt.Errorf("%s was not ready within %v; it said:\n%s", p.name, within, p.said)
}

// stop ends the process cleanly, or not if that takes too long. It may be called again.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopWithin):
		p.kill()
	}
}

// kill ends the process at once.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// ticks a second of the times in /proc, which Linux gives all programs the same.
const ticks = 100

// cpu is the processor time that the process has used, in seconds; of one that is gone what it had used at its end.
func (p *process) cpu() (float64, error) {
	if p.ended() {
		return p.spent, nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("the processor time of %s: %w", p.name, err)
	}
	return parseStat(string(text))
}

// parseStat sums user and system time of /proc/PID/stat. The name of the command, in parentheses, may hold anything.
func parseStat(text string) (float64, error) {
	end := strings.LastIndexByte(text, ')')
	f := strings.Fields(text[end+1:])
	const user, system = 11, 12 // counted from the third field, which is the first behind the name
	if end < 0 || len(f) <= system {
		return 0, fmt.Errorf("/proc/PID/stat: %q", text)
	}
	u, err1 := strconv.Atoi(f[user])
	s, err2 := strconv.Atoi(f[system])
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/PID/stat: %q", text)
	}
	return float64(u+s) / ticks, nil
}

// memory reads a figure of /proc/PID/status in bytes: VmRSS for what is resident, VmHWM for the most that was.
func (p *process) memory(key string) float64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), key+":"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kb * 1024
		}
	}
	return 0
}

// metric reads one of the broker's own metrics, by its name with its labels.
func (p *process) metric(name string) (float64, error) {
	got, err := http.Get("http://" + p.metrics + "/metrics")
	if err != nil {
		return 0, fmt.Errorf("the metrics of %s: %w", p.name, err)
	}
	defer got.Body.Close()
	for lines := bufio.NewScanner(got.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("%s has no metric %s", p.name, name)
}

// forgetPeak makes VmHWM begin anew.
func (p *process) forgetPeak() {
	const peak = "5"
	os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte(peak), 0)
}

// cluster is the brokers of one kind that run together.
type cluster []*process

func (c cluster) addresses() (all []string) {
	for _, p := range c {
		all = append(all, p.address)
	}
	return all
}

func (c cluster) cpu() (sum float64, err error) {
	for _, p := range c {
		s, err := p.cpu()
		if err != nil {
			return 0, err
		}
		sum += s
	}
	return sum, nil
}

func (c cluster) memory(key string) (sum float64) {
	for _, p := range c {
		sum += p.memory(key)
	}
	return sum
}

// stop ends all at the same time, so that none waits for another that is gone.
func (c cluster) stop() {
	var group sync.WaitGroup
	for _, p := range c {
		group.Go(p.stop)
	}
	group.Wait()
}

// coolCaches writes everything to disk and drops the cluster's files from the page cache.
func (c cluster) coolCaches() error {
	for _, p := range c {
		err := filepath.WalkDir(p.dir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return nil // brokers delete files while we walk
			}
			f, err := os.Open(path)
			if err != nil {
				return nil
			}
			defer f.Close()
			f.Sync()
			return dropPages(f)
		})
		if err != nil {
			return fmt.Errorf("cannot drop the pages of %s: %w", p.dir, err)
		}
	}
	return nil
}

// freePorts finds n ports that nobody uses.
func freePorts(n int) (ports []string, err error) {
	var held []io.Closer
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		ports = append(ports, l.Addr().String())
	}
	return ports, nil
}
