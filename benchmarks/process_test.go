package benchmarks

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// folder is where the binary goes.
var folder string

// build compiles ottla once.
var build = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(folder, "ottla")
	cmd := exec.Command("go", "build", "-o", binary, "ottla.dev/tools/ottla")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
})

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "ottla-bench"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// broker is `ottla serve` as a process of its own.
type broker struct {
	cmd              *exec.Cmd
	address, metrics string
}

// ticks a second of the times in /proc, which Linux gives all programs the same.
const ticks = 100

func startBroker(b *testing.B, dir string, caching bool) *broker {
	b.Helper()
	binary, err := build()
	if err != nil {
		b.Fatal(err)
	}
	args := []string{"serve", "--metrics", "127.0.0.1:0"}
	for _, s := range settings(dir, caching) {
		args = append(args, "--set", s)
	}
	if profiles := os.Getenv("OTTLA_PROFILE"); profiles != "" {
		name := strings.NewReplacer("/", "_", "=", "-").Replace(b.Name())
		args = append(args, "--cpu-profile", filepath.Join(profiles, name+".pprof"))
	}
	p := &broker{cmd: exec.Command(binary, args...)}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.stop)
	for lines := bufio.NewScanner(out); p.metrics == ""; {
		if !lines.Scan() {
			b.Fatal("the broker ended before it was ready")
		}
		switch f := strings.Fields(lines.Text()); {
		case len(f) == 2 && f[0] == "listener":
			p.address = strings.TrimPrefix(f[1], "PLAINTEXT://")
		case len(f) == 2 && f[0] == "metrics":
			p.metrics = f[1]
		}
	}
	go io.Copy(io.Discard, out)
	return p
}

// stop ends the broker cleanly. It may be called again.
func (p *broker) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
}

// kill ends the broker as a crash of the process does.
func (p *broker) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// cpu is the processor time that the broker has used, in seconds.
func (p *broker) cpu(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		b.Skip("there is no /proc: ", err)
	}
	// The fields after the command's name, which is in parentheses, begin with the third.
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		b.Fatalf("/proc/PID/stat: %s", text)
	}
	return float64(user+system) / ticks
}

// resident is the broker's resident memory in bytes: all of it, and without pages of files.
func (p *broker) resident(b *testing.B) (all, anonymous float64) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Skip("there is no /proc: ", err)
	}
	for line := range strings.Lines(string(text)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f", &kb); n == 1 {
			all = kb * 1024
		}
		if n, _ := fmt.Sscanf(line, "RssAnon: %f", &kb); n == 1 {
			anonymous = kb * 1024
		}
	}
	return all, anonymous
}

var sentLine = regexp.MustCompile(`(?m)^ottla_sent_bytes_total\{by="(\w+)"\} (\S+)$`)

// sent reads how many bytes went by sendfile and by copy.
func (p *broker) sent(b *testing.B) map[string]float64 {
	b.Helper()
	answer, err := http.Get(p.metrics)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.Fatal(err)
	}
	counters := map[string]float64{}
	for _, m := range sentLine.FindAllStringSubmatch(string(text), -1) {
		if counters[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
			b.Fatal(err)
		}
	}
	return counters
}

// perGB reports what the broker used for b.N records of size bytes.
func perGB(b *testing.B, seconds float64, size int) {
	b.ReportMetric(seconds/(float64(b.N)*float64(size)/1e9), "broker-cpu-s/GB")
}

func BenchmarkBrokerProduce(b *testing.B) {
	for _, c := range []struct {
		name  string
		batch int
		sizes []int
	}{{"1MB", wholeBatches, sizes}, {"16KiB", 16 << 10, sizes}, {"1record", 1100, []int{1000}}} {
		b.Run("batch="+c.name, func(b *testing.B) {
			eachCase(b, c.sizes, func(b *testing.B, size int, caching bool) {
				preTouch(b, b.N*size)
				p := startBroker(b, b.TempDir(), caching)
				createTopic(b, p.address)
				before := p.cpu(b)
				produce(b, p.address, b.N, size, c.batch)
				perGB(b, p.cpu(b)-before, size)
				report(b, size)
			})
		})
	}
}

func BenchmarkBrokerFetch(b *testing.B) {
	for _, batch := range []int{wholeBatches, 16 << 10} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			for _, size := range []int{100, 1000} {
				b.Run(fmt.Sprintf("record=%dB", size), func(b *testing.B) {
					preTouch(b, b.N*size)
					p := startBroker(b, b.TempDir(), true)
					createTopic(b, p.address)
					produce(b, p.address, b.N, size, batch)
					cpu, sent := p.cpu(b), p.sent(b)
					consume(b, p.address, b.N)
					perGB(b, p.cpu(b)-cpu, size)
					now := p.sent(b)
					bytes := float64(b.N * size)
					b.ReportMetric(100*(now["sendfile"]-sent["sendfile"])/bytes, "%sendfile")
					b.ReportMetric(100*(now["copy"]-sent["copy"])/bytes, "%copied")
					report(b, size)
				})
			}
		})
	}
}

// startsMost bounds how often BenchmarkStart starts a broker, whatever -benchtime says for records.
const startsMost = 50

// BenchmarkStart starts a broker b.N times, at most startsMost times, and reports the median.
func BenchmarkStart(b *testing.B) {
	for _, c := range []struct {
		name       string
		partitions int
		kill       bool
	}{{"empty", 0, false}, {"partitions=1000/clean", 1000, false}, {"partitions=1000/killed", 1000, true}} {
		b.Run(c.name, func(b *testing.B) {
			if _, err := build(); err != nil {
				b.Fatal(err)
			}
			dir := b.TempDir()
			if c.partitions > 0 {
				p := startBroker(b, dir, true)
				createPartitions(b, p.address, c.partitions)
				end(p, c.kill)
			}
			var took []time.Duration
			var resident, anonymous float64
			for i := range min(b.N, startsMost) {
				if c.partitions == 0 {
					dir = filepath.Join(b.TempDir(), strconv.Itoa(i))
				}
				begin := time.Now()
				p := startBroker(b, dir, true)
				conn, err := net.Dial("tcp", p.address)
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begin))
				conn.Close()
				resident, anonymous = p.resident(b)
				end(p, c.kill)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
			b.ReportMetric(resident/(1<<20), "RSS-MiB")
			b.ReportMetric(anonymous/(1<<20), "anonymous-MiB")
		})
	}
}

func end(p *broker, kill bool) {
	if kill {
		p.kill()
		return
	}
	p.stop()
}
