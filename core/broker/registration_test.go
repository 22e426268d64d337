package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/wire"
)

// order sends a request that only brokers send to the controller on node id.
func (c *cluster) order(t *testing.T, id int, req kmsg.Request) kmsg.Response {
	t.Helper()
	w := c.worlds[id-1]
	w.sessions++
	s := w.add(core.Session(w.sessions), w.broker.NewSession(w.sessions, wire.ClassClient|wire.ClassBroker|wire.ClassRaft))
	w.give(s, core.Input{Kind: core.InputStart, Peer: "127.0.0.1"})
	c.settle()
	if !w.offer(s, frameOf(req, 1)) {
		t.Fatal("the session takes no request")
	}
	c.settle()
	c.until(t, 5*time.Second, "answered", func() bool { return len(s.answers) > 0 })
	resp := decodeAnswer(req, s.answers[0])
	w.hangUp(s)
	c.settle()
	return resp
}

// cutOff makes a cluster of four brokers, with a topic that all but one replicate, and fences the last by cutting its
// links.
func cutOff(t *testing.T) *cluster {
	c := newCluster(4, 3, map[string]string{"default.replication.factor": "4", "min.insync.replicas": "2"}).startAll(t)
	if code := c.createTopic(t, 1, "t", 4); code != core.NoError {
		t.Fatal(code)
	}
	c.cut[4] = true
	c.until(t, 15*time.Second, "fenced", func() bool { return len(c.metadata(t, 1).Brokers) == 3 })
	return c
}

// comesBack heals the links and waits until the broker is in all ISRs again, and takes records as a leader.
func (c *cluster) comesBack(t *testing.T, id int) {
	t.Helper()
	c.cut[id] = false
	c.until(t, 30*time.Second, "in all ISRs again", func() bool {
		for _, p := range c.metadata(t, 1, "t").Topics[0].Partitions {
			if len(p.ISR) != 4 {
				return false
			}
		}
		return true
	})
	if why := c.worlds[id-1].halted; why != "" {
		t.Errorf("it halted: %s", why)
	}
	if _, code := c.produced(t, c.leaderOf(t, 1, "t", 0), "t", 1); code != core.NoError {
		t.Error(code)
	}
}

func TestABrokerThatWasUnregisteredWhileItWasAwayRegistersAgain(t *testing.T) {
	c := cutOff(t)
	req := kmsg.NewPtrUnregisterBrokerRequest()
	req.BrokerID = 4
	if code := c.ask(t, 1, req).(*kmsg.UnregisterBrokerResponse).ErrorCode; code != 0 {
		t.Fatal(core.ErrorCode(code))
	}
	c.comesBack(t, 4)
}

func registrationOf(c *cluster, id int32, incarnation byte) *kmsg.BrokerRegistrationRequest {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.Version = 4
	req.BrokerID, req.ClusterID, req.IncarnationID = id, c.worlds[0].broker.Identity().ClusterID, [16]byte{incarnation}
	req.LogDirs = [][16]byte{{1: incarnation}}
	f := kmsg.NewBrokerRegistrationRequestFeature()
	f.Name, f.MinSupportedVersion, f.MaxSupportedVersion = "metadata.version", 1, 40
	req.Features = append(req.Features, f)
	f.Name, f.MinSupportedVersion, f.MaxSupportedVersion = "eligible.leader.replicas.version", 0, 1
	req.Features = append(req.Features, f)
	return req
}

// The request was on its way when the earlier process died, and arrives when the broker has just been fenced.
func TestABrokerWhoseRegistrationWasSupersededByALateOneRegistersAgain(t *testing.T) {
	c := cutOff(t)
	resp := c.order(t, c.controller(t, 1), registrationOf(c, 4, 7)).(*kmsg.BrokerRegistrationResponse)
	if resp.ErrorCode != 0 {
		t.Fatal(core.ErrorCode(resp.ErrorCode))
	}
	c.comesBack(t, 4)
}

// Two processes with one id do not take the registration from each other for as long as one of them is heard of.
func TestABrokerThatIsAliveIsNotSuperseded(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	resp := c.order(t, c.controller(t, 1), registrationOf(c, 3, 7)).(*kmsg.BrokerRegistrationResponse)
	if core.ErrorCode(resp.ErrorCode) != core.DuplicateBrokerRegistration {
		t.Fatal(core.ErrorCode(resp.ErrorCode))
	}
}

// Kafka's initial.broker.registration.timeout.ms, and its word for who starts the process.
func TestABrokerThatCannotRegisterEnds(t *testing.T) {
	c := newCluster(3, 3, map[string]string{"initial.broker.registration.timeout.ms": "5000"})
	c.start(1) // alone, and no majority
	c.pass(4900 * time.Millisecond)
	if why := c.worlds[0].halted; why != "" {
		t.Fatalf("too early: %s", why)
	}
	c.pass(200 * time.Millisecond)
	if why := c.worlds[0].halted; !strings.Contains(why, "no controller has answered") {
		t.Fatalf("halted: %q", why)
	}
	c.kill(1)
	c.startAll(t)
	c.pass(6 * time.Second) // who was registered in time goes on
	if why := c.worlds[0].halted; why != "" {
		t.Error(why)
	}
}
