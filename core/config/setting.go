package config

// Type is the type of a setting's value, with DescribeConfigs' numbers (Kafka: ConfigDef.Type,
// DescribeConfigsResponse.ConfigType).
type Type int8

// The types of values.
const (
	Boolean  Type = 1
	String   Type = 2
	Int      Type = 3 // 32 bits
	Short    Type = 4 // 16 bits
	Long     Type = 5 // 64 bits
	Double   Type = 6 // decimal text
	List     Type = 7 // words separated by commas
	Class    Type = 8
	Password Type = 9 // never shown
)

// String gives the type's Kafka name.
func (t Type) String() string {
	switch t {
	case Boolean:
		return "BOOLEAN"
	case String:
		return "STRING"
	case Int:
		return "INT"
	case Short:
		return "SHORT"
	case Long:
		return "LONG"
	case Double:
		return "DOUBLE"
	case List:
		return "LIST"
	case Class:
		return "CLASS"
	case Password:
		return "PASSWORD"
	}
	return "UNKNOWN"
}

// Importance is Kafka's own ranking of its settings.
type Importance uint8

// The ranks.
const (
	High Importance = iota + 1
	Medium
	Low
)

// String gives the rank in lower case, as Kafka's documentation prints it.
func (i Importance) String() string {
	switch i {
	case High:
		return "high"
	case Medium:
		return "medium"
	case Low:
		return "low"
	}
	return "unknown"
}

// Update says where a setting may be changed while the broker runs (KIP-226).
type Update uint8

// The update modes. ReadOnly settings come from server.properties alone; PerBroker ones may be changed for one broker
// at a time; ClusterWide ones for one broker or for all of them; PerTopic ones belong to a topic.
const (
	ReadOnly Update = iota + 1
	PerBroker
	ClusterWide
	PerTopic
)

// String gives the mode's name in Kafka's documentation.
func (u Update) String() string {
	switch u {
	case ReadOnly:
		return "read-only"
	case PerBroker:
		return "per-broker"
	case ClusterWide:
		return "cluster-wide"
	case PerTopic:
		return "per-topic"
	}
	return "unknown"
}

// Support says what Ottla does with a setting.
type Support uint8

// Obeyed settings do what they say. Ignored ones are known to Kafka and of no use to Ottla: they are taken with a line
// of warning. Refused ones are not implemented yet: any value but the default is an error.
const (
	Obeyed Support = iota + 1
	Ignored
	Refused
)

// String gives the state in lower case.
func (s Support) String() string {
	switch s {
	case Obeyed:
		return "obeyed"
	case Ignored:
		return "ignored"
	case Refused:
		return "refused"
	}
	return "unknown"
}

// Origin says whose setting it is and whether DescribeConfigs lists it.
type Origin uint8

// Public settings are Kafka's and listed; Internal ones are Kafka's, accepted and not listed (Kafka: defineInternal);
// Own ones are Ottla's and listed.
const (
	Public Origin = iota + 1
	Internal
	Own
)

// Synonym names a broker setting that gives a topic setting its default. Factor turns the broker setting's unit into
// the topic setting's: 3,600,000 for hours into milliseconds.
type Synonym struct {
	Name   string
	Factor int64
}

// row is a setting as the table's files write it down.
type row struct {
	name       string
	kind       Type
	def        string
	allowed    check
	importance Importance
	update     Update
	support    Support
	origin     Origin
	doc        string
}

// null as a default means that the setting has no value until somebody gives it one.
const null = "\x00null"

// required as a default means that Kafka does not start without a value. Ottla treats it as null: node/config supplies
// the value for a node started without a file.
const required = null

// Setting describes one setting. The zero value is no setting.
type Setting struct {
	row
	synonyms []Synonym
}

// Name is the property's name.
func (s Setting) Name() string { return s.name }

// Type is the type of the values.
func (s Setting) Type() Type { return s.kind }

// Default gives the value that holds when nobody sets one, or false if there is none.
func (s Setting) Default() (string, bool) { return s.def, s.def != null }

// Allowed says in words which values are allowed, for example "at least 1".
func (s Setting) Allowed() string { return s.allowed.words(s.kind) }

// Importance is Kafka's ranking.
func (s Setting) Importance() Importance { return s.importance }

// Update says where the setting may be changed at run time.
func (s Setting) Update() Update { return s.update }

// Support says what Ottla does with the setting.
func (s Setting) Support() Support { return s.support }

// Origin says whose setting it is.
func (s Setting) Origin() Origin { return s.origin }

// Doc is one sentence of documentation.
func (s Setting) Doc() string { return s.doc }

// Sensitive reports whether values must never be shown.
func (s Setting) Sensitive() bool { return s.kind == Password }

// Synonyms gives the broker settings behind a topic setting, in order of precedence. The caller must not change it.
func (s Setting) Synonyms() []Synonym { return s.synonyms }
