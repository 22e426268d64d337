package config

import (
	"fmt"
	"strings"
)

// Reason says why a value was refused.
type Reason uint8

// The reasons.
const (
	Unknown     Reason = iota + 1 // no such setting
	Invalid                       // the value is not allowed
	Unsupported                   // Kafka allows it, this version does not implement it yet
	NotDynamic                    // the setting cannot be changed in that place
)

// Error refuses the value of one setting. Its text is a sentence that names the key, the value and what is allowed; it
// never shows a sensitive value.
type Error struct {
	Key    string
	Reason Reason
	Text   string
}

// Error gives the sentence.
func (e *Error) Error() string { return e.Text }

// hidden stands for values that must not be shown.
const hidden = "[hidden]"

// valueShownMax bounds how much of a wrong value an error repeats, in bytes.
const valueShownMax = 200

func (s Setting) shown(text string) string {
	switch {
	case s.Sensitive():
		return hidden
	case len(text) > valueShownMax:
		return fmt.Sprintf("%q and so on", text[:valueShownMax])
	}
	return fmt.Sprintf("%q", text)
}

// ValidateTopic reports whether a user may give the topic setting that value. The error is an [*Error].
//
// The topics that Ottla makes for itself are not checked by it: __consumer_offsets is compacted although users may not
// ask for that yet.
func ValidateTopic(name, text string) error {
	s, ok := LookupTopic(name)
	if !ok {
		return unknown("topic setting", name, topicTable)
	}
	return s.validate(name, text)
}

// ValidateBroker reports whether server.properties may give the broker setting that value. Names with a listener
// prefix (listener.name.<listener>.<setting>) are judged by the setting behind it. The error is an [*Error].
func ValidateBroker(name, text string) error {
	base, perListener := cutListener(name)
	s, ok := LookupBroker(base)
	if !ok {
		return unknown("broker setting", name, brokerTable)
	}
	if perListener && s.support == Obeyed {
		return &Error{name, Unsupported, fmt.Sprintf(
			"%s: settings of a single listener are not implemented yet; set %s for all listeners", name, base)}
	}
	return s.validate(name, text)
}

// ValidateDynamicBroker reports whether the broker setting may be changed to that value while brokers run: for one
// broker, or else for all of them (Kafka: DynamicBrokerConfig.validateConfigs). The error is an [*Error].
func ValidateDynamicBroker(name, text string, oneBroker bool) error {
	if err := DynamicBroker(name, oneBroker); err != nil {
		return err
	}
	return ValidateBroker(name, text)
}

// DynamicBroker reports whether the broker setting may be changed, or its dynamic value deleted, while brokers run.
// Listeners, which Kafka can open and close at run time, stay as they are for now.
func DynamicBroker(name string, oneBroker bool) error {
	base, _ := cutListener(name)
	s, ok := LookupBroker(base)
	switch {
	case !ok:
		return unknown("broker setting", name, brokerTable)
	case s.update == ReadOnly:
		return &Error{name, NotDynamic, name + " is read-only: it is set in server.properties and takes a restart"}
	case s.update == PerBroker && !oneBroker:
		return &Error{name, NotDynamic, name + " can be changed for one broker at a time, not for all of them"}
	case s.update == PerBroker && s.support == Obeyed:
		return &Error{name, Unsupported, name + " cannot be changed while the broker runs yet; set it in server.properties"}
	}
	return nil
}

func (s Setting) validate(name, text string) error {
	v, ok := s.parse(text)
	if !ok {
		return &Error{name, Invalid, fmt.Sprintf("%s = %s is not allowed: it must be %s", name, s.shown(text), s.Allowed())}
	}
	if word, ok := s.allowed.notYetIn(v.text); ok {
		return &Error{name, Unsupported, fmt.Sprintf("%s = %s: %s is not implemented yet; for now it must be %s",
			name, s.shown(text), word, s.Allowed())}
	}
	if s.support != Refused || s.isDefault(v) {
		return nil
	}
	return &Error{name, Unsupported, fmt.Sprintf("%s = %s: this setting is not implemented yet; leave it out%s",
		name, s.shown(text), s.orDefault())}
}

// isDefault reports whether v says what holds anyway. Empty text counts as no value.
func (s Setting) isDefault(v value) bool {
	if s.def == null {
		return v.text == ""
	}
	def, ok := s.parse(s.def)
	return ok && v == def
}

func (s Setting) orDefault() string {
	if def, ok := s.Default(); ok && def != "" {
		return " or at its default, " + def
	}
	return ""
}

func (c check) notYetIn(text string) (string, bool) {
	for word := range strings.SplitSeq(text, ",") {
		if contains(c.notYet, word, false) {
			return word, true
		}
	}
	return "", false
}

// cutListener takes a prefix listener.name.<listener>. off a setting's name, and the mechanism before a SASL setting
// (listener.name.<listener>.<mechanism>.sasl.jaas.config).
func cutListener(name string) (base string, perListener bool) {
	rest, ok := strings.CutPrefix(name, "listener.name.")
	if !ok {
		return name, false
	}
	_, base, ok = strings.Cut(rest, ".")
	if !ok {
		return name, false
	}
	if i := strings.Index(base, ".sasl."); i >= 0 {
		base = base[i+1:]
	}
	return base, true
}

// Warning gives the line to print when the broker setting is set and has no effect, or false.
func Warning(name string) (string, bool) {
	base, _ := cutListener(name)
	if s, ok := LookupBroker(base); ok {
		return name + " is known to Kafka and has no effect in Ottla", s.support == Ignored
	}
	return name + " was removed from Kafka by version 4 and has no effect in Ottla", Retired(name)
}

// Retired reports whether the name was a broker setting of older Kafka versions. Such settings still stand in many
// files; Kafka 4 passes them over.
func Retired(name string) bool {
	switch name {
	case "advertised.host.name", "advertised.port", "auto.include.jmx.reporter", "broker.id.generation.enable",
		"control.plane.listener.name", "delegation.token.master.key", "eligible.leader.replicas.enable",
		"group.coordinator.new.enable", "host.name", "inter.broker.protocol.version", "log.message.downconversion.enable",
		"log.message.format.version", "log.message.timestamp.difference.max.ms", "offsets.commit.required.acks",
		"port", "quota.consumer.default", "quota.producer.default", "reserved.broker.max.id":
		return true
	}
	for _, prefix := range []string{"zookeeper.", "password.encoder.", "rsm.config.", "rlmm.config."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// SensitiveBroker reports whether the value of a broker setting must not be shown. Unknown settings are sensitive: they
// may be the secrets of a plug-in (Kafka: KafkaConfig.maybeSensitive).
func SensitiveBroker(name string) bool {
	base, _ := cutListener(name)
	s, ok := LookupBroker(base)
	return !ok || s.Sensitive()
}

func unknown(what, name string, table []Setting) *Error {
	text := fmt.Sprintf("%s is not a %s", clip(name), what)
	if twin, ok := twin(name, table); ok {
		text += "; its name here is " + twin
	} else if near, ok := nearest(name, table); ok {
		text += "; did you mean " + near + "?"
	}
	return &Error{name, Unknown, text}
}

func clip(name string) string {
	if len(name) > valueShownMax {
		return fmt.Sprintf("%q and so on", name[:valueShownMax])
	}
	return fmt.Sprintf("%q", name)
}

// twin finds the setting of this table that a name of the other table stands for: retention.ms on a topic is
// log.retention.ms on a broker.
func twin(name string, table []Setting) (string, bool) {
	for _, topic := range topicTable {
		for _, synonym := range topic.synonyms {
			for _, pair := range [2][2]string{{topic.name, synonym.Name}, {synonym.Name, topic.name}} {
				if _, ok := lookup(table, pair[1]); ok && pair[0] == name {
					return pair[1], true
				}
			}
		}
	}
	return "", false
}
