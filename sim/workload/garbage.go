package workload

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// garbage sends bytes that are no requests, and requests with flipped bits. It expects nothing but that the broker
// lives.
type garbage struct{ client }

func newGarbage(c client) *garbage {
	g := &garbage{client: c}
	g.opened, g.lost = g.act, func() {}
	return g
}

// Start implements [Actor].
func (g *garbage) Start() { g.dial() }

// Idle implements [Actor].
func (g *garbage) Idle() bool { return true }

// Doing implements [Actor].
func (g *garbage) Doing() string { return "nothing" }

// Connected implements [Actor].
func (g *garbage) Connected() {
	g.dialing, g.up = false, true
	g.conns++
	g.act()
}

// Received implements [Actor]: any answer will do.
func (g *garbage) Received([]byte) { g.net.After(g.wait(g.spec.Pause), g.act) }

func (g *garbage) act() {
	if !g.up || g.finish {
		return
	}
	var b []byte
	switch g.random.Below(4) {
	case 0:
		b = make([]byte, g.random.Between(1, 200))
		for i := range b {
			b[i] = byte(g.random.Uint64())
		}
	case 1:
		b = binary.BigEndian.AppendUint32(nil, uint32(g.random.Between(1, 60)))
		for range binary.BigEndian.Uint32(b) {
			b = append(b, byte(g.random.Uint64()))
		}
	default:
		b = g.mutant()
	}
	g.net.Fired(SentGarbage)
	g.net.Send(b)
	conns := g.conns
	g.net.After(g.wait(2*g.spec.Pause), func() {
		if g.conns == conns {
			g.hang()
		}
	})
}

// mutant is a request of a kind that changes nothing, with some bits flipped behind its length and key.
func (g *garbage) mutant() []byte {
	var req kmsg.Request
	topic := g.plan.Topics[0].Name
	switch g.random.Below(4) {
	case 0:
		r := kmsg.NewPtrListOffsetsRequest()
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = topic
		rt.Partitions = append(rt.Partitions, kmsg.NewListOffsetsRequestTopicPartition())
		r.Topics = append(r.Topics, rt)
		r.SetVersion(7)
		req = r
	case 1:
		r := kmsg.NewPtrFetchRequest()
		rt := kmsg.NewFetchRequestTopic()
		rt.Topic = topic
		rt.Partitions = append(rt.Partitions, kmsg.NewFetchRequestTopicPartition())
		r.Topics = append(r.Topics, rt)
		r.SetVersion(12)
		req = r
	case 2:
		req = kmsg.NewPtrApiVersionsRequest()
		req.SetVersion(3)
	default:
		r := kmsg.NewPtrFindCoordinatorRequest()
		r.CoordinatorKeys = []string{"g0"}
		r.SetVersion(4)
		req = r
	}
	b := g.format.AppendRequest(nil, req, 1)
	for range g.random.Between(0, 4) {
		b[g.random.Between(6, int64(len(b)-1))] ^= 1 << g.random.Below(8)
	}
	return b
}
