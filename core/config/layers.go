package config

import "math"

// Source says where a value comes from, with DescribeConfigs' numbers (Kafka: DescribeConfigsResponse.ConfigSource).
type Source int8

// The sources that Ottla uses, in order of precedence.
const (
	FromTopic   Source = 1 // set on the topic
	FromBroker  Source = 2 // set on this broker while it runs
	FromCluster Source = 3 // set for all brokers while they run
	FromStatic  Source = 4 // server.properties
	FromDefault Source = 5 // this table
)

// String gives the source's Kafka name.
func (s Source) String() string {
	switch s {
	case FromTopic:
		return "DYNAMIC_TOPIC_CONFIG"
	case FromBroker:
		return "DYNAMIC_BROKER_CONFIG"
	case FromCluster:
		return "DYNAMIC_DEFAULT_BROKER_CONFIG"
	case FromStatic:
		return "STATIC_BROKER_CONFIG"
	case FromDefault:
		return "DEFAULT_CONFIG"
	}
	return "UNKNOWN_CONFIG"
}

// Layers holds the values that were set, by name, in order of precedence; what none of them sets has the table's
// default. Nil maps are empty. The functions of this package only look names up in them and keep no reference.
type Layers struct {
	Topic   map[string]string // the topic's own values
	Broker  map[string]string // dynamic values of this broker
	Cluster map[string]string // dynamic values of all brokers
	Static  map[string]string // server.properties
}

// brokerLayer is one of the layers that hold broker settings.
type brokerLayer struct {
	source Source
	values map[string]string
}

func (l Layers) brokerLayers() [3]brokerLayer {
	return [3]brokerLayer{{FromBroker, l.Broker}, {FromCluster, l.Cluster}, {FromStatic, l.Static}}
}

// topicValue resolves a topic setting. A value that does not parse is passed over: values are validated when they are
// set, so that one can only come from a version of Ottla that knew other rules.
func (l Layers) topicValue(s Setting) (value, bool) {
	if text, ok := l.Topic[s.name]; ok {
		if v, ok := s.parse(text); ok {
			return v, true
		}
	}
	for _, layer := range l.brokerLayers() {
		for _, synonym := range s.synonyms {
			if text, ok := layer.values[synonym.Name]; ok {
				if v, ok := synonym.parse(text); ok {
					return v, true
				}
			}
		}
	}
	return s.defaultValue()
}

// parse reads text as a value of the broker setting and turns it into the topic setting's unit.
func (y Synonym) parse(text string) (value, bool) {
	s, ok := LookupBroker(y.Name)
	if !ok {
		panic("config: synonym " + y.Name + " is not in the table")
	}
	v, ok := s.parse(text)
	if !ok || y.Factor == 1 {
		return v, ok
	}
	if v.num > math.MaxInt64/y.Factor || v.num < math.MinInt64/y.Factor {
		return value{}, false
	}
	v.num *= y.Factor
	if v.num < 0 {
		v.num = -1 // every negative retention means none (Kafka: KafkaConfig.logRetentionTimeMillis)
	}
	v.text = wholeText(v.num)
	return v, true
}

// brokerValue resolves a broker setting by its own name.
func (l Layers) brokerValue(s Setting) (value, bool) {
	for _, layer := range l.brokerLayers() {
		if text, ok := layer.values[s.name]; ok {
			if v, ok := s.parse(text); ok {
				return v, true
			}
		}
	}
	return s.defaultValue()
}

func (s Setting) defaultValue() (value, bool) {
	if s.def == null {
		return value{}, false
	}
	v, ok := s.parse(s.def)
	if !ok {
		panic("config: the default of " + s.name + " is not allowed: " + s.def)
	}
	return v, true
}
