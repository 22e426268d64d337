package netsim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// scene is a network of four hosts that all listen, with delays of exactly 1ms, and a script's view of it.
type scene struct {
	t   *testing.T
	net *Net[string]
	now time.Duration
	log []string
}

const ms = time.Millisecond

func stage(t *testing.T, text string) *scene {
	s, err := Parse("settings delay-min=1ms delay-mean=1ms queue=100 connect-timeout=500ms write-timeout=1s"+
		" retransmit-max=1ns\n"+text, 4)
	if err != nil {
		t.Fatal(err)
	}
	k := &scene{t: t, net: New[string](4, 1, s)}
	for h := range Host(4) {
		k.net.Listen(Address{h, soakPort})
	}
	return k
}

// to goes to a time and notes what happens until then: time in ms, the end, what it is told.
func (k *scene) to(until time.Duration) *scene {
	for {
		at, ok := k.net.Next()
		if !ok || at > until {
			k.now = until
			return k
		}
		if e, ok := k.net.Step(at); ok {
			word := fmt.Sprintf("%d:%v:%v", e.At/ms, e.End, e.Kind)
			if e.Size > 0 {
				word += ":" + e.Payload[:e.Bytes]
			}
			k.log = append(k.log, word)
		}
	}
}

// wants compares what happened since the last time.
func (k *scene) wants(want string) {
	k.t.Helper()
	if got := strings.Join(k.log, " "); got != want {
		k.t.Errorf("got  %s\nwant %s", got, want)
	}
	k.log = nil
}

func (k *scene) dial(from, to Host) End { return k.net.Dial(k.now, from, Address{to, soakPort}) }

// pair connects two hosts, which takes 3ms.
func (k *scene) pair(from, to Host) (dialer, acceptor End) {
	e := k.dial(from, to)
	k.to(k.now + 3*ms)
	k.log = nil
	return e, e.Peer()
}

func (k *scene) send(e End, payload string) {
	k.t.Helper()
	if err := k.net.Send(k.now, e, payload, len(payload)); err != nil {
		k.t.Errorf("%v cannot send: %v", e, err)
	}
}

func TestDialing(t *testing.T) {
	k := stage(t, "hang from=1s to=2s peers=1\nrefuse from=3s to=4s hosts=0\npartition from=5s to=6s hosts=0")
	k.dial(0, 1)
	k.to(10 * ms).wants("2:1d:connected 3:1a:accepted")
	k.net.Dial(k.now, 0, Address{1, 1})
	k.to(20 * ms).wants("12:2d:refused")
	k.to(1000*ms).dial(0, 1)
	k.to(1900 * ms).wants("1500:3d:timed-out")
	k.dial(2, 1)
	k.dial(2, 3)
	k.to(2100 * ms).wants("1902:5d:connected 1903:5a:accepted 2002:4d:connected 2003:4a:accepted")
	k.to(3000*ms).dial(0, 3)
	k.dial(3, 0)
	k.to(3100 * ms).wants("3002:6d:refused 3002:7d:connected 3003:7a:accepted")
	k.to(5800*ms).dial(3, 0)
	k.to(7000 * ms).wants("6002:8d:connected 6003:8a:accepted")
}

func TestWhatAPartitionHoldsPassesAfterwards(t *testing.T) {
	k := stage(t, "isolate from=50ms to=800ms hosts=1")
	d, a := k.pair(0, 1)
	other, _ := k.pair(0, 2)
	k.to(49*ms+ms/2).send(d, "in flight")
	k.to(100 * ms)
	k.send(d, "x")
	k.send(a, "y")
	k.send(other, "z")
	k.to(700 * ms).wants("101:2a:arrived:z")
	k.to(900 * ms)
	slices.Sort(k.log[:])
	k.wants("801:1a:arrived:in flight 801:1a:arrived:x 801:1d:arrived:y")
}

func TestAPartitionLongerThanTheWriteTimeoutEndsWhoeverSent(t *testing.T) {
	k := stage(t, "partition from=10ms to=5s hosts=0 peers=1")
	d, a := k.pair(0, 1)
	k.to(20*ms).send(d, "x")
	k.to(4900 * ms).wants("1021:1d:timed-out")
	if k.net.Open(d) || !k.net.Open(a) {
		t.Error("the side that did not send knows of it, or the other does not")
	}
	k.to(5100*ms).send(a, "y")
	k.to(6000 * ms).wants("5102:1a:reset")
}

func TestOneWayPartitions(t *testing.T) {
	k := stage(t, "one-way from=10ms to=900ms hosts=0 peers=1")
	d, a := k.pair(0, 1)
	k.to(20*ms).send(a, "arrives, and nobody knows")
	k.send(d, "waits")
	k.to(800 * ms).wants("21:1d:arrived:arrives, and nobody knows")
	if k.net.Queued(a) == 0 {
		t.Error("acknowledged over a way that is cut")
	}
	k.to(1000 * ms).wants("901:1a:arrived:waits")
	if k.net.Queued(a)+k.net.Queued(d) != 0 {
		t.Error("not acknowledged afterwards")
	}
	k.to(5000 * ms).wants("") // acknowledged in time
	k = stage(t, "one-way from=10ms to=9s hosts=0 peers=1")
	_, a = k.pair(0, 1)
	k.to(20*ms).send(a, "x")
	k.to(3000 * ms).wants("21:1d:arrived:x 1022:1a:timed-out")
}

func TestAClogKeepsWhatIsInTheNetworkAfterItsSenderGaveUp(t *testing.T) {
	k := stage(t, "clog from=10ms to=500ms hosts=0")
	d, _ := k.pair(0, 1)
	k.to(20*ms).send(d, "stale")
	k.to(100 * ms)
	k.net.Abort(k.now, d)
	again, _ := k.pair(2, 1)
	k.send(again, "newer")
	k.to(600 * ms).wants("104:2a:arrived:newer 501:1a:arrived:stale 501:1a:reset")
}

func TestASwizzleReleasesInAnotherOrder(t *testing.T) {
	k := stage(t, "swizzle from=10ms to=400ms hosts=1\nswizzle from=20ms to=300ms hosts=2")
	first, _ := k.pair(1, 3)
	second, _ := k.pair(2, 3)
	k.to(30*ms).send(first, "first")
	k.to(40*ms).send(second, "second")
	k.to(500 * ms).wants("301:2a:arrived:second 401:1a:arrived:first")
}

func TestFlapping(t *testing.T) {
	k := stage(t, "partition from=100ms to=400ms every=100ms hosts=0")
	d, _ := k.pair(0, 1)
	for _, at := range []time.Duration{50, 150, 250, 350, 450} {
		k.to(at*ms).send(d, fmt.Sprint(int(at)))
	}
	k.to(500 * ms).wants("51:1a:arrived:50 201:1a:arrived:150 251:1a:arrived:250 401:1a:arrived:350 451:1a:arrived:450")
}

func TestSlowLinksAndBandwidth(t *testing.T) {
	k := stage(t, "slow from=100ms to=200ms hosts=0 bandwidth=1000")
	d, a := k.pair(0, 1)
	k.to(110*ms).send(d, "0123456789")
	k.send(a, "quick")
	k.send(d, "0123456789")
	k.to(300 * ms).wants("111:1d:arrived:quick 121:1a:arrived:0123456789 131:1a:arrived:0123456789")
	k.send(d, "again")
	k.to(400 * ms).wants("301:1a:arrived:again")
	if n := k.net.Counts().Fired[Slow]; n != 2 {
		t.Errorf("slow for %d sends", n)
	}
}

func TestASenderWaitsForItsQueue(t *testing.T) {
	k := stage(t, "")
	d, a := k.pair(0, 1)
	k.net.Pause(a)
	k.send(d, strings.Repeat("a", 60))
	k.send(d, strings.Repeat("b", 40))
	if err := k.net.Send(k.now, d, "c", 1); err != ErrFull {
		t.Fatal(err)
	}
	k.to(5000 * ms).wants("")
	k.net.Resume(k.now, a)
	k.to(5100 * ms).wants("5000:1a:arrived:" + strings.Repeat("a", 60) + " 5000:1a:arrived:" + strings.Repeat("b", 40) +
		" 5001:1d:writable")
	k.send(d, strings.Repeat("d", 1000)) // one payload always fits
	k.to(5200 * ms).wants("5101:1a:arrived:" + strings.Repeat("d", 1000))
}

func TestClosingInOrder(t *testing.T) {
	k := stage(t, "")
	d, a := k.pair(0, 1)
	k.send(d, "last")
	k.net.Close(k.now, d)
	k.send(a, "too late")
	k.to(100 * ms).wants("4:1a:arrived:last 4:1a:closed 5:1a:reset")
	if k.net.Conns() != 0 {
		t.Error("left over")
	}
	d, a = k.pair(0, 1)
	k.net.Close(k.now, d)
	k.net.Close(k.now, d)
	k.to(200 * ms).wants("104:2a:closed")
	k.net.Close(k.now, a)
	if k.to(300 * ms).wants(""); k.net.Conns() != 0 {
		t.Error("left over")
	}
	if err := k.net.Send(k.now, d, "x", 1); err != ErrGone {
		t.Error(err)
	}
}

func TestStrikes(t *testing.T) {
	for _, c := range []struct {
		rule  string
		kind  Kind
		after func(k *scene, d, a End)
		want  string
	}{
		{"both sides learn a reset", Reset, nil, "21:1d:reset 21:1a:reset"},
		{"one side learns at first, the other when it sends", ResetOne, func(k *scene, d, a End) {
			k.to(50*ms).send(a, "x")
		}, "20:1d:reset 52:1a:reset"},
		{"and never if it does not", ResetOne, nil, "20:1d:reset"},
		{"half-open swallows until the time is over", HalfOpen, func(k *scene, d, a End) {
			k.send(d, "x")
			k.to(500*ms).send(d, "y")
		}, "1021:1d:timed-out"},
		{"an answer is lost, the requests before it are not", LoseAnswer, func(k *scene, d, a End) {
			k.net.Strike(k.now, LoseAnswer, a)
			k.send(d, "request")
			k.send(a, "its answer")
			k.send(a, "and more")
		}, "21:1a:arrived:request 21:1a:reset 21:1d:reset"},
		{"a part arrives", Fragment, func(k *scene, d, a End) {
			k.send(d, "abcdefghij")
			k.send(d, "goes nowhere")
		}, "21:1d:reset 21:1a:fragmented:PART 21:1a:reset"},
	} {
		k := stage(t, "")
		d, a := k.pair(0, 1)
		k.to(20 * ms)
		k.net.Strike(k.now, c.kind, d)
		if c.after != nil {
			c.after(k, d, a)
		}
		k.to(2000 * ms)
		for i, word := range k.log {
			if at := strings.Index(word, ":fragmented:"); at >= 0 {
				part := word[at+12:]
				if len(part) < 1 || len(part) > 9 || !strings.HasPrefix("abcdefghij", part) {
					t.Errorf("a fragment %q", part)
				}
				k.log[i] = word[:at+12] + "PART"
			}
		}
		t.Run(c.rule, func(t *testing.T) {
			k.t = t
			slices.SortStableFunc(k.log, func(a, b string) int { return strings.Compare(a[:3], b[:3]) })
			slicesAgree(t, k.log, strings.Fields(c.want))
			if k.net.Counts().Fired[c.kind] == 0 {
				t.Error("not counted")
			}
		})
	}
}

// slicesAgree compares what is told, in any order for the same time but not for the same end.
func slicesAgree(t *testing.T, got, want []string) {
	t.Helper()
	side := func(words []string, end string) (s []string) {
		for _, w := range words {
			if strings.Contains(w, end) {
				s = append(s, w)
			}
		}
		return s
	}
	for _, end := range []string{":1d:", ":1a:"} {
		if g, w := side(got, end), side(want, end); !slices.Equal(g, w) {
			t.Errorf("%v, want %v", g, w)
		}
	}
}

func TestHealingResetsConnectionsThatSwallow(t *testing.T) {
	k := stage(t, "partition from=1s to=never hosts=0")
	d, _ := k.pair(0, 1)
	held, _ := k.pair(0, 2)
	k.net.Strike(k.now, HalfOpen, d)
	k.to(1100*ms).send(held, "x")
	k.to(1200 * ms).wants("")
	k.net.Heal(k.now)
	k.to(9000 * ms)
	slices.Sort(k.log)
	k.wants("1201:1a:reset 1201:1d:reset 1201:2a:arrived:x")
}

func TestAHostWithoutPowerTellsNobody(t *testing.T) {
	k := stage(t, "")
	d, _ := k.pair(0, 1)
	idle, _ := k.pair(2, 1)
	k.net.Vanish(k.now, 1)
	k.send(d, "x")
	k.dial(3, 1)
	k.to(5000 * ms).wants("506:3d:timed-out 1007:1d:timed-out")
	k.net.Return(k.now, 1)
	k.send(idle, "y")
	k.dial(3, 1)
	k.to(6000 * ms).wants("5002:2d:reset 5002:4d:refused")
	if k.net.Conns() != 0 {
		t.Errorf("%d connections are left", k.net.Conns())
	}
}

func TestAKilledProcessIsFeltByAllPeers(t *testing.T) {
	k := stage(t, "")
	var dialers []End
	for range 20 {
		d, _ := k.pair(0, 1)
		dialers = append(dialers, d)
	}
	k.net.Kill(k.now, 1)
	k.to(1000 * ms)
	resets := 0
	for _, d := range dialers {
		told := slices.ContainsFunc(k.log, func(s string) bool {
			return strings.HasSuffix(s, ":"+d.String()+":reset") || strings.HasSuffix(s, ":"+d.String()+":closed")
		})
		if !told {
			t.Errorf("%v was not told", d)
		}
		if !k.net.Open(d) {
			resets++
		}
	}
	if resets == 0 || resets == 20 || len(k.log) != 20 {
		t.Errorf("%d resets of 20, %d events", resets, len(k.log))
	}
	k.log = nil
	k.dial(0, 1)
	k.to(2000 * ms).wants("1002:21d:refused")
}

func TestBeginAndFinish(t *testing.T) {
	k := stage(t, "")
	d, _ := k.pair(0, 1)
	handle := k.net.Begin(k.now, Window{Kind: Isolate, Hosts: []Host{1}})
	k.send(d, "x")
	k.to(100 * ms).wants("")
	k.net.Finish(k.now, handle)
	k.to(200 * ms).wants("101:1a:arrived:x")
	k.net.Heal(k.now)
	k.net.Finish(k.now, handle)
}

func TestTakingAFaultAwayDoesNotShiftTheOthers(t *testing.T) {
	lines := "reset from=1s to=2s one-in=7 hosts=0\nreset from=1s to=2s one-in=9 hosts=2\n"
	run := func(text string) string {
		k := stage(t, text)
		k.to(1000 * ms)
		a, _ := k.pair(0, 1)
		b, _ := k.pair(2, 1)
		for range 40 {
			k.net.Send(k.now, a, "x", 1)
			k.net.Send(k.now, b, "x", 1)
			k.to(k.now + 2*ms)
		}
		of := func(s string) bool { return !strings.Contains(s, ":2d:") && !strings.Contains(s, ":2a:") }
		return strings.Join(slices.DeleteFunc(k.log, of), " ")
	}
	_, second, _ := strings.Cut(lines, "\n")
	if with, without := run(lines), run(second); with != without || !strings.Contains(with, "reset") {
		t.Errorf("with    %s\nwithout %s", with, without)
	}
}

func TestNobodySendsAgainWhatAnEndSentThatIsGone(t *testing.T) {
	k := stage(t, "partition from=10ms to=500ms hosts=0")
	d, a := k.pair(0, 1)
	k.to(20*ms).send(d, "lost")
	k.to(100 * ms)
	k.net.Abort(k.now, d)
	k.to(600 * ms).wants("")
	if !k.net.Open(a) {
		t.Error("a reset passed a partition")
	}
	k.send(a, "x")
	k.to(700 * ms).wants("602:1a:reset")
}

func TestTheResetThatAnswersBytesIsSentAgain(t *testing.T) {
	k := stage(t, "one-way from=10ms to=900ms hosts=1 peers=0")
	d, a := k.pair(0, 1)
	k.net.Strike(k.now, ResetOne, a)
	k.to(20 * ms).wants("3:1a:reset")
	k.send(d, "x")
	k.to(5000 * ms).wants("901:1d:reset")
}

func TestADialAsksAgainWhenItsAnswerWasLost(t *testing.T) {
	k := stage(t, "")
	k.dial(0, 1)
	k.to(ms + ms/2)
	k.net.Vanish(k.now, 1)
	k.to(100 * ms)
	k.net.Return(k.now, 1)
	k.to(400 * ms).wants("102:1d:refused")
}

func TestAListenerThatEndsBeforeItAccepts(t *testing.T) {
	k := stage(t, "")
	k.dial(0, 1)
	k.to(2*ms + ms/2)
	k.net.Unlisten(Address{1, soakPort})
	k.to(100 * ms).wants("2:1d:connected 4:1d:reset")
}

func TestBytesOfADeadSenderThatAreSwallowedAreForgotten(t *testing.T) {
	k := stage(t, "clog from=10ms to=50ms")
	d, a := k.pair(0, 1)
	k.to(20*ms).send(d, "x")
	k.net.Abort(k.now, d)
	k.net.Strike(k.now, HalfOpen, a)
	k.to(100 * ms)
	k.net.Abort(k.now, a)
	if k.to(200 * ms).wants(""); k.net.Conns() != 0 {
		t.Error("left over")
	}
}

func TestAPartitionOutlastsAClog(t *testing.T) {
	partition, clog := Window{Kind: Partition, To: 1}, Window{Kind: Clog, To: 1}
	for _, windows := range [][]Window{{partition, clog}, {clog, partition}} {
		if c := ConditionAt(windows, 0, 0, 1); c.Blocked != Partition {
			t.Errorf("%v", c.Blocked)
		}
	}
}
