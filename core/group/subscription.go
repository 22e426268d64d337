package group

import "github.com/twmb/franz-go/pkg/kbin"

// readSubscription adds the topics of a consumer's subscription to topics. Every version of the format begins as
// version 0 does: version i16, topics []string, user data bytes (Kafka: ConsumerProtocolSubscription). It reports false
// if the bytes are not that; a group may use the protocol type "consumer" and say something else.
func readSubscription(metadata []byte, topics map[string]struct{}) bool {
	r := kbin.Reader{Src: metadata}
	r.Int16()
	for n := r.ArrayLen(); n > 0 && r.Ok(); n-- {
		if topic := r.String(); r.Ok() {
			topics[topic] = struct{}{}
		}
	}
	r.NullableBytes()
	return r.Ok()
}
