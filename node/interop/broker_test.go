package interop

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// startTimeout bounds the wait for a started broker's first accepted connection; a loaded machine needs
	// far more than the 200 ms that an idle one takes.
	startTimeout = 60 * time.Second
	// stopTimeout bounds a clean stop, after which the process is killed and the test fails.
	stopTimeout = 20 * time.Second
	// mostMemory is what a broker may hold here, far above what these tests need; one that runs away is stopped
	// before the machine is.
	mostMemory = 3 << 30
)

// brokerSettings are those that differ from the defaults. Without the first one every group's first join would
// wait three seconds for further members.
var brokerSettings = []string{
	"group.initial.rebalance.delay.ms=0",
	"auto.create.topics.enable=true",
	"num.partitions=1",
}

// A brokerProcess is one broker with its own data folder and port, both kept over restarts.
type brokerProcess struct {
	binary   string
	addr     string
	dataDir  string
	logPath  string
	settings []string // beside brokerSettings
	// listeners has a controller's listener too where the broker is one of several.
	listeners string

	cmd    *exec.Cmd
	exited chan error // receives the result of Wait once
}

// newBroker prepares a broker with its data under dir; it does not start it.
func newBroker(binary, dir string) (*brokerProcess, error) {
	addr, err := freeLoopbackAddress()
	if err != nil {
		return nil, err
	}
	return &brokerProcess{
		binary:    binary,
		addr:      addr,
		dataDir:   filepath.Join(dir, "data"),
		logPath:   filepath.Join(dir, "broker.log"),
		listeners: "PLAINTEXT://" + addr,
	}, nil
}

// named are the ports that were given to somebody, who may not listen yet or be about to restart.
var named sync.Map

// freeLoopbackAddress names a port that nobody listened on a moment ago, and each only once. It lies below those that
// systems hand out by themselves: one of these could be somebody's connection before the broker listens, or while it is
// restarted.
func freeLoopbackAddress() (string, error) {
	const lowest, highest, tries = 11_000, 32_000, 100
	var err error
	for range tries {
		port := lowest + rand.IntN(highest-lowest)
		if _, taken := named.LoadOrStore(port, true); taken {
			continue
		}
		var listener net.Listener
		listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			defer listener.Close()
			return listener.Addr().String(), nil
		}
	}
	return "", err
}

// start runs the broker and waits until it accepts connections.
func (b *brokerProcess) start() error {
	if err := b.launch(); err != nil {
		return err
	}
	return b.awaitListening()
}

// launch runs the broker. This is the one place that knows the command line.
func (b *brokerProcess) launch() error {
	args := []string{"serve", "--set", "listeners=" + b.listeners, "--set", "log.dirs=" + b.dataDir}
	for _, setting := range slices.Concat(brokerSettings, b.settings) {
		args = append(args, "--set", setting)
	}
	output, err := os.OpenFile(b.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer output.Close() // the child has its own descriptor

	b.cmd = exec.Command(b.binary, args...)
	b.cmd.Stdout, b.cmd.Stderr = output, output
	b.cmd.Env = append(os.Environ(), "GOTRACEBACK=crash")                // the stacks of running goroutines too
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // no broker outlives the tests
	if err := b.cmd.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func(cmd *exec.Cmd) { exited <- cmd.Wait() }(b.cmd)
	go limitMemory(b.cmd.Process, b.logPath)
	b.exited = exited
	return nil
}

// limitMemory asks a broker that holds more than mostMemory for its stacks, which also ends it.
func limitMemory(process *os.Process, logPath string) {
	for {
		statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", process.Pid))
		if err != nil {
			return // it is gone
		}
		var size, resident, file int64
		if _, err := fmt.Sscan(string(statm), &size, &resident, &file); err != nil {
			return
		}
		if (resident-file)*int64(os.Getpagesize()) > mostMemory {
			process.Signal(syscall.SIGQUIT)
			time.Sleep(5 * time.Second)
			process.Kill()
			appendLine(logPath, fmt.Sprintf("broker stopped by the test: it held more than %d bytes", int64(mostMemory)))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func appendLine(path, line string) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer file.Close()
	fmt.Fprintln(file, line)
}

// alive reports an exit that nobody asked for.
func (b *brokerProcess) alive() error {
	select {
	case err := <-b.exited:
		b.exited <- err
		return fmt.Errorf("broker exited during an earlier test: %v; its output is at the end", err)
	default:
		return nil
	}
}

func (b *brokerProcess) awaitListening() error {
	deadline := time.Now().Add(startTimeout)
	for time.Now().Before(deadline) {
		conn, err := net.DialTimeout("tcp", b.addr, time.Second)
		if err == nil {
			conn.Close()
			return nil
		}
		select {
		case err := <-b.exited:
			b.exited <- err
			return fmt.Errorf("broker exited at start: %v\n%s", err, b.logTail())
		case <-time.After(20 * time.Millisecond):
		}
	}
	b.kill()
	return fmt.Errorf("broker does not listen on %s after %v\n%s", b.addr, startTimeout, b.logTail())
}

// stop asks for a clean shutdown and reports anything but a zero exit status.
func (b *brokerProcess) stop() error {
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("broker was gone before it was stopped: %w\n%s", err, b.logTail())
	}
	select {
	case err := <-b.exited:
		b.exited <- err
		if err != nil {
			return fmt.Errorf("broker stopped with %w\n%s", err, b.logTail())
		}
		return nil
	case <-time.After(stopTimeout):
		b.kill()
		return fmt.Errorf("broker still runs %v after SIGTERM\n%s", stopTimeout, b.logTail())
	}
}

// kill ends the process without a chance to tidy up, and waits until it is gone.
func (b *brokerProcess) kill() {
	b.cmd.Process.Kill()
	err := <-b.exited
	b.exited <- err
}

// logTail is the end of what the broker printed.
func (b *brokerProcess) logTail() string {
	text, err := os.ReadFile(b.logPath)
	if err != nil {
		return err.Error()
	}
	// A panic says what it is at its beginning, a log has the news at its end.
	const most = 12 << 10
	if len(text) > 2*most {
		text = slices.Concat(text[:most], []byte("\n[...]\n"), text[len(text)-most:])
	}
	return "broker's output:\n" + string(bytes.TrimSpace(text))
}

// errNoBroker says that this tree gives no command to start.
var errNoBroker = errors.New("no broker to start")

// buildBroker compiles the command once for the whole test run.
var buildBroker = sync.OnceValues(func() (string, error) {
	if built := os.Getenv("OTTLA_INTEROP_BINARY"); built != "" {
		return filepath.Abs(built)
	}
	root := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(root, "tools", "ottla")); err != nil {
		return "", fmt.Errorf("%w: %w", errNoBroker, err)
	}
	binary := filepath.Join(scratch, "ottla")
	cmd := exec.Command("go", "build", "-o", binary, "./tools/ottla")
	cmd.Dir = root
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: building ./tools/ottla: %w\n%s", errNoBroker, err, output)
	}
	return binary, nil
})

// shared are the brokers that most tests talk to; TestMain stops them.
var shared brokerCluster

var startShared = sync.OnceValue(func() error {
	binary, err := buildBroker()
	if err != nil {
		return err
	}
	dir := filepath.Join(scratch, "shared")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	brokers, err := newCluster(binary, dir, brokerCount())
	if err != nil {
		return err
	}
	if err := brokers.start(); err != nil {
		brokers.kill()
		return err
	}
	shared = brokers
	return nil
})

// bootstrap gives the addresses of the server under test with commas, starting it at the first call.
func bootstrap(t *testing.T) string {
	t.Helper()
	if addr := os.Getenv("OTTLA_INTEROP_BOOTSTRAP"); addr != "" {
		return addr
	}
	requireEnabled(t)
	err := startShared()
	if errors.Is(err, errNoBroker) {
		missing(t, "broker", err.Error())
	}
	if err == nil {
		err = shared.alive()
	}
	if err != nil {
		t.Fatal(err)
	}
	return shared.bootstrap()
}

// ownBroker gives a stopped broker that the test may start, stop and kill as it likes.
func ownBroker(t *testing.T) *brokerProcess {
	t.Helper()
	if foreignServer() {
		t.Skip("needs a broker process of its own, and OTTLA_INTEROP_BOOTSTRAP names a server that already runs")
	}
	requireEnabled(t)
	binary, err := buildBroker()
	if errors.Is(err, errNoBroker) {
		missing(t, "broker", err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	broker, err := newBroker(binary, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if broker.cmd != nil {
			broker.kill()
		}
	})
	return broker
}

// foreignServer reports that the server under test was started by somebody else.
func foreignServer() bool { return os.Getenv("OTTLA_INTEROP_BOOTSTRAP") != "" }

// standIn reports that the server under test only pretends to be a broker.
func standIn() bool { return os.Getenv("OTTLA_INTEROP_STAND_IN") == "1" }
