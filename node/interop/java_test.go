package interop

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// A javaTool is one of Kafka's own programs, by its main class.
type javaTool string

// Kafka's command-line tools by the class behind each bin/kafka-*.sh.
const (
	kafkaTopics         javaTool = "org.apache.kafka.tools.TopicCommand"
	kafkaConfigs        javaTool = "kafka.admin.ConfigCommand"
	kafkaConsoleProduce javaTool = "org.apache.kafka.tools.ConsoleProducer"
	kafkaConsoleConsume javaTool = "org.apache.kafka.tools.consumer.ConsoleConsumer"
	kafkaConsumerGroups javaTool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
	kafkaGroups         javaTool = "org.apache.kafka.tools.GroupsCommand"
	kafkaGetOffsets     javaTool = "org.apache.kafka.tools.GetOffsetShell"
	kafkaDeleteRecords  javaTool = "org.apache.kafka.tools.DeleteRecordsCommand"
	kafkaLogDirs        javaTool = "org.apache.kafka.tools.LogDirsCommand"
	kafkaAPIVersions    javaTool = "org.apache.kafka.tools.BrokerApiVersionsCommand"
	kafkaCluster        javaTool = "org.apache.kafka.tools.ClusterTool"
	kafkaFeatures       javaTool = "org.apache.kafka.tools.FeatureCommand"
	kafkaProducerPerf   javaTool = "org.apache.kafka.tools.ProducerPerformance"
	kafkaConsumerPerf   javaTool = "org.apache.kafka.tools.ConsumerPerformance"
	kafkaReassign       javaTool = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
	kafkaElection       javaTool = "org.apache.kafka.tools.LeaderElectionCommand"
	kafkaVerifyReplicas javaTool = "org.apache.kafka.tools.ReplicaVerificationTool"
	kafkaVerifyProduce  javaTool = "org.apache.kafka.tools.VerifiableProducer"
	kafkaVerifyConsume  javaTool = "org.apache.kafka.tools.VerifiableConsumer"
	kafkaDumpLog        javaTool = "org.apache.kafka.tools.DumpLogSegments"
)

// A jvm knows where Java and Kafka's jars are.
type jvm struct {
	java, classPath string
}

func newJVM(t *testing.T) jvm {
	t.Helper()
	java, err := exec.LookPath("java")
	if err != nil {
		missing(t, "java", err.Error())
	}
	jars := cachePath(t, "java")
	found, err := filepath.Glob(filepath.Join(jars, "kafka-tools-*.jar"))
	if err != nil || len(found) == 0 {
		missing(t, "Kafka's jars from node/interop/install.sh", "no kafka-tools in "+jars)
	}
	return jvm{java, filepath.Join(jars, "*")}
}

// javaFlags make short runs start fast.
var javaFlags = []string{
	"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
}

func (j jvm) command(main string, args ...string) program {
	all := append([]string{}, javaFlags...)
	all = append(all, "-cp", j.classPath, main)
	return program{path: j.java, args: append(all, args...)}
}

// A toolbox runs Kafka's tools against one server.
type toolbox struct {
	jvm
	t    *testing.T
	addr string
}

func newToolbox(t *testing.T) toolbox {
	t.Helper()
	addr := bootstrap(t)
	return toolbox{newJVM(t), t, addr}
}

func (b toolbox) program(tool javaTool, args ...string) program {
	return b.command(string(tool), append(args, "--bootstrap-server", b.addr)...)
}

// run gives the tool's standard output and fails the test unless it succeeds.
func (b toolbox) run(tool javaTool, args ...string) string {
	b.t.Helper()
	return b.program(tool, args...).mustRun(b.t)
}

// TestJavaClient runs the Java client's producer, consumer and Admin from a single source file.
func TestJavaClient(t *testing.T) {
	addr := bootstrap(t)
	java := newJVM(t)
	if _, err := exec.LookPath("javac"); err != nil {
		missing(t, "javac, which java needs to run a source file", err.Error())
	}
	t.Run("JavaClient.java", func(t *testing.T) {
		t.Parallel()
		flags := java.command(filepath.Join("testdata", "JavaClient.java")).args
		runScript(t, addr, java.java, nil, flags...)
	})
}
