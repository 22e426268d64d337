// Package coretest checks that a driver keeps the duties that package core lists. Every driver runs [RunDriver] in its
// tests; what the machines in it see is all that a machine may rely on.
package coretest
