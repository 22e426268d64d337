package config

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRefusalsAreSentencesThatNameKeyValueAndRule(t *testing.T) {
	for _, c := range []struct {
		check      func(string, string) error
		key, value string
		reason     Reason
		text       string
	}{
		{ValidateTopic, "retention.ms", "soon", Invalid,
			`retention.ms = "soon" is not allowed: it must be a whole number of at least -1`},
		{ValidateTopic, "segment.bytes", "1048575", Invalid,
			`segment.bytes = "1048575" is not allowed: it must be a whole number of at least 1048576`},
		{ValidateTopic, "compression.type", "brotli", Invalid, `compression.type = "brotli" is not allowed: ` +
			`it must be uncompressed, zstd, lz4, snappy, gzip or producer`},
		{ValidateTopic, "min.cleanable.dirty.ratio", "1.0000001", Invalid,
			`min.cleanable.dirty.ratio = "1.0000001" is not allowed: it must be a decimal number from 0 to 1`},
		{ValidateTopic, "retension.ms", "1", Unknown,
			`"retension.ms" is not a topic setting; did you mean retention.ms?`},
		{ValidateTopic, "log.retention.ms", "1", Unknown, `"log.retention.ms" is not a topic setting; ` +
			`its name here is retention.ms`},
		{ValidateBroker, "max.message.bytes", "1", Unknown, `"max.message.bytes" is not a broker setting; ` +
			`its name here is message.max.bytes`},
		{ValidateTopic, "xyzzy", "1", Unknown, `"xyzzy" is not a topic setting`},
		{ValidateTopic, "cleanup.policy", "compact,delete", Unsupported, `cleanup.policy = "compact,delete": ` +
			`compact is not implemented yet; for now it must be delete or empty`},
		{ValidateTopic, "remote.storage.enable", "true", Unsupported, `remote.storage.enable = "true": ` +
			`this setting is not implemented yet; leave it out or at its default, false`},
		{ValidateBroker, "ssl.keystore.password", "secret", Unsupported,
			`ssl.keystore.password = [hidden]: this setting is not implemented yet; leave it out`},
		{ValidateBroker, "listener.name.x.plain.sasl.jaas.config", "secret", Unsupported,
			`listener.name.x.plain.sasl.jaas.config = [hidden]: this setting is not implemented yet; leave it out`},
		{ValidateBroker, "listener.name.x.max.connections", "9", Unsupported, `listener.name.x.max.connections: ` +
			`settings of a single listener are not implemented yet; set max.connections for all listeners`},
		{ValidateBroker, "num.partition", "3", Unknown,
			`"num.partition" is not a broker setting; did you mean num.partitions?`},
		{ValidateBroker, "num.partitions", "3000000000", Invalid,
			`num.partitions = "3000000000" is not allowed: it must be a whole number of at least 1`},
	} {
		err := c.check(c.key, c.value)
		var refusal *Error
		if !errors.As(err, &refusal) {
			t.Errorf("%s = %s: taken", c.key, c.value)
			continue
		}
		if refusal.Text != c.text || refusal.Reason != c.reason || refusal.Key != c.key {
			t.Errorf("%s = %s:\n got %s (%d)\nwant %s", c.key, c.value, refusal.Text, refusal.Reason, c.text)
		}
	}
}

func TestValuesThatKafkaTakesAreTaken(t *testing.T) {
	for _, kv := range [][2]string{
		{"retention.ms", "-1"}, {"retention.ms", " +5 "}, {"write.caching", "TRUE"}, {"cleanup.policy", "delete"},
		{"cleanup.policy", ""}, {"compression.gzip.level", "-1"}, {"min.cleanable.dirty.ratio", ".5"},
		{"min.cleanable.dirty.ratio", "5e-1"}, {"min.cleanable.dirty.ratio", "-0.0"}, {"compression.type", " gzip"},
		{"remote.storage.enable", "False"}, {"leader.replication.throttled.replicas", ""},
		{"write.caching", "true"},
	} {
		if err := ValidateTopic(kv[0], kv[1]); err != nil {
			t.Error(err)
		}
	}
}

func TestListsAndWordsThatKafkaRefusesAreRefused(t *testing.T) {
	for _, kv := range [][2]string{
		{"cleanup.policy", "delete,delete"}, {"cleanup.policy", "delete,,compact"}, {"cleanup.policy", "Delete"},
		{"compression.type", "Gzip"}, {"preallocate", "yes"}, {"preallocate", ""}, {"segment.ms", "1e3"},
		{"segment.ms", "0x10"}, {"leader.replication.throttled.replicas", "0:1,*"},
		{"leader.replication.throttled.replicas", "none"}, {"min.cleanable.dirty.ratio", "Infinity"},
	} {
		if ValidateTopic(kv[0], kv[1]) == nil {
			t.Errorf("%s = %q was taken", kv[0], kv[1])
		}
	}
}

func TestDynamicChangesFollowTheUpdateMode(t *testing.T) {
	for _, c := range []struct {
		key       string
		oneBroker bool
		want      bool
	}{
		{"log.retention.ms", true, true}, {"log.retention.ms", false, true},
		{"log.retention.hours", true, false}, {"node.id", true, false},
		{"listeners", true, false}, {"listeners", false, false}, {"nonsense", true, false},
		{"ssl.keystore.location", true, true}, {"ssl.keystore.location", false, false},
	} {
		if got := DynamicBroker(c.key, c.oneBroker) == nil; got != c.want {
			t.Errorf("%s, one broker %v: %v, want %v", c.key, c.oneBroker, got, c.want)
		}
	}
}

func TestIgnoredAndRetiredSettingsWarn(t *testing.T) {
	for name, want := range map[string]bool{
		"num.io.threads": true, "zookeeper.connect": true, "rsm.config.key": true, "listeners": false,
		"listener.name.external.num.network.threads": true,
	} {
		if text, got := Warning(name); got != want || got && !strings.Contains(text, name) {
			t.Errorf("Warning(%s) = %q, %v", name, text, got)
		}
	}
}

func TestTopicResolutionFollowsThePrecedence(t *testing.T) {
	layers := Layers{}
	want := func(ms int64, when string) {
		t.Helper()
		if got := ResolveTopic(layers).RetentionMs; got != ms {
			t.Errorf("%s: retention %d ms, want %d", when, got, ms)
		}
	}
	want(604_800_000, "nothing set")
	layers.Static = map[string]string{"log.retention.hours": "2"}
	want(7_200_000, "hours in the file")
	layers.Static["log.retention.minutes"] = "3"
	want(180_000, "minutes win over hours")
	layers.Static["log.retention.ms"] = "4"
	want(4, "milliseconds win over minutes")
	layers.Cluster = map[string]string{"log.retention.ms": "5"}
	want(5, "all brokers")
	layers.Broker = map[string]string{"log.retention.ms": "6"}
	want(6, "this broker")
	layers.Topic = map[string]string{"retention.ms": "7"}
	want(7, "the topic")
	layers.Topic["retention.ms"] = "nonsense"
	want(6, "a stored value that no rule allows is passed over")
	layers = Layers{Static: map[string]string{"log.retention.hours": "-7"}}
	want(NoLimit, "every negative retention is none")
}

func TestDefaultTopic(t *testing.T) {
	want := Topic{
		CleanupDelete: true, RetentionMs: 604_800_000, RetentionBytes: NoLimit, SegmentBytes: 1 << 30,
		SegmentMs: 604_800_000, SegmentIndexBytes: 10 << 20, FileDeleteDelayMs: 60_000, IndexIntervalBytes: 4096,
		FlushMessages: math.MaxInt64, FlushMs: math.MaxInt64, MaxMessageBytes: 1_048_588,
		TimestampBeforeMaxMs: math.MaxInt64, TimestampAfterMaxMs: 3_600_000, GzipLevel: -1, LZ4Level: 9, ZstdLevel: 3,
		MinInSyncReplicas: 1, DeleteRetentionMs: 86_400_000, CompactionLagMaxMs: math.MaxInt64, DirtyRatioMin: 500_000,
	}
	if diff := cmp.Diff(want, DefaultTopic()); diff != "" {
		t.Error(diff)
	}
}

func TestTinySegmentsComeFromTheInternalSetting(t *testing.T) {
	got := ResolveTopic(Layers{Topic: map[string]string{"segment.bytes": "2097152", "internal.segment.bytes": "300"}})
	if got.SegmentBytes != 300 {
		t.Errorf("segment of %d bytes, want 300", got.SegmentBytes)
	}
}

func TestDefaultBrokerHasNoComplaints(t *testing.T) {
	if errs := CheckBroker(Layers{}); errs != nil {
		t.Error(errs)
	}
	b := ResolveBroker(Layers{Static: map[string]string{"node.id": "7", "offsets.retention.minutes": "2"}})
	if b.NodeID != 7 || b.Group.OffsetsRetentionMs != 120_000 || b.Group.OffsetsTopicPartitions != 50 ||
		!b.AutoCreateTopics || b.SocketRequestMaxBytes != 100<<20 || b.Metadata.SegmentBytes != 1<<30 {
		t.Errorf("%+v", b)
	}
}

func TestSettingsThatContradictEachOther(t *testing.T) {
	for _, c := range []struct{ key, value, complaint string }{
		{"group.min.session.timeout.ms", "1800001", "group.max.session.timeout.ms"},
		{"log.retention.minutes", "0", "log.retention.minutes"},
		{"log.roll.ms", "0", "log.roll.ms"},
		{"broker.heartbeat.interval.ms", "9000", "broker.session.timeout.ms"},
		{"max.connections.per.ip", "0", "max.connections.per.ip.overrides"},
		{"max.connections.per.ip.overrides", "localhost", "host:number"},
		{"default.replication.factor", "65537", "32767"},
		{"log.cleaner.max.compaction.lag.ms", "1", ""},
		{"log.cleaner.min.compaction.lag.ms", "9223372036854775807", ""},
	} {
		errs := CheckBroker(Layers{Static: map[string]string{c.key: c.value}})
		if c.complaint == "" && errs != nil || c.complaint != "" && len(errs) != 1 {
			t.Errorf("%s = %s: %v", c.key, c.value, errs)
		} else if c.complaint != "" && !strings.Contains(errs[0].Error(), c.complaint) {
			t.Errorf("%s = %s: %v does not say %s", c.key, c.value, errs[0], c.complaint)
		}
	}
	if CheckTopic(Layers{Topic: map[string]string{"min.compaction.lag.ms": "2", "max.compaction.lag.ms": "1"}}) == nil {
		t.Error("a compaction lag above its maximum was taken")
	}
}

func TestDescribeTopicShowsTheChain(t *testing.T) {
	layers := Layers{
		Topic:   map[string]string{"retention.ms": " 7"},
		Cluster: map[string]string{"log.retention.ms": "5"},
		Static:  map[string]string{"log.retention.hours": "2"},
	}
	doc := "Age at which a segment is removed, counted from its newest record; -1 is no limit."
	want := []Described{{
		Name: "retention.ms", Value: "7", Source: FromTopic, Type: Long, Documentation: doc,
		Synonyms: []DescribedSynonym{
			{Name: "retention.ms", Value: " 7", Source: FromTopic},
			{Name: "log.retention.ms", Value: "5", Source: FromCluster},
			{Name: "log.retention.hours", Value: "2", Source: FromStatic},
			{Name: "log.retention.hours", Value: "168", Source: FromDefault},
		},
	}}
	if diff := cmp.Diff(want, DescribeTopic(layers, []string{"retention.ms", "no.such.setting"})); diff != "" {
		t.Error(diff)
	}
	layers.Topic = nil
	if got := DescribeTopic(layers, []string{"retention.ms"})[0]; got.Value != "5" || got.Source != FromCluster {
		t.Errorf("%+v", got)
	}
}

func TestDescribeBrokerHidesSecretsAndEarlierSynonyms(t *testing.T) {
	layers := Layers{Static: map[string]string{
		"ssl.key.password": "secret", "log.retention.ms": "1", "log.retention.hours": "2", "node.id": "3",
	}}
	got := DescribeBroker(layers, []string{"ssl.key.password", "log.retention.hours", "log.retention.minutes", "node.id"})
	want := []Described{
		{Name: "log.retention.hours", Value: "2", Source: FromStatic, Type: Int, ReadOnly: true,
			Synonyms: []DescribedSynonym{
				{Name: "log.retention.hours", Value: "2", Source: FromStatic},
				{Name: "log.retention.hours", Value: "168", Source: FromDefault},
			}},
		{Name: "log.retention.minutes", Null: true, Source: FromDefault, Type: Int, ReadOnly: true,
			Synonyms: []DescribedSynonym{}},
		{Name: "node.id", Value: "3", Source: FromStatic, Type: Int, ReadOnly: true,
			Synonyms: []DescribedSynonym{{Name: "node.id", Value: "3", Source: FromStatic}}},
		{Name: "ssl.key.password", Null: true, Source: FromStatic, Type: Password, Sensitive: true,
			Synonyms: []DescribedSynonym{{Name: "ssl.key.password", Null: true, Source: FromStatic}}},
	}
	for i := range got {
		got[i].Documentation = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDescribeWithoutKeysListsWhatKafkaLists(t *testing.T) {
	topic, broker := map[string]bool{}, map[string]bool{}
	for _, d := range DescribeTopic(Layers{}, nil) {
		topic[d.Name] = true
	}
	for _, d := range DescribeBroker(Layers{}, []string{}) {
		broker[d.Name] = true
	}
	for _, f := range kafkaFacts(t) {
		listed := topic
		if f.scope == "broker" {
			listed = broker
		}
		if listed[f.name] != (f.origin == "public") {
			t.Errorf("%s setting %s: listed %v, Kafka: %s", f.scope, f.name, listed[f.name], f.origin)
		}
	}
	if len(DescribeCluster(Layers{Static: map[string]string{"node.id": "1"}}, nil)) != 0 {
		t.Error("the default of all brokers lists more than what is set for all brokers")
	}
	cluster := DescribeCluster(Layers{Cluster: map[string]string{"message.max.bytes": "9"}}, nil)
	if len(cluster) != 1 || cluster[0].Source != FromCluster || cluster[0].Value != "9" {
		t.Errorf("%+v", cluster)
	}
}

// TestDecimalsEqualBigRationals compares the hand-made reading of decimals with exact arithmetic.
func TestDecimalsEqualBigRationals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[+-]?([0-9]{1,8}(\.[0-9]{0,9})?|\.[0-9]{1,9})([eE][+-]?[0-9]{1,2})?`).Draw(t, "text")
		got, ok := parseDecimal(text)
		want, wantOK := new(big.Rat).SetString(text)
		if ok != wantOK {
			t.Fatalf("%s: read %v, want %v", text, ok, wantOK)
		}
		want.Mul(want, big.NewRat(millionth, 1))
		cut := new(big.Int).Quo(want.Num(), want.Denom()) // toward zero
		if !cut.IsInt64() {
			cut.SetInt64(int64(cut.Sign()) * math.MaxInt64)
		} else if got.inexact == want.IsInt() {
			t.Fatalf("%s: inexact %v", text, got.inexact)
		}
		if cut.Int64() != got.millionths {
			t.Fatalf("%s: %d millionths, want %s", text, got.millionths, cut)
		}
	})
}

// TestDistanceIsTheLeastNumberOfEdits compares with the recursive definition.
func TestDistanceIsTheLeastNumberOfEdits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ab.]{0,5}`)
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		limit := rapid.IntRange(0, 6).Draw(t, "limit")
		if got, want := distance(a, b, limit), min(slowDistance(a, b), limit); got != want {
			t.Fatalf("distance(%q, %q, %d) = %d, want %d", a, b, limit, got, want)
		}
	})
}

func slowDistance(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	replace := slowDistance(a[1:], b[1:])
	if a[0] != b[0] {
		replace++
	}
	return min(replace, slowDistance(a[1:], b)+1, slowDistance(a, b[1:])+1)
}

// FuzzValidate gives every setting any text: a value that is taken must parse to itself again and resolve.
func FuzzValidate(f *testing.F) {
	f.Add("retention.ms", "1")
	f.Add("min.cleanable.dirty.ratio", "1e400")
	f.Add("listener.name.x.plain.sasl.jaas.config", ",")
	f.Add("leader.replication.throttled.replicas", "1:2,3:4")
	f.Fuzz(func(t *testing.T, name, text string) {
		_ = ValidateDynamicBroker(name, text, true)
		if s, ok := LookupBroker(name); ok && ValidateBroker(name, text) == nil {
			canonical(t, s, text)
			_ = CheckBroker(Layers{Static: map[string]string{name: text}})
		}
		if s, ok := LookupTopic(name); ok && ValidateTopic(name, text) == nil {
			canonical(t, s, text)
			_ = DescribeTopic(Layers{Topic: map[string]string{name: text}}, nil)
		}
		_, _ = Warning(name)
	})
}

func canonical(t *testing.T, s Setting, text string) {
	v, ok := s.parse(text)
	again, okAgain := s.parse(v.text)
	if !ok || !okAgain || v != again {
		t.Fatalf("%s: %q reads as %v, that as %v", s.Name(), text, v, again)
	}
}
