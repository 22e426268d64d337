package config

import (
	"os"
	"strings"
	"testing"
)

// recordedLayers are the settings of the broker whose answers testdata/describe-4.2.0.tsv holds.
func recordedLayers() Layers {
	return Layers{
		Topic: map[string]string{"flush.messages": "5"},
		// Kafka sets min.insync.replicas itself where eligible leader replicas are on (KIP-966).
		Cluster: map[string]string{"message.max.bytes": "2000000", "min.insync.replicas": "1"},
		Static: map[string]string{
			"process.roles":                    "broker,controller",
			"node.id":                          "1",
			"broker.id":                        "1", // Kafka's own addition, and node/config's
			"controller.quorum.voters":         "1@127.0.0.1:29193",
			"listeners":                        "PLAINTEXT://127.0.0.1:29192,CONTROLLER://127.0.0.1:29193",
			"controller.listener.names":        "CONTROLLER",
			"listener.security.protocol.map":   "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
			"log.dirs":                         "/data",
			"offsets.topic.replication.factor": "1",
			"log.retention.hours":              "24",
			"log.roll.ms":                      "3600000",
		},
	}
}

// otherAnswers are the settings that Ottla describes otherwise than Kafka, and why.
var otherAnswers = map[string]string{
	"retention.ms":      "Kafka drops the synonyms before log.retention.ms, and with them the source",
	"segment.jitter.ms": "Kafka drops the synonyms before log.roll.jitter.ms",
	"flush.ms":          "Kafka drops the synonyms before log.flush.interval.ms",

	"group.coordinator.rebalance.protocols": "the default is what Ottla serves",
	"write.caching":                         "Ottla's own",
	"ottla.shards":                          "Ottla's own",
	"ottla.scrub.bytes.per.second":          "Ottla's own",
	"ottla.scrub.interval.ms":               "Ottla's own",
}

func TestDescriptionsAreTheAnswersOfKafka42(t *testing.T) {
	data, err := os.ReadFile("testdata/describe-4.2.0.tsv")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if resource, rest, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t"); ok {
			name, _, _ := strings.Cut(rest, "\t")
			want[resource+" "+name] = rest
		}
	}
	l := recordedLayers()
	got := map[string]string{}
	for resource, described := range map[string][]Described{
		"TOPIC/t": DescribeTopic(l, nil), "BROKER/1": DescribeBroker(l, nil), "BROKER/": DescribeCluster(l, nil),
	} {
		for _, d := range described {
			got[resource+" "+d.Name] = recorded(d)
		}
	}
	for key, line := range want {
		_, name, _ := strings.Cut(key, " ")
		if got[key] != line && otherAnswers[name] == "" {
			t.Errorf("%s\n got %s\nwant %s", key, got[key], line)
		}
	}
	for key := range got {
		_, name, _ := strings.Cut(key, " ")
		if want[key] == "" && otherAnswers[name] == "" {
			t.Errorf("%s is not in Kafka's answer", key)
		}
	}
}

// recorded writes a description as the recording does.
func recorded(d Described) string {
	var synonyms strings.Builder
	for _, y := range d.Synonyms {
		synonyms.WriteString(y.Source.String() + ":" + y.Name + "=" + orNull(y.Value, y.Null) + ";")
	}
	yes := map[bool]string{true: "true", false: "false"}
	return strings.Join([]string{d.Name, orNull(d.Value, d.Null), d.Source.String(), d.Type.String(),
		yes[d.ReadOnly], yes[d.Sensitive], synonyms.String()}, "\t")
}

func orNull(text string, isNull bool) string {
	if isNull {
		return "null"
	}
	return text
}
