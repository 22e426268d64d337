package broker_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core/wire"
)

// allocated runs do and returns how many bytes the process allocated meanwhile.
func allocated(do func()) int {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// many is a frame whose array, begun by head, has n elements and is closed by tail.
func many(key wire.Key, version int16, head, element, tail []byte, n int) []byte {
	frame := binary.BigEndian.AppendUint16(nil, uint16(key))
	frame = binary.BigEndian.AppendUint16(frame, uint16(version))
	frame = append(frame, 0, 0, 0, 1, 0, 0)
	flexible := wire.Lookup(key).IsFlexible(version)
	if flexible {
		frame = append(frame, 0)
	}
	frame = append(frame, head...)
	if flexible {
		frame = binary.AppendUvarint(frame, uint64(n+1))
	} else {
		frame = binary.BigEndian.AppendUint32(frame, uint32(n))
	}
	for range n {
		frame = append(frame, element...)
	}
	return append(frame, tail...)
}

// small are the arrays whose elements take the fewest bytes, of every API that has one.
var small = []struct {
	key           wire.Key
	version       int16
	head, element string
	tail          string
}{
	{wire.Metadata, 1, "", "\x00\x00", ""},
	{wire.Metadata, 12, "", "0123456789abcdef\x00\x00", "\x00\x00\x00"},
	{wire.Produce, 9, "\x00\xff\xff\x00\x00\x00\x00", "\x02t\x01\x00", "\x00"},
	{wire.Fetch, 12,
		"\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff",
		"\x02t\x01\x00", "\x01\x01\x00"},
	{wire.ListOffsets, 7, "\xff\xff\xff\xff\x00", "\x02t\x01\x00", "\x00"},
	{wire.OffsetCommit, 8, "\x02g\xff\xff\xff\xff\x01\x00", "\x02t\x01\x00", "\x00"},
	{wire.OffsetFetch, 8, "", "\x01\x01\x00", "\x00\x00"},
	{wire.FindCoordinator, 4, "\x00", "\x01", "\x00"},
	{wire.JoinGroup, 6, "\x02g\x00\x00\x40\x00\x00\x00\x40\x00\x01\x00\x01", "\x01\x01\x00", "\x00"},
	{wire.LeaveGroup, 4, "\x02g", "\x01\x00\x00", "\x00"},
	{wire.SyncGroup, 4, "\x02g\x00\x00\x00\x01\x01\x00", "\x01\x01\x00", "\x00"},
	{wire.DescribeGroups, 5, "", "\x01", "\x00\x00"},
	{wire.DeleteGroups, 2, "", "\x01", "\x00"},
	{wire.ListGroups, 4, "", "\x01", "\x00"},
	{wire.CreateTopics, 5, "", "\x01\x00\x00\x00\x01\x00\x01\x01\x01\x00", "\x00\x00\x00\x00\x00\x00"},
	{wire.DeleteTopics, 4, "", "\x01", "\x00\x00\x00\x00\x00"},
	{wire.DeleteRecords, 2, "", "\x02t\x01\x00", "\x00\x00\x00\x00\x00"},
	{wire.OffsetForLeaderEpoch, 4, "\xff\xff\xff\xff", "\x02t\x01\x00", "\x00"},
	{wire.DescribeConfigs, 4, "", "\x04\x021\x00\x00", "\x00\x01\x00"},
	{wire.AlterConfigs, 2, "", "\x02\x01\x01\x00", "\x00\x00"},
	{wire.IncrementalAlterConfigs, 1, "", "\x02\x01\x01\x00", "\x00\x00"},
	{wire.DescribeLogDirs, 2, "", "\x02t\x01\x00", "\x00"},
	{wire.CreatePartitions, 2, "", "\x01\x00\x00\x00\x05\x00\x00", "\x00\x00\x00\x00\x00\x00"},
	{wire.OffsetDelete, 0, "\x00\x01g", "\x00\x01t\x00\x00\x00\x00", ""},
	{wire.DescribeProducers, 0, "", "\x02t\x01\x00", "\x00"},
	{wire.ListConfigResources, 1, "", "\x02", "\x00"},
	{wire.DescribeTopicPartitions, 0, "", "\x02t\x00", "\x00\x00\x00\xff\xff\x00"},
}

const (
	// serveFactor is how many times the budget of its decoding a request may take to be served: operations, answer, and
	// what this test itself copies. The dearest element is an IncrementalAlterConfigs resource with an error message.
	serveFactor = 16
	// refuseSlack is what may be allocated for a frame that is refused, beside the frame.
	refuseSlack = 64 << 10
)

// A frame of n bytes takes at most serveFactor*DecodeBudget(n) bytes in all machines together, and next to nothing if
// it is refused; the arrays of small elements are where a sender gets the most for its bytes.
func TestAFrameAllocatesWithinItsBudget(t *testing.T) {
	for _, c := range small {
		for _, n := range []int{1000, 40000, 200000} {
			t.Run(fmt.Sprintf("%v v%d with %d elements", c.key, c.version, n), func(t *testing.T) {
				w := newWorld(2)
				s := w.connect()
				w.createTopic(s, seedTopic)
				find := kmsg.NewPtrFindCoordinatorRequest()
				find.Version, find.CoordinatorKeys = 4, []string{"g"}
				w.ask(s, find)
				frame := many(c.key, c.version, []byte(c.head), []byte(c.element), []byte(c.tail), n)
				got := allocated(func() { w.send(s, frame) })
				most := serveFactor * wire.DecodeBudget(len(frame))
				if s.closed {
					most = len(frame) + refuseSlack
				}
				if got > most {
					t.Errorf("%d bytes of request, closed %v, took %d bytes, more than %d", len(frame), s.closed, got, most)
				}
			})
		}
	}
}

// A request that names one thing over and over must not get its long answer over and over: the answers here would be
// a hundred times as large.
func TestRepeatedNamesAreNotAnsweredRepeatedly(t *testing.T) {
	const times = 5000
	for _, c := range []struct {
		name    string
		frame   []byte
		largest int
	}{
		{"DescribeConfigs of this broker, with documentation",
			many(wire.DescribeConfigs, 4, nil, []byte("\x04\x021\x00\x00"), []byte("\x01\x01\x00"), times), 200 << 10},
		{"Metadata of one topic", many(wire.Metadata, 1, nil, []byte("\x00\x01t"), nil, times), 1 << 10},
		{"DescribeTopicPartitions of one topic", many(wire.DescribeTopicPartitions, 0, nil, []byte("\x02t\x00"),
			[]byte("\x00\x00\x00\xff\xff\x00"), times), 1 << 10},
		{"DescribeGroups of one group", many(wire.DescribeGroups, 0, nil, []byte("\x00\x01g"), nil, times), 1 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(2)
			s := w.connect()
			w.createTopic(s, seedTopic)
			if !w.send(s, c.frame) || len(s.answers) != 2 {
				t.Fatalf("%d answers", len(s.answers))
			}
			if size := len(s.answers[1]); size > c.largest {
				t.Errorf("an answer of %d bytes, more than %d", size, c.largest)
			}
		})
	}
}
