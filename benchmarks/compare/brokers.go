package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// kind is a broker in one of its settings.
type kind struct {
	name, what string
	// alone kinds have no replicas.
	alone, kafka bool
	// nats is a reference point with a client of its own.
	nats bool
	// start launches n brokers with data below dir. Settings are Kafka's, on top of the kind's own.
	start func(t *tools, dir string, n int, settings []string) (cluster, error)
}

// asIs is true of Ottla with its defaults.
func (k kind) asIs() bool { return k.name == "ottla" }

// tools is where programs and jars are.
type tools struct {
	folder string // of what was built
	jars   string // of Kafka, "" without
	kafka  string // its version
	java   string // its version
	nats   string // the version of NATS, "" without
}

func kinds() []kind {
	return []kind{
		{name: "limit", what: "the limit program, answering from the page cache", alone: true, start: startLimit()},
		{name: "limit-sync", what: "the limit program, answering from the disk", alone: true, start: startLimit("--sync")},
		{name: "ottla", what: "Ottla with its defaults: acks=all is answered from the disk", start: startOttla()},
		{name: "ottla-cache", what: "Ottla with write.caching=true: acks=all is answered from the page cache",
			start: startOttla("write.caching=true")},
		{name: "kafka", what: "Apache Kafka with its defaults: acks=all is answered from the page cache", kafka: true,
			start: startKafka()},
		{name: "kafka-sync", what: "Apache Kafka with log.flush.interval.messages=1: answered from the disk",
			kafka: true, start: startKafka("log.flush.interval.messages=1")},
		{name: "nats", what: "NATS JetStream with its defaults, as a reference point: answered from the page cache, and " +
			"driven by its own client", alone: true, nats: true, start: startNATS},
	}
}

// prepare builds our programs and looks for NATS and Kafka. What is missing for Kafka is no error: why says it.
func prepare(folder string) (t *tools, why string, err error) {
	t = &tools{folder: folder}
	cmd := exec.Command("go", "build", "-o", folder+string(filepath.Separator), "ottla.dev/tools/ottla",
		"ottla.dev/benchmarks/limit")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("cannot build the brokers; run this inside the source tree: %w\n%s", err, out)
	}
	t.nats = buildNATS(folder)
	jars := os.Getenv("OTTLA_INTEROP_CACHE")
	if jars == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return t, "there is no cache folder with its jars: " + err.Error(), nil
		}
		jars = filepath.Join(cache, "ottla-interop")
	}
	jars = filepath.Join(jars, "java")
	java, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		return t, "Java cannot be started (" + err.Error() + "); node/interop/install.sh installs it", nil
	}
	found, _ := filepath.Glob(filepath.Join(jars, "kafka_2.13-*.jar"))
	if len(found) == 0 {
		return t, "its jars are not in " + jars + "; node/interop/install.sh fetches them", nil
	}
	first, _, _ := bytes.Cut(java, []byte("\n"))
	t.jars, t.java = jars, string(first)
	t.kafka = regexp.MustCompile(`\d+\.\d+\.\d+`).FindString(strings.TrimPrefix(filepath.Base(found[0]), "kafka_2.13-"))
	return t, "", nil
}

func startLimit(flags ...string) func(*tools, string, int, []string) (cluster, error) {
	return func(t *tools, dir string, n int, _ []string) (cluster, error) {
		ports, err := freePorts(1)
		if err != nil {
			return nil, err
		}
		data := filepath.Join(dir, "1")
		command := append([]string{filepath.Join(t.folder, "limit"), "--listen", ports[0], "--dir", data}, flags...)
		p, err := launch("limit", data, ports[0], command)
		if err != nil {
			return nil, err
		}
		return cluster{p}, nil
	}
}

// quorum is the settings of n brokers that are controllers, too, with the address of each.
func quorum(dir string, n int) (settings [][]string, addresses []string, err error) {
	ports, err := freePorts(2 * n)
	if err != nil {
		return nil, nil, err
	}
	addresses, controllers := ports[:n], ports[n:]
	var voters []string
	for i, c := range controllers {
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, c))
	}
	copies := strconv.Itoa(min(n, 3))
	for i := range n {
		settings = append(settings, []string{
			"node.id=" + strconv.Itoa(i+1),
			"process.roles=broker,controller",
			"controller.quorum.voters=" + strings.Join(voters, ","),
			"controller.listener.names=CONTROLLER",
			"listeners=PLAINTEXT://" + addresses[i] + ",CONTROLLER://" + controllers[i],
			"advertised.listeners=PLAINTEXT://" + addresses[i],
			"log.dirs=" + filepath.Join(dir, strconv.Itoa(i+1)),
			"default.replication.factor=" + copies,
			"offsets.topic.replication.factor=" + copies,
			"min.insync.replicas=" + strconv.Itoa((min(n, 3)+1)/2),
		})
	}
	return settings, addresses, nil
}

// writeProperties writes the settings of a broker beside its data.
func writeProperties(dir string, number int, settings ...[]string) (file, data string, err error) {
	data = filepath.Join(dir, strconv.Itoa(number))
	if err := os.MkdirAll(data, 0o755); err != nil {
		return "", "", err
	}
	file = data + ".properties"
	var text strings.Builder
	for _, s := range settings {
		text.WriteString(strings.Join(s, "\n") + "\n")
	}
	return file, data, os.WriteFile(file, []byte(text.String()), 0o644)
}

func startOttla(own ...string) func(*tools, string, int, []string) (cluster, error) {
	return func(t *tools, dir string, n int, settings []string) (c cluster, err error) {
		all, addresses, err := quorum(dir, n)
		if err != nil {
			return nil, err
		}
		metrics, err := freePorts(n)
		if err != nil {
			return nil, err
		}
		for i := range n {
			file, data, err := writeProperties(dir, i+1, all[i], own, settings)
			if err != nil {
				return c, err
			}
			command := []string{filepath.Join(t.folder, "ottla"), "serve", "--quiet", "--metrics", metrics[i], file}
			if profiles := os.Getenv(profileVariable); profiles != "" {
				name := fmt.Sprintf("%s-%d.pprof", filepath.Base(dir), i+1)
				command = append(command, "--cpu-profile", filepath.Join(profiles, name))
			}
			p, err := launch(fmt.Sprintf("Ottla's broker %d", i+1), data, addresses[i], command)
			if err != nil {
				return c, err
			}
			p.metrics = metrics[i]
			c = append(c, p)
		}
		return c, nil
	}
}

// profileVariable names a folder where Ottla's brokers leave a CPU profile each.
const profileVariable = "OTTLA_PROFILE"

// javaFlags are those of Kafka's own start script.
var javaFlags = []string{"-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
	"-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15",
	"-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"}

func (t *tools) javaCommand(args ...string) []string {
	command := append([]string{"java"}, javaFlags...)
	return append(append(command, "-cp", filepath.Join(t.jars, "*")), args...)
}

// clusterID is what storage is formatted with.
const clusterID = "AAAAAAAAAAAAAAAAAAAAAQ"

func startKafka(own ...string) func(*tools, string, int, []string) (cluster, error) {
	return func(t *tools, dir string, n int, settings []string) (c cluster, err error) {
		all, addresses, err := quorum(dir, n)
		if err != nil {
			return nil, err
		}
		copies := strconv.Itoa(min(n, 3))
		log := []string{"transaction.state.log.replication.factor=" + copies, "transaction.state.log.min.isr=1"}
		var files, folders []string
		for i := range n {
			file, data, err := writeProperties(dir, i+1, all[i], log, own, settings)
			if err != nil {
				return nil, err
			}
			format := t.javaCommand("kafka.tools.StorageTool", "format", "-t", clusterID, "-c", file)
			if out, err := exec.Command(format[0], format[1:]...).CombinedOutput(); err != nil {
				return nil, errors.Join(fmt.Errorf("cannot format Kafka's storage: %w", err), errors.New(string(out)))
			}
			files, folders = append(files, file), append(folders, data)
		}
		for i := range n { // all at once, behind the last format
			p, err := launch(fmt.Sprintf("Kafka's broker %d", i+1), folders[i], addresses[i],
				t.javaCommand("kafka.Kafka", files[i]))
			if err != nil {
				return c, err
			}
			c = append(c, p)
		}
		return c, nil
	}
}
