package group

import "unicode/utf16"

// PartitionFor returns the partition of __consumer_offsets that a group's coordinator lives on, out of n
// (Kafka: Utils.abs(groupId.hashCode()) % offsets.topic.num.partitions). The hash is Java's String.hashCode, which runs
// over UTF-16 units.
func PartitionFor(groupID string, n int32) int32 {
	var h int32
	for _, r := range groupID {
		if r > 0xffff {
			var high rune
			high, r = utf16.EncodeRune(r)
			h = 31*h + high
		}
		h = 31*h + r
	}
	// Kafka's abs clears the sign bit of the one number that has no absolute value: abs(-2^31) is 0.
	switch {
	case h == -1<<31:
		h = 0
	case h < 0:
		h = -h
	}
	return h % n
}
