// Package controller decides how the cluster's metadata changes: topics, partitions, configurations, producer ids,
// brokers and their leaders (Kafka: QuorumController and its control managers).
//
// A decision is a pure function of the image and the request. It gives records and a response; nothing has happened
// until the caller has appended the records to the metadata log as one batch, and the response goes out only once they
// are committed. The image that a decision looks at must hold every record decided before it, committed or not, so
// that two requests in flight cannot both take one name; an image costs little to extend by records that may yet be
// lost with the leadership.
//
// The records of a decision are appended right after the image's offset. Broker epochs rely on it.
//
// What a controller knows beside the image is soft: when each broker was last heard of, and which may be gone. It
// begins anew with each leadership, at [Controller.Activate].
//
// All that happens to a partition's leader, ISR and replicas goes through one function, the run of a transition.
//
// Quotas, ACLs and SCRAM credentials get files of their own.
package controller
