package config

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// shardsMax bounds ottla.shards: more shards than that cost memory and win nothing on any machine of today.
const shardsMax = 1024

// topicTable and brokerTable are sorted by name and never changed after they are built.
//
//core:table
var (
	topicTable  = sortedTable(topicRows())
	brokerTable = sortedTable(
		logRows(), networkRows(), quorumRows(), replicationRows(), groupRows(), transactionRows(),
		shareRows(), remoteRows(), securityRows(), operationsRows(),
	)
)

func sortedTable(areas ...[]row) []Setting {
	var table []Setting
	for _, rows := range areas {
		for _, r := range rows {
			s := Setting{row: r}
			if r.update == PerTopic {
				s.synonyms = synonymsOf(r.name)
			}
			table = append(table, s)
		}
	}
	slices.SortStableFunc(table, func(a, b Setting) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(table); i++ {
		if table[i-1].name == table[i].name {
			panic("config: two rows for " + table[i].name)
		}
	}
	return table
}

const (
	msPerMinute = 60 * 1000
	msPerHour   = 60 * msPerMinute
)

// synonymsOf gives the broker settings that a topic setting falls back to, in order of precedence
// (Kafka: ServerTopicConfigSynonyms).
func synonymsOf(topic string) []Synonym {
	switch topic {
	case "retention.ms":
		return []Synonym{{"log.retention.ms", 1}, {"log.retention.minutes", msPerMinute},
			{"log.retention.hours", msPerHour}}
	case "segment.ms":
		return []Synonym{{"log.roll.ms", 1}, {"log.roll.hours", msPerHour}}
	case "segment.jitter.ms":
		return []Synonym{{"log.roll.jitter.ms", 1}, {"log.roll.jitter.hours", msPerHour}}
	case "flush.ms":
		return []Synonym{{"log.flush.interval.ms", 1}, {"log.flush.scheduler.interval.ms", 1}}
	case "flush.messages":
		return []Synonym{{"log.flush.interval.messages", 1}}
	case "segment.index.bytes":
		return []Synonym{{"log.index.size.max.bytes", 1}}
	case "max.message.bytes":
		return []Synonym{{"message.max.bytes", 1}}
	case "file.delete.delay.ms":
		return []Synonym{{"log.segment.delete.delay.ms", 1}}
	case "min.cleanable.dirty.ratio":
		return []Synonym{{"log.cleaner.min.cleanable.ratio", 1}}
	case "delete.retention.ms", "min.compaction.lag.ms", "max.compaction.lag.ms":
		return []Synonym{{"log.cleaner." + topic, 1}}
	case "cleanup.policy", "index.interval.bytes", "local.retention.bytes", "local.retention.ms", "preallocate",
		"message.timestamp.type", "message.timestamp.before.max.ms", "message.timestamp.after.max.ms",
		"retention.bytes", "segment.bytes":
		return []Synonym{{"log." + topic, 1}}
	case "compression.type", "compression.gzip.level", "compression.lz4.level", "compression.zstd.level",
		"min.insync.replicas", "unclean.leader.election.enable", "write.caching":
		return []Synonym{{topic, 1}}
	}
	return nil
}

// brokerSynonyms gives the broker settings that stand for one another, in order of precedence; most stand alone
// (Kafka: DynamicBrokerConfig.brokerConfigSynonyms).
func brokerSynonyms(name string) []string {
	switch name {
	case "log.retention.ms", "log.retention.minutes", "log.retention.hours":
		return []string{"log.retention.ms", "log.retention.minutes", "log.retention.hours"}
	case "log.roll.ms", "log.roll.hours":
		return []string{"log.roll.ms", "log.roll.hours"}
	case "log.roll.jitter.ms", "log.roll.jitter.hours":
		return []string{"log.roll.jitter.ms", "log.roll.jitter.hours"}
	case "log.flush.interval.ms":
		return []string{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"}
	}
	return []string{name}
}

// TopicSettings lists the topic settings by name, internal ones included.
func TopicSettings() iter.Seq[Setting] { return slices.Values(topicTable) }

// BrokerSettings lists the broker settings by name, internal ones included.
func BrokerSettings() iter.Seq[Setting] { return slices.Values(brokerTable) }

// LookupTopic finds a topic setting.
func LookupTopic(name string) (Setting, bool) { return lookup(topicTable, name) }

// LookupBroker finds a broker setting.
func LookupBroker(name string) (Setting, bool) { return lookup(brokerTable, name) }

func lookup(table []Setting, name string) (Setting, bool) {
	i, found := slices.BinarySearchFunc(table, name, func(s Setting, n string) int { return cmp.Compare(s.name, n) })
	if !found {
		return Setting{}, false
	}
	return table[i], true
}
