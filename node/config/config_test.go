package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func load(t *testing.T, in Input) *Config {
	t.Helper()
	c, err := Load(in)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestANodeThatIsToldNothing(t *testing.T) {
	c := load(t, Input{Hostname: "somewhere"})
	local := []Listener{{"PLAINTEXT", "127.0.0.1", 9092}}
	if diff := cmp.Diff(local, c.Listeners) + cmp.Diff(local, c.Advertised); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(c.DataDirs, []string{"ottla-data"}) || c.MetadataDir != "ottla-data" ||
		c.Broker.NodeID != 1 || len(c.Warnings) != 0 {
		t.Errorf("%+v", c)
	}
	if c.Broker.Group.OffsetsTopicReplicationFactor != 1 {
		t.Error("the offsets topic asks for more replicas than there are brokers")
	}
}

// kafkaExample says what Kafka's own config/server.properties for a single node says.
const kafkaExample = `
# The role of this server.
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,\
  SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
`

func TestKafkasOwnExampleFileIsTaken(t *testing.T) {
	c := load(t, Input{FileName: "server.properties", File: kafkaExample})
	if diff := cmp.Diff([]Listener{{"PLAINTEXT", "", 9092}}, c.Listeners); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Listener{{"PLAINTEXT", "localhost", 9092}}, c.Advertised); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(c.DataDirs, []string{"/tmp/kraft-combined-logs"}) {
		t.Errorf("data folders %v", c.DataDirs)
	}
	want := []Listener{{"CONTROLLER", "localhost", 9093}}
	if diff := cmp.Diff(want, c.ControllerAdvertised); diff != "" || len(c.Controllers) != 1 || len(c.Bootstrap) != 1 {
		t.Errorf("controllers %v, bootstrap servers %v; %s", c.Controllers, c.Bootstrap, diff)
	}
	if len(c.Warnings) != 7 {
		t.Errorf("warnings:\n%s", strings.Join(c.Warnings, "\n"))
	}
}

func TestTheCommandLineWinsOverTheEnvironmentOverTheFile(t *testing.T) {
	in := Input{FileName: "f", File: "num.partitions=2\nnum.partitions=3\n"}
	want := func(n int32) {
		t.Helper()
		if got := load(t, in).Broker.NumPartitions; got != n {
			t.Errorf("%d partitions, want %d", got, n)
		}
	}
	want(3)
	if w := load(t, in).Warnings; len(w) != 1 || !strings.HasPrefix(w[0], "f line 2: num.partitions was set before") {
		t.Errorf("%q", w)
	}
	in.Env = []string{"KAFKA_NUM_PARTITIONS=4", "KAFKA_HEAP_OPTS=-Xmx1g", "HOME=/"}
	want(4)
	in.Set = []string{"num.partitions=5", "num.partitions=6"}
	want(6)
}

func TestRefusalsSayWhereAndWhy(t *testing.T) {
	for _, c := range []struct {
		file string
		want string
	}{
		{"num.partition=3", `f line 1: "num.partition" is not a broker setting; did you mean num.partitions?`},
		{"\nnum.partitions=x", `f line 2: num.partitions = "x" is not allowed: it must be a whole number of at least 1`},
		{"broker.id=2\nnode.id=3", `f line 1: broker.id = "2" is not allowed: it must be the same as node.id, which is "3"`},
		{"process.roles=broker", `f line 1: process.roles = "broker" is not allowed: ` +
			`a node that is not both broker and controller needs controller.quorum.bootstrap.servers or ` +
			`controller.quorum.voters`},
		{"controller.quorum.voters=3@a:1,2@b:1", `f line 1: controller.quorum.voters = "3@a:1,2@b:1" is not allowed: ` +
			`node 1 is a controller and must be among them`},
		{"controller.quorum.voters=1@a:1,1@b:1", `f line 1: controller.quorum.voters = "1@a:1,1@b:1" is not allowed: ` +
			`1 stands in it twice`},
		{"controller.quorum.voters=1@a:1,2@b:1", `controller.listener.names = "" is not allowed: ` +
			`a controller needs one of its listeners for the quorum`},
		{"controller.quorum.voters=a:1", `f line 1: controller.quorum.voters = "a:1" is not allowed: ` +
			`each voter must be of the form id@host:port`},
		{"log.dirs=a,b,./a", `f line 1: log.dirs = "a,b,./a" is not allowed: a stands in it twice`},
		{"log.dirs=a\nmetadata.log.dir=a/b", `f line 1: log.dirs = "a" is not allowed: a/b lies in a`},
		{"listeners=localhost:9092", `f line 1: listeners = "localhost:9092" is not allowed: ` +
			`"localhost:9092" is not of the form NAME://host:port`},
		{"listeners=SSL://:1", `f line 1: listeners = "SSL://:1" is not allowed: ` +
			`SSL maps to SSL, and for now only PLAINTEXT is implemented`},
		{"listeners=OUT://:1", `f line 1: listeners = "OUT://:1" is not allowed: ` +
			`OUT is not in listener.security.protocol.map`},
		{"listeners=PLAINTEXT://0.0.0.0:1", `f line 1: listeners = "PLAINTEXT://0.0.0.0:1" is not allowed: ` +
			`no client can connect to 0.0.0.0; set advertised.listeners to an address that they can reach`},
		{"advertised.listeners=X://a:1", `f line 1: advertised.listeners = "X://a:1" is not allowed: X is not in listeners`},
		{"controller.listener.names=PLAINTEXT", `listeners = "PLAINTEXT://:9092" is not allowed: ` +
			`every one of them is in controller.listener.names, and the broker needs one`},
		{"controller.listener.names=C", `f line 1: controller.listener.names = "C" is not allowed: C is not in listeners`},
		{"inter.broker.listener.name=X", `f line 1: inter.broker.listener.name = "X" is not allowed: ` +
			`clients are not told of a listener with that name`},
		{"listener.security.protocol.map=A:B", "listener.security.protocol.map"},
		{"log.retention.ms=0", `f line 1: log.retention.ms = "0" is not allowed: ` +
			`retention must be -1 (no limit) or longer than nothing`},
		{`a=\u12`, `f: line 1: "\\u12" is not \u and four hexadecimal digits`},
		{"sasl.jaas.config=topsecret", `f line 1: sasl.jaas.config = [hidden]: ` +
			`this setting is not implemented yet; leave it out`},
	} {
		_, err := Load(Input{FileName: "f", File: c.file})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.file, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "topsecret") {
			t.Errorf("a secret is shown: %s", err)
		}
	}
	if _, err := Load(Input{Set: []string{"nonsense"}}); err == nil {
		t.Error("--set without = was taken")
	}
}

func TestEverythingThatIsWrongIsSaid(t *testing.T) {
	_, err := Load(Input{FileName: "f", File: "a=1\nb=2\n\n\n\n\n\n\n\nc=3\n", Set: []string{"d=4"}})
	if err == nil {
		t.Fatal("taken")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{"--set: \"d\"", "f line 1: \"a\"", "f line 2: \"b\"", "f line 10: \"c\""} {
		if len(lines) != 4 || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("%s\nline %d does not begin with %s", err, i+1, want)
		}
	}
}

func TestOfAFileThatIsWrongThroughoutTheFirstErrorsAreListed(t *testing.T) {
	var file strings.Builder
	for i := range 100 {
		fmt.Fprintf(&file, "wrong%d=1\n", i)
	}
	_, err := Load(Input{FileName: "f", File: file.String()})
	if err == nil || strings.Count(err.Error(), "\n") != refusalsMax {
		t.Error(err)
	}
}

func TestRetiredSettingsWarnAndAreLeftOut(t *testing.T) {
	c := load(t, Input{FileName: "f", File: "zookeeper.connect=localhost:2181\n"})
	if len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], "f line 1: zookeeper.connect was removed") {
		t.Errorf("%q", c.Warnings)
	}
	if _, ok := c.Static["zookeeper.connect"]; ok {
		t.Error("it is still among the settings")
	}
}

func TestListenersWithoutAHostAdvertiseTheMachine(t *testing.T) {
	c := load(t, Input{Hostname: "box", Set: []string{"listeners=plaintext://:0,IN://[::1]:0",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,IN:PLAINTEXT"}})
	want := []Listener{{"PLAINTEXT", "box", 0}, {"IN", "::1", 0}}
	if diff := cmp.Diff(want, c.Advertised); diff != "" {
		t.Error(diff)
	}
	if c.Listeners[1].String() != "IN://[::1]:0" || c.Listeners[0].Address() != ":0" {
		t.Errorf("%v", c.Listeners)
	}
}

func TestOldNamesOfOneSettingCount(t *testing.T) {
	c := load(t, Input{Set: []string{"broker.id=9", "log.dir=/data"}})
	if c.Broker.NodeID != 9 || !slices.Equal(c.DataDirs, []string{"/data"}) {
		t.Errorf("node %d, data in %v", c.Broker.NodeID, c.DataDirs)
	}
}

func TestDataFoldersAreKeptInOrder(t *testing.T) {
	c := load(t, Input{Set: []string{"log.dirs=/b,/a/, /c"}})
	if !slices.Equal(c.DataDirs, []string{"/b", "/a", "/c"}) || c.MetadataDir != "/b" {
		t.Errorf("data in %v, metadata in %s", c.DataDirs, c.MetadataDir)
	}
	if c := load(t, Input{Set: []string{"log.dirs=/b,/a", "metadata.log.dir=/m"}}); c.MetadataDir != "/m" {
		t.Errorf("metadata in %s", c.MetadataDir)
	}
}

func TestExplainHidesSecrets(t *testing.T) {
	c := load(t, Input{})
	c.Static["ssl.key.password"] = "topsecret"
	text := c.Explain()
	if !strings.Contains(text, "node.id=1\n") || !strings.Contains(text, "ssl.key.password=[hidden]\n") {
		t.Error(text)
	}
}

func TestListeners(t *testing.T) {
	for text, want := range map[string]string{
		"PLAINTEXT://127.0.0.1:9092": "PLAINTEXT://127.0.0.1:9092", "in-1://host_a.b:0": "IN-1://host_a.b:0",
		"A://[fe80::1%eth0]:1": "A://[fe80::1%eth0]:1", "A://:65535": "A://:65535",
		"A://:65536": "", "A://h": "", "://h:1": "", "A B://h:1": "", "A://h h:1": "", "A://::1:1": "", "A://[::1:1": "",
		"A://[127.0.0.1]:1": "", "A://h:-1": "", "A:h:1": "", "": "",
	} {
		l, err := ParseListener(text)
		if (err == nil) != (want != "") || err == nil && l.String() != want {
			t.Errorf("%q reads as %s, %v; want %q", text, l, err, want)
		}
	}
	for text, want := range map[string]bool{
		"A://h:1,B://h:2": true, "A://h:1,B://h:1": false, "A://h:0,B://h:0": true, "A://127.0.0.1:1,B://[::1]:1": true,
		"A://127.0.0.1:1,B://127.0.0.2:1": false,
	} {
		listeners, err := parseListeners(text)
		if err == nil {
			err = distinctPorts(listeners)
		}
		if (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := parseListeners("A://h:1,a://h:2"); err == nil {
		t.Error("one name for two listeners was taken")
	}
}

func TestEnvironmentNames(t *testing.T) {
	for name, want := range map[string]string{
		"KAFKA_LOG_DIRS": "log.dirs", "KAFKA_A__B___C": "a_b-c", "KAFKA_": "", "LOG_DIRS": "",
	} {
		if got, _ := envKey(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(kafkaExample)
	f.Add("listeners=PLAINTEXT://[::]:9092\nadvertised.listeners=PLAINTEXT://a:1\n")
	f.Add("max.connections.per.ip.overrides=a:1,[::1]:2\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Load(Input{FileName: "f", File: text})
		if err != nil {
			return
		}
		if len(c.Listeners) == 0 || len(c.Advertised) == 0 || len(c.DataDirs) == 0 || c.MetadataDir == "" {
			t.Fatalf("%+v", c)
		}
		_ = c.Explain()
	})
}

func TestANodeOfACluster(t *testing.T) {
	const voters = "controller.quorum.voters=1@a:9093,2@b:9093,3@c:9093\ncontroller.listener.names=CONTROLLER\n"
	both := load(t, Input{File: voters + "node.id=2\nlisteners=PLAINTEXT://b:9092,CONTROLLER://:9093"})
	if len(both.Voters) != 3 || both.Voters[2].Host != "c" || both.ControllerOnly {
		t.Errorf("%+v", both.Voters)
	}
	if diff := cmp.Diff([]Listener{{"CONTROLLER", "", 9093}}, both.Controllers) +
		cmp.Diff([]Listener{{"CONTROLLER", "b", 9093}}, both.ControllerAdvertised) +
		cmp.Diff([]Listener{{"PLAINTEXT", "b", 9092}}, both.Listeners); diff != "" {
		t.Error(diff)
	}
	if both.Broker.Group.OffsetsTopicReplicationFactor != 3 {
		t.Error("the offsets topic of a cluster has not Kafka's replication factor")
	}
	alone := load(t, Input{File: voters + "node.id=4\nprocess.roles=broker\nlisteners=PLAINTEXT://d:9092"})
	if len(alone.Controllers) != 0 || len(alone.Listeners) != 1 {
		t.Errorf("%+v", alone)
	}
	controller := load(t, Input{File: voters + "node.id=1\nprocess.roles=controller\nlisteners=CONTROLLER://:9093"})
	if len(controller.Listeners)+len(controller.Advertised) != 0 || !controller.ControllerOnly {
		t.Errorf("%+v", controller)
	}
}
