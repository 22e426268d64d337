package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"ottla.dev/node"
	"ottla.dev/node/config"
)

// startBroker runs a broker of its own for the test and gives its address.
func startBroker(t *testing.T) string {
	t.Helper()
	settings, err := config.Load(config.Input{Set: []string{"listeners=PLAINTEXT://127.0.0.1:0",
		"log.dirs=" + t.TempDir(), "ottla.shards=2"}})
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(node.Config{Settings: settings, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Shutdown(context.Background()) })
	select {
	case <-n.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the broker is not ready")
	}
	return regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(n.Listeners()[0].String())
}

// ottla runs a command line and gives what it printed and its error.
func ottla(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot(time.Now())
	root.SetOut(&out)
	root.SetArgs(args)
	root.SetContext(t.Context())
	err := root.Execute()
	return out.String(), err
}

// TestTopicsFromTheCommandLine walks a topic through its life.
func TestTopicsFromTheCommandLine(t *testing.T) {
	at := "--bootstrap-server=" + startBroker(t)
	steps := []struct {
		line  string
		want  string // in what is printed
		fails string // in the error
	}{
		{"topic list", "There are no topics. Make one with: ottla topic create NAME", ""},
		{"topic create greetings --partitions 2 --set retention.ms=1000", "created greetings: 2 partitions of 1 replica", ""},
		{"topic create greetings", "", "(TOPIC_ALREADY_EXISTS)\nlook at it with 'ottla topic describe'"},
		{"topic create greetings --if-not-exists", "greetings exists already", ""},
		{"topic create other --dry-run", "other could be created", ""},
		{"topic create other --replicas 1 --partitions 2", "", "--replicas says how many partitions"},
		{"topic create other --replicas one", "", "no list of broker ids"},
		{"topic create other --replication-factor 3", "", "(INVALID_REPLICATION_FACTOR)\n'ottla broker list' shows"},
		{"topic list", "greetings           2         1  ok\n", ""},
		{"topic alter greetings", "", "say what to change"},
		{"topic alter greetings --partitions 1", "", "partitions can only become more"},
		{"topic alter greetings --partitions 3 --set max.message.bytes=5000 --unset retention.ms",
			"greetings has 3 partitions\nchanged 2 settings of greetings\n", ""},
		{"topic alter greetings --set foo=1", "", "(INVALID_CONFIG)"},
		{"topic alter greetings --cancel-move 0", "", "(NO_REASSIGNMENT_IN_PROGRESS)\nnothing is moving"},
		{"topic describe greetings", "  max.message.bytes=5000\n", ""},
		{"topic describe greetings", "        2       1      0         1    1      0    0  ok\n", ""},
		{"topic describe --under-replicated-partitions", "No partition is like that.", ""},
		{"topic describe nothing", "", "'ottla topic list' shows what there is"},
		{"broker list", "     1  127.0.0.1:", ""},
		{"broker describe 1", "leads 3, replica of 3, of which 0 not in sync", ""},
		{"broker describe 2", "", "there is no broker 2"},
		{"broker describe two", "", "no broker id"},
		{"topic delete greetings", "deleted greetings", ""},
		{"topic delete greetings", "", "(UNKNOWN_TOPIC_OR_PARTITION)"},
		{"topic delete greetings --if-exists", "greetings does not exist", ""},
	}
	for _, step := range steps {
		out, err := ottla(t, append(strings.Fields(step.line), at)...)
		if (err != nil) != (step.fails != "") || err != nil && !strings.Contains(err.Error(), step.fails) {
			t.Errorf("%s: error %v, wanted %q", step.line, err, step.fails)
		}
		if !strings.Contains(out, step.want) {
			t.Errorf("%s: wanted %q in\n%s", step.line, step.want, out)
		}
	}
}

// TestJSONOfTopicsAndBrokers is what scripts rely on.
func TestJSONOfTopicsAndBrokers(t *testing.T) {
	at := "--bootstrap-server=" + startBroker(t)
	read := func(into any, line string) {
		t.Helper()
		out, err := ottla(t, append(strings.Fields(line), at, "--json")...)
		if err == nil {
			err = json.Unmarshal([]byte(out), into)
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	var topics []topicView
	read(&topics, "topic list")
	if topics == nil || len(topics) != 0 {
		t.Errorf("no topics are %v", topics)
	}
	if _, err := ottla(t, "topic", "create", "x", at); err != nil {
		t.Fatal(err)
	}
	read(&topics, "topic describe x")
	if p := topics[0].Partitions[0]; p.Leader != 1 || p.End == nil || *p.End != 0 || p.ELR == nil || p.Offline {
		t.Errorf("described %+v", p)
	}
	var brokers []brokerView
	read(&brokers, "broker describe")
	if b := brokers[0]; !b.Controller || b.Fenced || b.Leaders != 1 || len(b.LogDirs) != 1 || b.Configs["node.id"] == "" {
		t.Errorf("described %+v", b)
	}
}

// TestAPartitionsStateInWords has one case for each word.
func TestAPartitionsStateInWords(t *testing.T) {
	of := func(ids ...int32) []int32 { return ids }
	for want, p := range map[string]partitionView{
		"ok":                                 {Leader: 1, Replicas: of(1, 2), ISR: of(2, 1)},
		"leader moved":                       {Leader: 2, Replicas: of(1, 2), ISR: of(2, 1)},
		"under-replicated, not in sync: 2":   {Leader: 1, Replicas: of(1, 2), ISR: of(1), UnderReplicated: true},
		"offline; under min ISR":             {Leader: -1, Replicas: of(1), Offline: true, UnderMinISR: true},
		"moving to 3 from 1":                 {Leader: 2, Replicas: of(2, 3, 1), Adding: of(3), Removing: of(1)},
		"under min ISR; moving from 1":       {Leader: 2, Replicas: of(2, 1), Removing: of(1), UnderMinISR: true},
		"under-replicated, not in sync: 3,2": {Leader: 1, Replicas: of(1, 3, 2), ISR: of(1), UnderReplicated: true},
	} {
		if got := p.state(); got != want {
			t.Errorf("%+v: %q, wanted %q", p, got, want)
		}
	}
}
