//go:build ottlacheck

package server

// checking says that this build looks for users of memory that they have given back.
const checking = true
