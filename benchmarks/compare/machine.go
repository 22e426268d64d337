package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// machine is where a run was made.
type machine struct {
	CPUs   int    `json:"cpus"`
	CPU    string `json:"cpu"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Disk   string `json:"disk"`
}

func describeMachine(dir string) machine {
	m := machine{CPUs: runtime.NumCPU(), CPU: field("/proc/cpuinfo", "model name"), Kernel: runtime.GOOS}
	if kb, err := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64); err == nil {
		m.Memory = fmt.Sprintf("%.0f GiB", kb/(1<<20))
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = "Linux " + strings.TrimSpace(string(release))
	}
	if out, err := exec.Command("stat", "-f", "-c", "%T", dir).Output(); err == nil {
		m.Disk = strings.Replace(strings.TrimSpace(string(out)), "ext2/ext3", "ext4", 1) // they share a number
	}
	return m
}

// field is the first value of a key in a file of "key: value".
func field(file, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if k, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

// loadAverage is the load of the last 1, 5 and 15 minutes.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	f := strings.Fields(string(text))
	return strings.Join(f[:min(len(f), 3)], " ")
}

// busy is true if others used a good part of the processors in the last minute.
func (m machine) busy(load string) bool {
	first, _, _ := strings.Cut(load, " ")
	v, err := strconv.ParseFloat(first, 64)
	return err == nil && v > float64(m.CPUs)/2
}

// describeVersions names what was compared.
func describeVersions(t *tools) []string {
	v := []string{"Ottla " + commit(), runtime.Version()}
	if out, err := exec.Command("go", "list", "-m", "github.com/twmb/franz-go").Output(); err == nil {
		v = append(v, strings.TrimPrefix(strings.TrimSpace(string(out)), "github.com/twmb/"))
	}
	if t.jars != "" {
		v = append(v, "Apache Kafka "+t.kafka, t.java)
	}
	if t.nats != "" {
		v = append(v, "NATS "+t.nats)
	}
	return v
}

// commit is that of the source tree.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "of an unknown commit"
	}
	return "at " + strings.TrimSpace(string(out))
}

func sortedCopy(values []float64) []float64 { return slices.Sorted(slices.Values(values)) }

// processors is what the machine's processors have done since it was started, in ticks of the kernel.
type processors struct{ all, idle, stolen float64 }

// processorTimes are zero where the kernel does not tell.
func processorTimes() processors {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return processors{}
	}
	return parseProcessors(string(text))
}

// parseProcessors reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal, and what
// user and nice contain already (proc(5)).
func parseProcessors(text string) (p processors) {
	line, _, _ := strings.Cut(text, "\n")
	f := strings.Fields(line)
	const idle, waiting, stolen = 3, 4, 7
	if len(f) <= 1+stolen || f[0] != "cpu" {
		return processors{}
	}
	for i, word := range f[1 : 2+stolen] {
		v, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return processors{}
		}
		p.all += v
		switch i {
		case idle, waiting:
			p.idle += v
		case stolen:
			p.stolen = v
		}
	}
	return p
}

// since gives the shares of the time since before in which the processors were in use, and in which the machine's host
// ran something else though they had work: while it does, everything here stands still.
func (p processors) since(before processors) map[string]float64 {
	all := p.all - before.all
	if all <= 0 {
		return nil
	}
	stolen := p.stolen - before.stolen
	return map[string]float64{
		"busy":   100 * (all - (p.idle - before.idle) - stolen) / all,
		"stolen": 100 * stolen / all,
	}
}
