package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

func withELR() metadata.Feature { return metadata.Feature{Name: eligibleLeaderReplicas, Level: 1} }

func shutdown(r *kmsg.BrokerHeartbeatRequest) { r.WantShutdown = true }

func TestBadRegistrationsAreRefused(t *testing.T) {
	for _, c := range []struct {
		rule   string
		change func(*kmsg.BrokerRegistrationRequest)
		code   core.ErrorCode
	}{
		{"of another cluster", func(r *kmsg.BrokerRegistrationRequest) { r.ClusterID = "x" }, core.InconsistentClusterID},
		{"of a ZooKeeper broker", func(r *kmsg.BrokerRegistrationRequest) { r.IsMigratingZkBroker = true },
			core.BrokerIDNotRegistered},
		{"with a negative id", func(r *kmsg.BrokerRegistrationRequest) { r.BrokerID = -1 }, invalidRegistration},
		{"without directories", func(r *kmsg.BrokerRegistrationRequest) { r.LogDirs = nil }, invalidRegistration},
		{"with a reserved directory", func(r *kmsg.BrokerRegistrationRequest) { r.LogDirs = [][16]byte{{15: 99}} },
			invalidRegistration},
		{"with a directory twice", func(r *kmsg.BrokerRegistrationRequest) { r.LogDirs = append(r.LogDirs, r.LogDirs[0]) },
			invalidRegistration},
		{"with another broker's directory", func(r *kmsg.BrokerRegistrationRequest) { r.LogDirs = [][16]byte{{2, 1}} },
			invalidRegistration},
		{"with a host that no record holds", func(r *kmsg.BrokerRegistrationRequest) {
			r.Listeners = []kmsg.BrokerRegistrationRequestListener{{Host: string(make([]byte, 40_000))}}
		}, invalidRegistration},
		{"without the metadata version", func(r *kmsg.BrokerRegistrationRequest) { r.Features = nil },
			core.UnsupportedVersion},
		{"for a newer metadata version", func(r *kmsg.BrokerRegistrationRequest) { r.Features[0].MinSupportedVersion = 30 },
			core.UnsupportedVersion},
		{"for an older metadata version", func(r *kmsg.BrokerRegistrationRequest) { r.Features[0].MaxSupportedVersion = 28 },
			core.UnsupportedVersion},
		{"of another process while the session lasts", func(r *kmsg.BrokerRegistrationRequest) {
			r.BrokerID, r.LogDirs = 1, [][16]byte{{2, 1}}
		}, core.DuplicateBrokerRegistration},
	} {
		t.Run(c.rule, func(t *testing.T) {
			k := newCluster(t).brokers(1)
			req := kmsg.NewPtrBrokerRegistrationRequest()
			req.BrokerID, req.ClusterID, req.IncarnationID, req.LogDirs = 2, "cluster", [16]byte{9}, [][16]byte{{2, 2}}
			req.Features = []kmsg.BrokerRegistrationRequestFeature{
				{Name: metadata.MetadataVersion, MinSupportedVersion: 7, MaxSupportedVersion: 29},
			}
			c.change(req)
			before := k.img
			r := k.decide(req).(*kmsg.BrokerRegistrationResponse)
			if core.ErrorCode(r.ErrorCode) != c.code || len(k.img.Brokers()) != 1 || k.img.Offset() != before.Offset() {
				t.Fatalf("%+v, want %v", r, c.code)
			}
		})
	}
}

func TestABrokerIsUnfencedOnceItKnowsItsRegistration(t *testing.T) {
	k := newCluster(t)
	k.register(1, 1, -1)
	early := k.heartbeat(1, func(r *kmsg.BrokerHeartbeatRequest) { r.CurrentMetadataOffset-- })
	if early.IsCaughtUp || !early.IsFenced || !k.img.Broker(1).Fenced {
		t.Fatalf("too early: %+v", early)
	}
	wants := k.heartbeat(1, func(r *kmsg.BrokerHeartbeatRequest) { r.WantFence = true })
	if !wants.IsCaughtUp || !wants.IsFenced {
		t.Fatalf("wants to stay fenced: %+v", wants)
	}
	if r := k.heartbeat(1, nil); !r.IsCaughtUp || r.IsFenced || k.img.Broker(1).Fenced {
		t.Fatalf("caught up: %+v", r)
	}
	before := k.img
	if r := k.heartbeat(1, nil); r.IsFenced || k.img.Offset() != before.Offset() {
		t.Fatal("a heartbeat without news made records")
	}
	wants = k.heartbeat(1, func(r *kmsg.BrokerHeartbeatRequest) { r.WantFence = true })
	if !wants.IsFenced || !k.img.Broker(1).Fenced {
		t.Fatalf("wants to be fenced: %+v", wants)
	}
}

func TestHeartbeatsOfOtherIncarnationsAreStale(t *testing.T) {
	k := newCluster(t).brokers(1)
	for _, change := range []func(*kmsg.BrokerHeartbeatRequest){
		func(r *kmsg.BrokerHeartbeatRequest) { r.BrokerEpoch++ },
		func(r *kmsg.BrokerHeartbeatRequest) { r.BrokerEpoch-- },
		func(r *kmsg.BrokerHeartbeatRequest) { r.BrokerID = 2 },
	} {
		if r := k.heartbeat(1, change); core.ErrorCode(r.ErrorCode) != core.StaleBrokerEpoch {
			t.Fatalf("%+v", r)
		}
	}
}

func TestASilentBrokerIsFenced(t *testing.T) {
	k := newCluster(t).brokers(1, 2)
	k.create(assigned("t", []int32{1, 2}))
	k.now = at(timeout - 1)
	k.heartbeat(2, nil)
	if deadline, ok := k.c.Deadline(k.img); !ok || deadline != timeout {
		t.Fatalf("deadline %v", deadline)
	}
	if r := k.c.Expire(k.now, k.img); r != nil {
		t.Fatalf("fenced early: %v", r)
	}
	k.now = at(timeout)
	k.apply(k.c.Expire(k.now, k.img))
	if !k.img.Broker(1).Fenced || k.img.Broker(2).Fenced {
		t.Fatal("the wrong broker was fenced")
	}
	k.wantState("t", "leader 2 isr [2] elr [] last [] epoch 1")
	if r := k.c.Expire(k.now, k.img); r != nil {
		t.Fatal("fenced twice")
	}
	k.now = at(3 * timeout)
	k.apply(k.c.Expire(k.now, k.img))
	k.wantState("t", "leader -1 isr [2] elr [] last [] epoch 2")
	if _, ok := k.c.Deadline(k.img); ok {
		t.Fatal("a deadline without unfenced brokers")
	}
	k.heartbeat(1, nil)
	k.wantState("t", "leader -1 isr [2] elr [] last [] epoch 2")
	k.heartbeat(2, nil)
	k.wantState("t", "leader 2 isr [2] elr [] last [] epoch 3")
}

// A heartbeat that was under way while its broker was killed, and fenced, does not bring the broker back.
func TestAnOldHeartbeatDoesNotUnfence(t *testing.T) {
	k := newCluster(t).brokers(1)
	old := func(r *kmsg.BrokerHeartbeatRequest) { r.CurrentMetadataOffset = int64(k.img.Broker(1).Epoch) }
	k.now = at(timeout)
	k.apply(k.c.Expire(k.now, k.img))
	if r := k.heartbeat(1, old); !r.IsFenced || !r.IsCaughtUp || !k.img.Broker(1).Fenced {
		t.Fatalf("a heartbeat from before: %+v", r)
	}
	k.c.Activate(k.now, k.img)
	if r := k.heartbeat(1, old); !r.IsFenced || !k.img.Broker(1).Fenced {
		t.Fatalf("a heartbeat from before, which the next controller gets: %+v", r)
	}
	if r := k.heartbeat(1, nil); r.IsFenced || k.img.Broker(1).Fenced {
		t.Fatalf("the broker knows that it was fenced: %+v", r)
	}
}

// Nor one from before a clean stop: its process is gone.
func TestAnOldHeartbeatDoesNotBringBackWhoHasStopped(t *testing.T) {
	k := newCluster(t).brokers(1)
	if r := k.heartbeat(1, shutdown); !r.ShouldShutdown || !k.img.Broker(1).Fenced {
		t.Fatalf("not stopped: %+v", r)
	}
	r := k.heartbeat(1, func(r *kmsg.BrokerHeartbeatRequest) { r.CurrentMetadataOffset = int64(k.img.Broker(1).Epoch) })
	if !r.IsFenced || !k.img.Broker(1).Fenced {
		t.Errorf("a heartbeat from before: %+v", r)
	}
}

func TestTheSessionThatEndedFirstIsFencedFirst(t *testing.T) {
	k := newCluster(t).brokers(1, 2)
	k.now = at(time.Second)
	k.heartbeat(1, nil)
	k.now = at(3 * timeout)
	k.apply(k.c.Expire(k.now, k.img))
	if k.img.Broker(1).Fenced || !k.img.Broker(2).Fenced {
		t.Fatal("the wrong broker was fenced")
	}
}

func TestABrokerThatStillLeadsDoesNotStop(t *testing.T) {
	k := newCluster(t).brokers(1)
	k.create(topic("t", 1, 1))
	k.heartbeat(1, shutdown)
	change := metadata.NewPartitionChange(k.img.TopicByName("t").ID, 0)
	change.Leader = 1
	k.apply([]metadata.Record{change})
	if r := k.heartbeat(1, shutdown); r.ShouldShutdown {
		t.Fatal("stopped")
	}
}

func TestANewLeadershipWaitsOneSessionForBrokersItHasNotHeard(t *testing.T) {
	k := newCluster(t).brokers(1)
	k.now = at(time.Hour)
	k.c.Activate(k.now, k.img)
	for range knocksMost {
		k.knock(1, false)
		k.wait(knockInterval)
	}
	if deadline, _ := k.c.Deadline(k.img); deadline != time.Hour+timeout {
		t.Fatal(deadline)
	}
	// It does not make a restarted broker wait for the session of its earlier life.
	if code := k.register(1, 2, -1); code != 0 {
		t.Fatal(code)
	}
}

func TestAnotherProcessMayTakeAnIDWhoseSessionEnded(t *testing.T) {
	k := newCluster(t).brokers(1)
	if code := k.register(1, 2, -1); code != core.DuplicateBrokerRegistration {
		t.Fatal(code)
	}
	k.now = at(timeout)
	if code := k.register(1, 2, -1); code != 0 {
		t.Fatal(code)
	}
}

// A process that opens its logs is fenced for as long as that takes. Another one with its id must not take the
// registration from it, which it would then take back, and so on. But what nobody stands behind keeps nobody out.
func TestAProcessThatIsStartingIsNotSuperseded(t *testing.T) {
	k := newCluster(t)
	if code := k.register(1, 1, -1); code != 0 {
		t.Fatal(code)
	}
	if code := k.register(1, 2, -1); code != 0 {
		t.Fatal("a registration that no heartbeat has followed is in the way: ", code)
	}
	starting := func(r *kmsg.BrokerHeartbeatRequest) { r.WantFence = true }
	k.heartbeat(1, starting)
	if code := k.register(1, 3, -1); code != core.DuplicateBrokerRegistration {
		t.Fatal(code)
	}
	k.now = at(timeout)
	if code := k.register(1, 3, -1); code != 0 {
		t.Fatal("it has not been heard of for a session: ", code)
	}
	k.heartbeat(1, starting)
	k.heartbeat(1, func(r *kmsg.BrokerHeartbeatRequest) { r.WantShutdown = true })
	if code := k.register(1, 4, -1); code != 0 {
		t.Fatal("it has stopped by its own word: ", code)
	}
}

func TestTheSameProcessAmendsItsRegistration(t *testing.T) {
	k := newCluster(t).brokers(1)
	before := k.img.Broker(1)
	if code := k.register(1, 1, -1); code != 0 {
		t.Fatal(code)
	}
	if after := k.img.Broker(1); after.Epoch != before.Epoch || after.Fenced {
		t.Fatalf("%+v", after)
	}
}

// One broker, one replica: the whole life of a single-node cluster.
func TestTheOnlyReplicaComesBack(t *testing.T) {
	for _, c := range []struct {
		rule           string
		features       []metadata.Feature
		clean          bool
		away, returned string
	}{
		{"after a clean stop", []metadata.Feature{withELR()}, true,
			"leader -1 isr [] elr [1] last [1] epoch 1", "leader 1 isr [1] elr [] last [] epoch 2"},
		{"after a kill, as the last known leader", []metadata.Feature{withELR()}, false,
			"leader -1 isr [] elr [] last [1] epoch 1", "leader 1 isr [1] elr [] last [] epoch 2"},
		{"after a kill, without eligible leader replicas", nil, false,
			"leader -1 isr [1] elr [] last [] epoch 1", "leader 1 isr [1] elr [] last [] epoch 2"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			k := newCluster(t, c.features...).brokers(1)
			k.create(topic("t", 1, 1))
			epoch := int64(-1)
			if c.clean {
				epoch = int64(k.img.Broker(1).Epoch)
				if r := k.heartbeat(1, shutdown); r.ShouldShutdown || !k.img.Broker(1).InControlledShutdown {
					t.Fatalf("%+v", r)
				}
				if r := k.heartbeat(1, shutdown); !r.ShouldShutdown || !k.img.Broker(1).Fenced {
					t.Fatalf("%+v", r)
				}
			}
			k.now = at(time.Second)
			k.c.Activate(k.now, k.img)
			if code := k.register(1, 2, epoch); code != 0 {
				t.Fatal(code)
			}
			k.wantState("t", c.away)
			k.heartbeat(1, nil)
			k.wantState("t", c.returned)
			recovering := k.partition("t", 0).RecoveryState == metadata.Recovering
			if want := !c.clean && c.features != nil; recovering != want {
				t.Fatalf("recovering %v, want %v", recovering, want)
			}
		})
	}
}

func TestEligibleLeaderReplicas(t *testing.T) {
	k := newCluster(t, withELR())
	k.c.configs = fakeConfigs{minISR: 2}
	k.brokers(1, 2, 3)
	k.create(assigned("t", []int32{1, 2, 3}))
	stop := func(id int32) {
		k.t.Helper()
		k.fenceNow(core.BrokerID(id))
	}
	stop(1)
	k.wantState("t", "leader 2 isr [2 3] elr [] last [] epoch 1")
	stop(2)
	k.wantState("t", "leader 3 isr [3] elr [2] last [] epoch 2")
	stop(3)
	k.wantState("t", "leader -1 isr [] elr [2 3] last [3] epoch 3")
	k.heartbeat(1, nil) // not eligible: it left while the ISR was large enough to go on without it
	k.wantState("t", "leader -1 isr [] elr [2 3] last [3] epoch 3")
	k.heartbeat(2, nil)
	k.wantState("t", "leader 2 isr [2] elr [3] last [] epoch 4")
	// 3 was killed: it may have lost what makes it eligible.
	k.register(3, 9, -1)
	k.wantState("t", "leader 2 isr [2] elr [] last [] epoch 4")
}

func TestUncleanElectionTakesAnyReplicaIfItIsEnabled(t *testing.T) {
	k := newCluster(t).brokers(1, 2)
	for _, name := range []string{"clean", "unclean"} {
		k.create(assigned(name, []int32{1, 2}))
	}
	for _, id := range []core.BrokerID{2, 1} {
		k.apply(k.c.fence(k.img, k.img.Broker(id)))
	}
	k.heartbeat(2, nil)
	k.wantState("clean", "leader -1 isr [1] elr [] last [] epoch 1")
	k.wantState("unclean", "leader 2 isr [2] elr [] last [] epoch 2")
	if k.partition("unclean", 0).RecoveryState != metadata.Recovering {
		t.Fatal("an unclean leader is not recovering")
	}
}

func TestAReplicaOnALostDirectoryDoesNotLead(t *testing.T) {
	k := newCluster(t).brokers(1, 2)
	k.create(assigned("t", []int32{1, 2}))
	k.apply([]metadata.Record{&metadata.BrokerRegistrationChangeRecord{
		Broker: 2, Epoch: k.img.Broker(2).Epoch, LogDirs: []core.UUID{{2, 77}},
	}})
	k.apply(k.c.fence(k.img, k.img.Broker(1)))
	k.wantState("t", "leader -1 isr [2] elr [] last [] epoch 1")
}

func TestNobodyIsNotTheLastKnownLeader(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1)
	k.create(topic("t", 1, 1))
	change := metadata.NewPartitionChange(k.img.TopicByName("t").ID, 0)
	change.Leader = core.NoBroker // as when its directory was lost
	k.apply([]metadata.Record{change})
	k.apply(k.c.fence(k.img, k.img.Broker(1)))
	k.wantState("t", "leader -1 isr [] elr [1] last [] epoch 1")
}

func TestControlledShutdownWaitsUntilTheOthersKnow(t *testing.T) {
	k := newCluster(t).brokers(1, 2)
	k.create(assigned("t", []int32{1, 2}))
	if r := k.heartbeat(1, shutdown); r.ShouldShutdown || r.IsFenced {
		t.Fatalf("%+v", r)
	}
	k.wantState("t", "leader 2 isr [2] elr [] last [] epoch 1")
	if r := k.heartbeat(1, shutdown); r.ShouldShutdown {
		t.Fatal("broker 2 does not know of its leadership yet")
	}
	if r := k.create(assigned("u", []int32{1, 2})).Topics[0]; r.ErrorCode != 0 {
		t.Fatalf("%+v", r)
	}
	if p := k.partition("u", 0); !slices.Equal(p.ISR, []core.BrokerID{2}) {
		t.Fatalf("a broker on its way down is in sync: %+v", p)
	}
	k.heartbeat(2, nil)
	if r := k.heartbeat(1, shutdown); !r.ShouldShutdown || !r.IsFenced || !k.img.Broker(1).Fenced {
		t.Fatalf("%+v", r)
	}
	if r := k.heartbeat(1, shutdown); !r.ShouldShutdown {
		t.Fatalf("asked again: %+v", r)
	}
}

func TestAShutdownIsNotTakenBack(t *testing.T) {
	k := newCluster(t).brokers(1)
	k.create(topic("t", 1, 1))
	k.heartbeat(1, shutdown)
	for range 2 {
		k.heartbeat(1, shutdown)
	}
	if r := k.heartbeat(1, nil); !r.IsFenced {
		t.Fatalf("unfenced: %+v", r)
	}
	k.wantState("t", "leader -1 isr [1] elr [] last [] epoch 1")
}

func TestABrokerThatLeadsNothingMayStopAtOnce(t *testing.T) {
	k := newCluster(t).brokers(1)
	if r := k.heartbeat(1, shutdown); !r.ShouldShutdown || !k.img.Broker(1).Fenced {
		t.Fatalf("%+v", r)
	}
}

func TestUnregisteringABrokerTakesItsPlaces(t *testing.T) {
	k := newCluster(t, withELR()).brokers(1, 2)
	k.create(assigned("t", []int32{1, 2}), assigned("alone", []int32{1}))
	unregister := func(id int32) core.ErrorCode {
		req := kmsg.NewPtrUnregisterBrokerRequest()
		req.BrokerID = id
		return core.ErrorCode(k.decide(req).(*kmsg.UnregisterBrokerResponse).ErrorCode)
	}
	if code := unregister(1); code != core.InvalidRequest {
		t.Fatalf("a live broker: %v", code)
	}
	k.c.Activate(k.now, k.img)
	if code := unregister(1); code != core.InvalidRequest {
		t.Fatalf("a broker that the next controller has not heard of yet: %v", code)
	}
	k.now.Mono += k.c.Settings.SessionTimeout
	if code := unregister(1); code != 0 || k.img.Broker(1) != nil {
		t.Fatal(code)
	}
	k.wantState("t", "leader 2 isr [2] elr [] last [] epoch 1")
	k.wantState("alone", "leader -1 isr [] elr [] last [1] epoch 1")
	if code := unregister(1); code != core.BrokerIDNotRegistered {
		t.Fatal(code)
	}
}
