// Package admin is what the commands that look at a running cluster, and change it, have in common: the flags that name
// the cluster, the connection, errors that say what to do, tables for people and JSON for scripts.
package admin
