// Package broker composes the machines of one broker: sessions, shards and control. A driver holds a [Broker], gives
// its machines their inputs and executes their effects; the machines meet only through messages.
//
//	client --frame--> session --ProduceOp--> shard --OpWrite, OpSync--> disk
//	client <-answer-- session <-ProduceOp--- shard <-InputSynced------- disk
//
// A session belongs to one connection. It decodes requests, checks the batches that it is given, splits a request over
// shards, and gathers the results into answers in the order of the requests. A shard owns partitions and the group
// coordinators that live on the partitions of __consumer_offsets. Control holds the metadata quorum's replica, decides
// as the controller when it leads, registers the broker, and tells everybody about new metadata.
package broker
