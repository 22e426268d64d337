package api

// AlterPartitionReassignments serves API key 45, v0-1 (KIP-455): new replicas for partitions, or, with null, an end to
// the change in progress. From v1 on a request can hold the controller to the replication factor (KIP-860).
func AlterPartitionReassignments(c *Context) { Controls(c) }
