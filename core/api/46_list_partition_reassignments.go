package api

// ListPartitionReassignments serves API key 46, v0 (KIP-455). The controller answers, from what is committed by then.
func ListPartitionReassignments(c *Context) { Controls(c) }
