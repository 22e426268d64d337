package controller

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// beats has a broker's heartbeat come over a session.
func (k *cluster) beats(id int32, via core.Address) *kmsg.BrokerHeartbeatResponse {
	k.t.Helper()
	resp := k.heartbeat(id, nil)
	k.c.Came(core.BrokerID(id), k.img.Broker(core.BrokerID(id)).Epoch, via)
	return resp
}

// knock tries the one broker that is to be tried, and fences whose session is over then.
func (k *cluster) knock(id core.BrokerID, refused bool) {
	k.t.Helper()
	b, due := k.c.Knock(k.now, k.img)
	if !due || b.ID != id {
		k.t.Fatalf("not broker %d is to be tried: %v %+v", id, due, b)
	}
	k.c.Knocked(k.now, id, b.Epoch, refused)
	k.nobody()
	k.apply(k.c.Expire(k.now, k.img))
}

func (k *cluster) nobody() {
	k.t.Helper()
	if b, due := k.c.Knock(k.now, k.img); due {
		k.t.Fatalf("broker %d is to be tried", b.ID)
	}
}

func (k *cluster) wait(d time.Duration) { k.now = at(k.now.Mono + d) }

// parted is two brokers, of which the first has lost the connection of its heartbeats.
func parted(t *testing.T) *cluster {
	k := newCluster(t).brokers(1, 2)
	k.wait(time.Second)
	k.beats(1, core.Session(7))
	k.beats(2, core.Session(8))
	k.c.Parted(k.now, k.img, core.Session(7))
	return k
}

func TestABrokerWhoseAddressRefusesThreeTimesIsFenced(t *testing.T) {
	k := parted(t)
	for range refusalsOfAbsence {
		if k.img.Broker(1).Fenced {
			t.Fatal("too early")
		}
		if due, _ := k.c.Deadline(k.img); due != k.now.Mono {
			t.Fatalf("the next attempt is due at %v, not %v", due, k.now.Mono)
		}
		k.knock(1, true)
		k.wait(knockInterval)
	}
	if !k.img.Broker(1).Fenced || k.img.Broker(2).Fenced {
		t.Fatal("not the broker that is gone was fenced")
	}
	k.nobody()
	// Its next process need not wait for the end of its session.
	if code := k.register(1, 2, -1); code != 0 {
		t.Fatal(code)
	}
}

func TestABrokerThatAnswersOrIsSilentHasItsSession(t *testing.T) {
	k := parted(t)
	k.knock(1, true)
	k.wait(knockInterval)
	for range knocksMost {
		k.knock(1, false)
		k.wait(knockInterval)
	}
	k.nobody()
	k.wait(timeout - (1+knocksMost)*knockInterval - 1)
	if k.apply(k.c.Expire(k.now, k.img)); k.img.Broker(1).Fenced {
		t.Fatal("fenced before its session has ended")
	}
	k.wait(1)
	if k.apply(k.c.Expire(k.now, k.img)); !k.img.Broker(1).Fenced {
		t.Fatal("its session has no end")
	}
}

// Its connection ended first; then somebody was connected who came before it had stopped to listen.
func TestAProcessThatIsGoneBitByBitIsFenced(t *testing.T) {
	k := parted(t)
	for _, refused := range []bool{false, true, false, true, true, true} {
		if k.img.Broker(1).Fenced {
			t.Fatal("too early")
		}
		k.knock(1, refused)
		k.wait(knockInterval)
	}
	if !k.img.Broker(1).Fenced {
		t.Fatal("not fenced")
	}
}

func TestAHeartbeatTakesTheSuspicionAway(t *testing.T) {
	k := parted(t)
	k.knock(1, true)
	k.wait(knockInterval)
	k.knock(1, true)
	k.wait(knockInterval)
	b, _ := k.c.Knock(k.now, k.img)
	k.beats(1, core.Session(9))
	k.c.Knocked(k.now, 1, b.Epoch, true) // which was under way
	k.nobody()
	if k.apply(k.c.Expire(k.now, k.img)); k.img.Broker(1).Fenced {
		t.Fatal("fenced")
	}
	k.c.Parted(k.now, k.img, core.Session(7)) // over which nothing of the broker comes any more
	k.nobody()
}

func TestABrokerThatWasTakenForGoneIsUnfencedByItsNextHeartbeat(t *testing.T) {
	k := parted(t)
	for range refusalsOfAbsence {
		k.knock(1, true)
		k.wait(knockInterval)
	}
	if r := k.beats(1, core.Session(9)); r.IsFenced || k.img.Broker(1).Fenced {
		t.Fatalf("%+v", r)
	}
	if code := k.register(1, 2, -1); code != core.DuplicateBrokerRegistration {
		t.Fatal(code)
	}
}

func TestANewLeadershipTriesAllWhoAreNotFenced(t *testing.T) {
	k := newCluster(t).brokers(1, 2)
	k.register(3, 1, -1)
	k.c.Activate(k.now, k.img)
	for _, id := range []core.BrokerID{1, 2} {
		if b, due := k.c.Knock(k.now, k.img); !due || b.ID != id {
			t.Fatalf("not %d: %v", id, b)
		}
	}
	k.nobody()
	for range refusalsOfAbsence {
		k.c.Knocked(k.now, 2, k.img.Broker(2).Epoch, true)
		k.wait(knockInterval)
		k.c.Knock(k.now, k.img)
	}
	if k.apply(k.c.Expire(k.now, k.img)); k.img.Broker(1).Fenced || !k.img.Broker(2).Fenced {
		t.Fatal("not the one that is gone was fenced")
	}
}

func TestAFencedBrokerIsNotTried(t *testing.T) {
	k := newCluster(t).brokers(1)
	k.register(1, 1, -1)
	k.wait(timeout)
	k.register(1, 2, -1)
	k.heartbeat(1, func(r *kmsg.BrokerHeartbeatRequest) { r.WantFence = true })
	k.c.Came(1, k.img.Broker(1).Epoch, core.Session(7))
	k.c.Parted(k.now, k.img, core.Session(7))
	k.nobody()
}
