package broker_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/metadata"
	"ottla.dev/core/wire"
)

// world drives a whole broker on a disk in memory, synchronously: whatever a step asks for has happened before the next
// input, jobs and syncs included. It keeps a driver's duties and panics when a machine breaks its own.
type world struct {
	broker   *broker.Broker
	disk     *logtest.Disk
	now      core.Instant
	actors   []*actor
	sessions uint32
	listens  bool
	// listensQuorum and links are of nodes of a cluster.
	listensQuorum bool
	links         func(*actor, []core.LinkOp)
	holds         string // jobs whose text begins with this are kept in held
	held          []func()
	stopped       bool
	halted        string
	notes         []string
}

// actor is a machine with its files and inbox. The fields behind link are a session's.
type actor struct {
	address core.Address
	machine core.Machine
	files   *logtest.Driver
	inbox   []core.Input
	out     core.Outbox

	wants   bool     // a frame may be given
	lent    [][]byte // frames that were not released
	answers [][]byte // whole frames, in order
	closed  bool
	gone    bool
}

// settings keep the world small: no waiting for more members, tiny index files.
func worldSettings() map[string]string {
	return map[string]string{
		"node.id": "1", "group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "2",
		"log.index.size.max.bytes": "4096", "num.partitions": "2", "offsets.topic.replication.factor": "1",
		"default.replication.factor": "1",
	}
}

func newWorld(shards int) *world {
	w := worldOn(logtest.NewDisk(), shards, nil)
	if !w.listens {
		panic("the broker does not start: " + w.halted)
	}
	return w
}

// worldOn starts a broker on a disk, with settings beside those of all worlds.
func worldOn(disk *logtest.Disk, shards int, set map[string]string) *world {
	w := compose(disk, shards, set)
	w.give(w.actor(core.Control()), core.Input{Kind: core.InputStart})
	w.settle()
	return w
}

func compose(disk *logtest.Disk, shards int, set map[string]string) *world {
	w := &world{disk: disk, now: core.Instant{Mono: time.Second, Wall: 1_700_000_000_000}}
	static := worldSettings()
	maps.Copy(static, set)
	// Each start on a disk has a seed of its own, and the same in every run: what fuzzing finds must come again.
	seed := uint64(disk.Ops) + 1
	w.broker = broker.New(broker.Config{Version: "test", Seed: seed, Static: static, LogDirs: dirsOf(static),
		MetadataDir: static["metadata.log.dir"], Shards: shards, EarlyBytes: 150,
		Endpoints: []metadata.Endpoint{{Name: "PLAINTEXT", Host: "localhost", Port: 9092}}})
	w.add(core.Control(), w.broker.Control())
	for i := range uint32(shards) {
		w.add(core.Shard(i), w.broker.Shard(i))
	}
	return w
}

// dirsOf is log.dirs, or the one folder of all worlds that do not say anything of it.
func dirsOf(static map[string]string) []string {
	if dirs := static["log.dirs"]; dirs != "" {
		return strings.Split(dirs, ",")
	}
	return []string{"/data"}
}

func (w *world) add(a core.Address, m core.Machine) *actor {
	actor := &actor{address: a, machine: m, files: logtest.NewDriver(w.disk)}
	w.actors = append(w.actors, actor)
	return actor
}

func (w *world) actor(a core.Address) *actor {
	for _, actor := range w.actors {
		if actor.address == a {
			return actor
		}
	}
	panic("no machine " + a.String())
}

func (w *world) give(a *actor, in core.Input) { a.inbox = append(a.inbox, in) }

// settle steps machines until nothing is left to do at this moment.
func (w *world) settle() {
	for busy := true; busy; {
		busy = false
		for i := 0; i < len(w.actors); i++ {
			a := w.actors[i]
			for len(a.inbox) > 0 {
				busy = true
				in := a.inbox[0]
				a.inbox = a.inbox[1:]
				a.machine.Step(w.now, in)
				a.machine.Drain(&a.out)
				w.execute(a)
			}
		}
	}
}

func (w *world) execute(a *actor) {
	out := &a.out
	if w.halted == "" {
		w.halted = out.Halt
	}
	if w.halted != "" {
		out.Reset()
		return
	}
	w.listens, w.stopped = w.listens || out.Listen, w.stopped || out.Stopped
	w.listensQuorum = w.listensQuorum || out.ListenQuorum
	for _, n := range out.Notes {
		w.notes = append(w.notes, n.Text)
	}
	sends, jobs := slices.Clone(out.Sends), slices.Clone(out.Jobs)
	files := core.Outbox{Files: out.Files}
	out.Files, out.Jobs = nil, nil
	a.files.Execute(&files)
	for a.files.Pending() > 0 {
		w.give(a, a.files.Take(0))
	}
	for _, job := range jobs {
		run := func() {
			job.Run(w.disk)
			w.give(a, core.Input{Kind: core.InputJobDone, Job: job})
		}
		if w.holds != "" && strings.HasPrefix(string(job.AppendText(nil)), w.holds) {
			w.held = append(w.held, run)
		} else {
			run()
		}
	}
	for _, s := range sends {
		w.give(w.actor(s.To), core.Input{Kind: core.InputMessage, From: a.address, Message: s.Message})
	}
	if len(out.Links) > 0 {
		w.links(a, slices.Clone(out.Links))
	}
	w.connection(a)
	out.Reset()
}

// connection executes what concerns a session's connection.
func (w *world) connection(a *actor) {
	for _, answer := range a.out.Answers {
		var frame []byte
		for _, p := range a.out.Parts[answer.From:answer.To] {
			frame = append(frame, p.Bytes...)
			if p.File != 0 {
				frame = append(frame, w.actor(p.Owner).files.Read(p.File, p.Pos, p.Len)...)
			}
		}
		if len(frame) < 8 || int(binary.BigEndian.Uint32(frame))+4 != len(frame) {
			panic(fmt.Sprintf("an answer of %d bytes says it has %d", len(frame), binary.BigEndian.Uint32(frame)))
		}
		a.answers = append(a.answers, frame)
		w.give(a, core.Input{Kind: core.InputAnswered, Token: answer.Token})
	}
	for _, frame := range a.out.Releases {
		a.release(frame)
	}
	a.wants = a.wants || a.out.Resume
	a.closed = a.closed || a.out.Close
}

// release takes a frame back and scribbles over it, so that whoever still looks at it is found out.
func (a *actor) release(frame []byte) {
	i := slices.IndexFunc(a.lent, func(l []byte) bool { return &l[0] == &frame[0] })
	if i < 0 {
		panic("a frame was released twice, or never lent")
	}
	whole := a.lent[i]
	for j := range whole {
		whole[j] = 0xdb
	}
	a.lent = slices.Delete(a.lent, i, i+1)
}

func (w *world) connect() *actor {
	w.sessions++
	a := w.add(core.Session(w.sessions), w.broker.NewSession(w.sessions, wire.ClassClient))
	w.give(a, core.Input{Kind: core.InputStart, Peer: "127.0.0.1"})
	w.settle()
	return a
}

// send gives a session a frame if it wants one, and reports whether it did.
func (w *world) send(a *actor, frame []byte) bool {
	took := w.offer(a, frame)
	w.settle()
	return took
}

// offer does that and leaves the rest to the next settle.
func (w *world) offer(a *actor, frame []byte) bool {
	if !a.wants || a.closed || len(frame) == 0 {
		return false
	}
	a.wants = false
	lent := slices.Clone(frame)
	a.lent = append(a.lent, lent)
	w.give(a, core.Input{Kind: core.InputFrame, Frame: lent})
	return true
}

// pass lets time go by and gives ticks to those who asked for them.
func (w *world) pass(d time.Duration) {
	w.now.Mono += d
	w.now.Wall += core.Timestamp(d / time.Millisecond)
	w.tick()
	w.settle()
}

// tick gives ticks to those who asked for them.
func (w *world) tick() {
	for _, a := range w.actors {
		if at, ok := a.machine.Deadline(); ok && w.now.Reached(at) {
			w.give(a, core.Input{Kind: core.InputTick})
		}
	}
}

// hangUp ends a connection from the client's side.
func (w *world) hangUp(a *actor) {
	if a.gone {
		return
	}
	a.gone, a.wants = true, false
	w.give(a, core.Input{Kind: core.InputDisconnected})
	w.settle()
}

// ask sends a request and returns the answer, decoded.
func (w *world) ask(a *actor, req kmsg.Request) kmsg.Response {
	before := len(a.answers)
	if !w.send(a, frameOf(req, int32(before))) {
		panic("the session takes no request")
	}
	if len(a.answers) != before+1 {
		panic(fmt.Sprintf("%s v%d: %d answers", kmsg.NameForKey(req.Key()), req.GetVersion(), len(a.answers)-before))
	}
	return decodeAnswer(req, a.answers[before])
}

func frameOf(req kmsg.Request, correlation int32) []byte {
	frame := binary.BigEndian.AppendUint16(nil, uint16(req.Key()))
	frame = binary.BigEndian.AppendUint16(frame, uint16(req.GetVersion()))
	frame = binary.BigEndian.AppendUint32(frame, uint32(correlation))
	frame = append(frame, 0, 1, 'c')
	if req.IsFlexible() {
		frame = append(frame, 0)
	}
	return req.AppendTo(frame)
}

func decodeAnswer(req kmsg.Request, frame []byte) kmsg.Response {
	resp := req.ResponseKind()
	body := frame[8:]
	if resp.IsFlexible() && wire.Key(req.Key()) != wire.ApiVersions {
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		panic(fmt.Sprintf("%s v%d: the answer cannot be read: %v", kmsg.NameForKey(req.Key()), req.GetVersion(), err))
	}
	return resp
}

// createTopic makes a topic of two partitions and returns its id.
func (w *world) createTopic(a *actor, name string) [16]byte {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, 2, 1
	req.Topics = append(req.Topics, t)
	made := w.ask(a, req).(*kmsg.CreateTopicsResponse).Topics[0]
	if made.ErrorCode != 0 {
		panic("no topic " + name)
	}
	return made.TopicID
}
