package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ottla.dev/core/broker"
	settings "ottla.dev/core/config"
	"ottla.dev/core/record"
)

// Input is what a node is told. The zero value is a node that is told nothing.
type Input struct {
	FileName string   // for messages; empty if there is no file
	File     string   // the text of the file
	Env      []string // name=value, as os.Environ gives it; nil leaves the environment out
	Set      []string // key=value, from the command line
	Hostname string   // stands in advertised listeners that have no host
}

// Config is everything that a node's settings come to.
type Config struct {
	// Static holds the settings in force, by name: the layer of server.properties in core/config. It holds the values
	// that Ottla supplies for a single node as well.
	Static map[string]string
	Broker settings.Broker

	Listeners  []Listener // to listen on, at least one
	Advertised []Listener // to tell clients, at least one; port 0 is the port of the listener of that name
	DataDirs   []string   // log.dirs, at least one
	// MetadataDir holds the metadata log: one of DataDirs, or a folder of its own.
	MetadataDir string

	// The quorum. Without voters the node is one of its own, and opens no listeners for it.
	Voters               []broker.Voter
	Bootstrap            []record.Endpoint
	Controllers          []Listener // to listen on, for the quorum
	ControllerAdvertised []Listener // to tell other nodes
	ControllerOnly       bool       // the node is no broker
	brokerOnly           bool

	Warnings []string // a line each
}

// setting is a value and the place that it was given at.
type setting struct {
	value, place string
}

// Load reads and checks a node's settings. Its error lists everything that is wrong, a sentence a line.
func Load(in Input) (*Config, error) {
	l := loader{given: map[string]setting{}}
	l.readFile(in)
	l.readEnv(in.Env)
	l.readSet(in.Set)
	l.validate()
	l.supply(in)
	if len(l.errs) > 0 {
		return nil, errors.Join(l.errs...)
	}
	for _, err := range settings.CheckBroker(settings.Layers{Static: l.static}) {
		l.errs = append(l.errs, l.placed(err))
	}
	c := &Config{Static: l.static}
	l.roles(c)
	l.bootstrap(c)
	l.voters(c)
	l.dataDirs(c)
	l.listeners(c, in.Hostname)
	if len(l.errs) > 0 {
		return nil, errors.Join(l.errs...)
	}
	c.Broker = settings.ResolveBroker(settings.Layers{Static: l.static})
	c.Warnings = l.warnings
	return c, nil
}

// Explain prints the settings in force as the text of a properties file, sorted, with sensitive values hidden.
func (c *Config) Explain() string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(c.Static)) {
		value := c.Static[key]
		if settings.SensitiveBroker(key) {
			value = "[hidden]"
		}
		fmt.Fprintf(&b, "%s=%s\n", key, value)
	}
	return b.String()
}

// refusalsMax bounds the errors that are listed for a file that is no properties file at all.
const refusalsMax = 20

// loader gathers a node's settings and what is wrong with them.
type loader struct {
	given    map[string]setting
	static   map[string]string
	warnings []string
	errs     []error
}

func (l *loader) refuse(format string, args ...any) {
	l.errs = append(l.errs, fmt.Errorf(format, args...))
}

func (l *loader) warn(format string, args ...any) {
	l.warnings = append(l.warnings, fmt.Sprintf(format, args...))
}

// refuseValue refuses the value of a key whose value may be shown.
func (l *loader) refuseValue(key, format string, args ...any) {
	err := fmt.Errorf("%s = %q is not allowed: %s", key, l.text(key), fmt.Sprintf(format, args...))
	l.errs = append(l.errs, l.at(key, err))
}

// at puts the place of a key's value before an error about it.
func (l *loader) at(key string, err error) error {
	if s, ok := l.given[key]; ok {
		return fmt.Errorf("%s: %w", s.place, err)
	}
	return err
}

func (l *loader) placed(err error) error {
	var refusal *settings.Error
	if errors.As(err, &refusal) {
		return l.at(refusal.Key, err)
	}
	return err
}

func (l *loader) readFile(in Input) {
	properties, err := ParseProperties(in.File)
	if err != nil {
		l.refuse("%s: %w", in.FileName, err)
	}
	for _, p := range properties {
		place := fmt.Sprintf("%s line %d", in.FileName, p.Line)
		if earlier, ok := l.given[p.Key]; ok && earlier.value != p.Value {
			l.warn("%s: %s was set before, at %s; the last value counts", place, p.Key, earlier.place)
		}
		l.given[p.Key] = setting{p.Value, place}
	}
}

func (l *loader) readSet(set []string) {
	for _, text := range set {
		key, value, ok := strings.Cut(text, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			l.refuse("--set %s is not of the form key=value", key)
			continue
		}
		l.given[key] = setting{strings.TrimSpace(value), "--set"}
	}
}

// validate checks every given setting by itself and warns of those that have no effect.
func (l *loader) validate() {
	for _, key := range slices.SortedFunc(maps.Keys(l.given), l.byPlace) {
		if len(l.errs) >= refusalsMax {
			l.refuse("there is more that is wrong, and it is not listed")
			return
		}
		s := l.given[key]
		if line, ok := settings.Warning(key); ok {
			l.warn("%s: %s", s.place, line)
			if settings.Retired(key) {
				continue
			}
		}
		if err := settings.ValidateBroker(key, s.value); err != nil {
			l.errs = append(l.errs, l.at(key, err))
		}
	}
}

// byPlace orders keys as their messages should be printed: by name within a place, and lines by their numbers.
func (l *loader) byPlace(a, b string) int {
	placeA, placeB := l.given[a].place, l.given[b].place
	if d := len(placeA) - len(placeB); d != 0 && strings.Contains(placeA, " line ") && strings.Contains(placeB, " line ") {
		return d
	}
	if d := strings.Compare(placeA, placeB); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// supply fills static with the given settings and with what a single node needs and was not told.
func (l *loader) supply(in Input) {
	l.static = map[string]string{}
	for key, s := range l.given {
		if !settings.Retired(key) {
			l.static[key] = strings.TrimSpace(s.value)
		}
	}
	unset := func(key, value string) {
		if _, ok := l.static[key]; !ok {
			l.static[key] = value
		}
	}
	if id, ok := l.static["broker.id"]; ok {
		unset("node.id", id)
		if id != l.static["node.id"] {
			l.refuseValue("broker.id", "it must be the same as node.id, which is %q", l.static["node.id"])
		}
	}
	unset("node.id", "1")
	unset("broker.id", l.static["node.id"]) // Kafka: KafkaConfig.populateSynonyms
	unset("process.roles", "broker,controller")
	if in.FileName == "" {
		unset("listeners", "PLAINTEXT://127.0.0.1:9092")
	}
	if _, ok := l.static["log.dir"]; !ok {
		unset("log.dirs", "./ottla-data")
	}
	const servers = "controller.quorum.bootstrap.servers"
	list := func(key string) bool { return strings.Contains(l.static[key], ",") }
	both := len(l.words("process.roles")) > 1
	if list("controller.quorum.voters") || list(servers) || l.static[servers] != "" && !both {
		return
	}
	// Kafka's defaults ask for three brokers; its own example files for a single node say the same as these.
	unset("offsets.topic.replication.factor", "1")
	unset("transaction.state.log.replication.factor", "1")
	unset("transaction.state.log.min.isr", "1")
}

func (l *loader) text(key string) string {
	text, _ := settings.BrokerText(settings.Layers{Static: l.static}, key)
	return text
}

func (l *loader) words(key string) []string {
	text := l.text(key)
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
