package check

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/group"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
)

// TestGroupsAreThoseOfTheirLog: of each key the last record counts, and memory may differ in nothing.
func TestGroupsAreThoseOfTheirLog(t *testing.T) {
	offset := func(p int32, to int64) ([]byte, []byte) {
		k := kmsg.OffsetCommitKey{Version: 1, Group: "g", Topic: "t", Partition: p}
		v := kmsg.OffsetCommitValue{Version: 3, Offset: to, LeaderEpoch: -1, Metadata: "m"}
		return k.AppendTo(nil), v.AppendTo(nil)
	}
	var g groupLog
	g.begin(0)
	for _, to := range []int64{5, 7} {
		key, value := offset(0, to)
		g.record(core.Offset(to), key, value)
	}
	k := kmsg.GroupMetadataKey{Version: 2, Group: "g"}
	v := kmsg.GroupMetadataValue{Version: 3, ProtocolType: "consumer", Generation: 2,
		Members: []kmsg.GroupMetadataValueMember{{MemberID: "a", Assignment: []byte{1}}}}
	g.record(9, k.AppendTo(nil), v.AppendTo(nil))
	sound := func() group.Seen {
		return group.Seen{ID: "g", State: group.Stable, Generation: 2, ProtocolType: "consumer",
			Members: []group.SeenMember{{ID: "a", Assignment: []byte{1}}},
			Offsets: []group.SeenOffset{{Topic: "t", Offset: 7, LeaderEpoch: -1, Metadata: "m"}}}
	}
	if why := g.differs([]group.Seen{sound()}); why != "" {
		t.Fatal(why)
	}
	for name, change := range map[string]func(s *group.Seen){
		"an older offset":      func(s *group.Seen) { s.Offsets[0].Offset = 5 },
		"no offset":            func(s *group.Seen) { s.Offsets = nil },
		"another metadata":     func(s *group.Seen) { s.Offsets[0].Metadata = "x" },
		"an older generation":  func(s *group.Seen) { s.Generation = 1 },
		"another member":       func(s *group.Seen) { s.Members[0].ID = "b" },
		"another assignment":   func(s *group.Seen) { s.Members[0].Assignment = []byte{2} },
		"a rebalance long ago": func(s *group.Seen) { s.State, s.Generation = group.PreparingRebalance, 1 },
	} {
		s := sound()
		change(&s)
		if g.differs([]group.Seen{s}) == "" {
			t.Error(name, "is not seen")
		}
	}
	if g.differs(nil) == "" {
		t.Error("no groups at all are not seen")
	}
}

// TestProducersAreThoseOfTheirBatches: the last five batches of the newest epoch count.
func TestProducersAreThoseOfTheirBatches(t *testing.T) {
	var p producerLog
	p.begin(0)
	state := log.NewProducers(0)
	add := func(epoch core.ProducerEpoch, first core.Sequence, base core.Offset) {
		var b record.Builder
		b.Start(nil, base)
		b.SetProducer(9, epoch, first)
		b.Append(Forgotten*2, nil, []byte{1})
		_, v := b.Finish()
		p.take(v)
		state.Apply(v)
	}
	for i := range 7 {
		add(0, core.Sequence(i), core.Offset(i))
	}
	x := p.byID[9]
	if why := x.differs(state.Get(9)); why != "" {
		t.Fatal(why)
	}
	if x.differs(nil) == "" {
		t.Error("a producer that is forgotten is not seen")
	}
	whole := slices.Clone(x.batches)
	x.batches[2].LastSequence++
	if x.differs(state.Get(9)) == "" {
		t.Error("another batch in the window is not seen")
	}
	x.batches = whole
	add(1, 0, 7)
	if why := x.differs(state.Get(9)); why != "" || len(x.batches) != 1 {
		t.Error("after a new epoch:", why, len(x.batches))
	}
}
