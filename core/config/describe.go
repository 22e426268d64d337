package config

import "slices"

// Described is one setting as DescribeConfigs (API 32) answers it.
type Described struct {
	Name          string
	Value         string // nothing if Null
	Null          bool   // no value, or one that must not be shown
	Source        Source
	Type          Type
	ReadOnly      bool
	Sensitive     bool
	Documentation string
	Synonyms      []DescribedSynonym // in order of precedence, the deciding one first
}

// DescribedSynonym is a place at which a described setting is set.
type DescribedSynonym struct {
	Name   string
	Value  string // nothing if Null
	Null   bool   // the value must not be shown
	Source Source
}

// DescribeTopic describes a topic's settings by name: those named in keys, or all of them if keys is empty. Unknown
// keys are passed over, as Kafka does.
//
// The synonyms of retention.ms, segment.ms, segment.jitter.ms and flush.ms name whichever broker setting gives the
// value. Kafka 4.2 drops them, and reports a default source, unless the one in milliseconds is set
// (ConfigHelper.configSynonyms); ours is the answer that KIP-226 asks for.
func DescribeTopic(l Layers, keys []string) []Described {
	return describe(topicTable, keys, func(s Setting) (Described, bool) {
		v, ok := l.topicValue(s)
		d := s.described(v, ok)
		if text, set := l.Topic[s.name]; set {
			d.Synonyms = append(d.Synonyms, s.describedSynonym(s.name, text, FromTopic))
		}
		if names := synonymNames(s); names != nil {
			d.Synonyms = append(d.Synonyms, l.brokerSynonymsOf(s, names)...)
		}
		d.Source = d.firstSource()
		return d, true
	})
}

// DescribeBroker describes the settings of this broker by name: those named in keys, or all of them if keys is empty.
func DescribeBroker(l Layers, keys []string) []Described {
	return describe(brokerTable, keys, func(s Setting) (Described, bool) {
		v, ok := l.brokerValue(s)
		d := s.described(v, ok)
		d.Synonyms = l.brokerSynonymsOf(s, brokerSynonyms(s.name))
		// A synonym that stands before the setting itself decides for another setting, not for this one.
		own := slices.IndexFunc(d.Synonyms, func(y DescribedSynonym) bool { return y.Name == s.name })
		if own < 0 {
			own = len(d.Synonyms)
		}
		d.Synonyms = d.Synonyms[own:]
		d.Source = d.firstSource()
		return d, true
	})
}

// DescribeCluster describes the settings given to all brokers while they run (the broker resource without a name).
func DescribeCluster(l Layers, keys []string) []Described {
	return describe(brokerTable, keys, func(s Setting) (Described, bool) {
		text, ok := l.Cluster[s.name]
		if !ok {
			return Described{}, false
		}
		v, ok := s.parse(text)
		d := s.described(v, ok)
		d.Source = FromCluster
		d.Synonyms = []DescribedSynonym{s.describedSynonym(s.name, text, FromCluster)}
		return d, true
	})
}

func describe(table []Setting, keys []string, one func(Setting) (Described, bool)) []Described {
	wanted := slices.Clone(keys)
	slices.Sort(wanted)
	var all []Described
	for _, s := range table {
		_, named := slices.BinarySearch(wanted, s.name)
		if !named && (len(keys) > 0 || s.origin == Internal) {
			continue
		}
		if d, ok := one(s); ok {
			all = append(all, d)
		}
	}
	return all
}

func (s Setting) described(v value, ok bool) Described {
	d := Described{
		Name:          s.name,
		Value:         v.text,
		Type:          s.kind,
		ReadOnly:      s.update == ReadOnly,
		Sensitive:     s.Sensitive(),
		Documentation: s.doc,
	}
	if !ok || d.Sensitive {
		d.Value, d.Null = "", true
	}
	return d
}

func (s Setting) describedSynonym(name, text string, source Source) DescribedSynonym {
	if s.Sensitive() {
		return DescribedSynonym{Name: name, Null: true, Source: source}
	}
	return DescribedSynonym{Name: name, Value: text, Source: source}
}

// brokerSynonymsOf lists every place at which one of the named broker settings is set, defaults last.
func (l Layers) brokerSynonymsOf(s Setting, names []string) []DescribedSynonym {
	var found []DescribedSynonym
	for _, layer := range l.brokerLayers() {
		for _, name := range names {
			if text, ok := layer.values[name]; ok {
				found = append(found, s.describedSynonym(name, text, layer.source))
			}
		}
	}
	for _, name := range names {
		synonym, ok := LookupBroker(name)
		if !ok {
			panic("config: synonym " + name + " is not in the table")
		}
		if def, ok := synonym.Default(); ok {
			found = append(found, s.describedSynonym(name, def, FromDefault))
		}
	}
	return found
}

func synonymNames(s Setting) []string {
	var names []string
	for _, y := range s.synonyms {
		names = append(names, y.Name)
	}
	return names
}

func (d Described) firstSource() Source {
	if len(d.Synonyms) == 0 {
		return FromDefault
	}
	return d.Synonyms[0].Source
}
