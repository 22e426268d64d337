// Package conformance holds Ottla's answers to bad input as tests: a broker in this process, raw bytes on its sockets,
// and for every case the exact error code, or a close without an answer. After each case a client that was connected
// all along and a new one must find the broker as it was.
//
// The rows are those of Kafka's behaviour as its sources have it (RequestHeader.parse, the generated readers,
// KafkaApis, LogValidator, Errors.java). Where Kafka answers UNKNOWN_SERVER_ERROR or has no bound, and Ottla does
// better, the case says "ours". Kafka's rule that whatever else goes wrong in a handler is that API's answer with
// UNKNOWN_SERVER_ERROR has no counterpart: nothing that a client sends may go wrong here, and fuzzing holds that.
package conformance
