// Package config is the one table of Ottla's settings: every topic and broker setting that Kafka 4.2 lists, with its
// type, default, allowed values, dynamic update mode and documentation, and Ottla's own few settings. The broker reads
// its settings from this table, DescribeConfigs answers from it, and docs/configuration.md is printed from it.
//
// A setting is in one of three states of [Support]: obeyed, ignored (Kafka knows it and Ottla has no use for it, so it
// is taken with a line of warning) or refused (not implemented yet, so any value but the default is an error). A
// setting is never stored in silence without being obeyed.
//
// Values are text, as they travel in Kafka's requests and in server.properties. They are resolved into the typed
// structs [Topic] and [Broker] when the metadata changes, never per request. There are no floats: the few DOUBLE
// settings stay text, and where a number is needed it is parts per million.
//
// The package is a leaf: it imports nothing of Ottla but the ids.
package config
