// Package config reads what a node is told about itself: a server.properties file in Java's format, the environment,
// and --set key=value on the command line. It checks every key against the table of core/config and gives typed
// settings, the listeners, warnings, and errors that are sentences.
//
// Where a key is set more than once, the command line wins over the environment, and that over the file. A node
// started without any of them is a broker and controller of its own on 127.0.0.1:9092, with its data in ./ottla-data.
//
// Values of sensitive settings are never printed.
package config
