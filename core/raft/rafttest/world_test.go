package rafttest

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
)

// Dir is the folder of every node's metadata log.
const (
	parent = "/data"
	Dir    = parent + "/__cluster_metadata-0"
)

// ClusterID is that of all worlds.
const ClusterID = "rafttestClusterIdAAAAA"

// Options make a world.
type Options struct {
	Seed     uint64
	Nodes    int
	Voters   int  // the first so many; 0 is all
	Dynamic  bool // voters are in the log (KIP-853)
	Settings raft.Settings
	LogBytes int64 // of a segment; 0 is 1 MiB
	// Latency of the network, one way, and of the disk.
	NetMin, NetMax   time.Duration
	DiskMin, DiskMax time.Duration
	Trace            bool
	// Rejects has every other request that is lost on its way refused, as if its receiver did not run.
	Rejects bool
	// Fixed voters have directories, so that they can go into the log.
	Directories bool
}

// World is nodes, their network and their time.
type World struct {
	Options
	Now    time.Duration
	Nodes  []*Node
	Loss   uint64 // messages in a thousand that are lost
	Broken []string
	// Lawless says that messages are forged: what must hold among honest nodes need not.
	Lawless bool
	// Tamper, if set, may change the answers that nodes get.
	Tamper func(to *Node, resp kmsg.Response)
	Lines  []string // the trace

	schedule core.PRNG
	events   events
	seq      uint64
	cut      map[[2]int]bool
	arrival  map[[2]int]time.Duration
	tokens   map[uint64]origin
	token    uint64
	replies  []Reply
	ghost    ghost
	probes   map[string]int
}

// Reply is an answer to a request of a client.
type Reply struct {
	Node     int
	Token    uint64
	Response kmsg.Response
}

type origin struct {
	node        int // -1: a client
	at          int // who has it
	since       time.Duration
	incarnation int
	correlation uint64
	version     int16
	key         int16
}

// Node is one node, its disk, and its process while it runs.
type Node struct {
	ID          int
	Key         raft.Key
	Disk        *logtest.Disk
	Q           *raft.Quorum // nil while it is down
	Incarnation int
	State       State // what it has made of the committed records
	Seen        int   // elections it has won

	host string
	// forgetful says that the node has lost what it had and is not to be relied on; bare that it knows of no fixed voters.
	forgetful, bare bool
	lost            *logtest.Disk // before the last loss, with the key then
	lostKey         raft.Key

	w       *World
	driver  *logtest.Driver
	files   log.FileIDs
	out     core.Outbox
	mail    raft.Outbox
	tick    time.Duration
	taken   int // completions that are scheduled
	down    bool
	applied core.Offset
	track   tracked
}

// event is something that happens at a time.
type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push implements heap.Interface.
func (e *events) Push(x any) { *e = append(*e, x.(event)) }

// Pop implements heap.Interface.
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

// New makes a world whose nodes are all down.
func New(o Options) *World {
	if o.Voters == 0 {
		o.Voters = o.Nodes
	}
	if o.Settings.ElectionTimeout == 0 {
		o.Settings = raft.DefaultSettings()
	}
	if o.NetMax == 0 {
		o.NetMin, o.NetMax = time.Millisecond, 5*time.Millisecond
	}
	if o.DiskMax == 0 {
		o.DiskMin, o.DiskMax = time.Millisecond, 5*time.Millisecond
	}
	if o.LogBytes == 0 {
		o.LogBytes = 1 << 20
	}
	w := &World{Options: o, schedule: core.NewPRNG(o.Seed), cut: map[[2]int]bool{}, arrival: map[[2]int]time.Duration{},
		tokens: map[uint64]origin{}, probes: map[string]int{}, ghost: newGhost()}
	for i := range o.Nodes {
		n := &Node{ID: i + 1, Disk: logtest.NewDisk(), w: w, down: true}
		n.Key.ID = core.BrokerID(n.ID)
		if o.Dynamic || o.Directories {
			n.Key.Directory = core.UUID{15: byte(n.ID), 0: 7}
		}
		must(n.Disk.Mkdir(parent))
		n.Disk.SyncAll()
		w.Nodes = append(w.Nodes, n)
	}
	if o.Dynamic {
		for _, n := range w.Nodes[:o.Voters] {
			w.format(n)
		}
	}
	return w
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// format writes the bootstrap checkpoint, as `storage format --initial-controllers` does.
func (w *World) format(n *Node) {
	must(n.Disk.Mkdir(Dir))
	job := &raft.SnapshotJob{Dir: Dir, Version: 1, Voters: w.InitialVoters(), Records: func(func([]byte) bool) {}}
	job.Run(n.Disk)
	must(job.Err)
	n.Disk.SyncAll()
}

// InitialVoters are the voters that the world begins with.
func (w *World) InitialVoters() raft.Voters {
	var v raft.Voters
	for _, n := range w.Nodes[:w.Voters] {
		v = append(v, n.voter())
	}
	return v
}

func (n *Node) voter() record.Voter {
	return record.Voter{ID: n.Key.ID, Directory: n.Key.Directory, Endpoints: n.endpoints(), MaxKRaftVersion: 1}
}

func (n *Node) endpoints() []record.Endpoint {
	host := n.host
	if host == "" {
		host = "node"
	}
	return []record.Endpoint{{Name: "CONTROLLER", Host: host, Port: uint16(9000 + n.ID)}}
}

// instant is the clocks of all nodes.
func (w *World) instant() core.Instant {
	return core.Instant{Mono: w.Now, Wall: core.Timestamp(1_700_000_000_000 + w.Now.Milliseconds())}
}

// After lets something happen later.
func (w *World) After(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.events, event{at: w.Now + d, seq: w.seq, do: do})
}

func (w *World) between(low, high time.Duration) time.Duration {
	return time.Duration(w.schedule.Between(int64(low), int64(high)))
}

// Step lets the next event happen. It reports false when there is none, or an invariant is broken.
func (w *World) Step() bool {
	if len(w.events) == 0 || len(w.Broken) > 0 {
		return false
	}
	e := heap.Pop(&w.events).(event)
	w.Now = max(w.Now, e.at)
	e.do()
	return len(w.Broken) == 0
}

// Run lets time pass.
func (w *World) Run(d time.Duration) {
	end := w.Now + d
	for len(w.events) > 0 && w.events[0].at <= end && w.Step() {
	}
	if len(w.Broken) == 0 {
		w.Now = end
	}
}

// Until lets time pass until something holds, at most d. It reports whether it came to hold.
func (w *World) Until(d time.Duration, holds func() bool) bool {
	end := w.Now + d
	for !holds() {
		if len(w.events) == 0 || w.events[0].at > end || !w.Step() {
			return false
		}
	}
	return true
}

func (w *World) tracef(format string, args ...any) {
	if w.Trace {
		w.Lines = append(w.Lines, fmt.Sprintf("%8.3fms ", ms(w.Now))+fmt.Sprintf(format, args...))
	}
}

func ms(d time.Duration) any { return millis(d) }

// millis prints as milliseconds with three digits.
type millis time.Duration

// Format implements fmt.Formatter.
func (m millis) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "%d.%03d", time.Duration(m).Milliseconds(), time.Duration(m).Microseconds()%1000)
}

func (w *World) breach(format string, args ...any) {
	w.Broken = append(w.Broken, fmt.Sprintf("seed %d at %v: ", w.Seed, w.Now)+fmt.Sprintf(format, args...))
}

// Fault is a summary of what is broken, with the end of the trace.
func (w *World) Fault() string {
	if len(w.Broken) == 0 {
		return ""
	}
	lines := w.Lines
	if len(lines) > 60 {
		lines = lines[len(lines)-60:]
	}
	return strings.Join(w.Broken, "\n") + "\n" + strings.Join(lines, "\n")
}

// Leader returns the node that leads the highest epoch, or nil.
func (w *World) Leader() *Node {
	var best *Node
	for _, n := range w.Nodes {
		if n.Q != nil && n.Q.Role() == raft.Leader && (best == nil || n.Q.Epoch() > best.Q.Epoch()) {
			best = n
		}
	}
	return best
}

// Active returns the node that leads the highest epoch if it may decide, or nil.
func (w *World) Active() *Node {
	if n := w.Leader(); n != nil && n.Q.Active() {
		return n
	}
	return nil
}

// Cut breaks or mends the way from one node to another.
func (w *World) Cut(from, to int, broken bool) {
	if broken {
		w.cut[[2]int{from, to}] = true
	} else {
		delete(w.cut, [2]int{from, to})
	}
}

// Isolate breaks or mends all ways from and to a node.
func (w *World) Isolate(id int, broken bool) {
	for _, n := range w.Nodes {
		if n.ID != id {
			w.Cut(id, n.ID, broken)
			w.Cut(n.ID, id, broken)
		}
	}
}

// Heal mends everything.
func (w *World) Heal() {
	clear(w.cut)
	w.Loss = 0
	for _, n := range w.Nodes {
		if n.down {
			n.Start()
		}
	}
}

// Ask sends a client's request to a node; the answer comes into Replies.
func (w *World) Ask(n *Node, req kmsg.Request) uint64 {
	w.token++
	w.tokens[w.token] = origin{node: -1, at: n.ID, since: w.Now, version: req.GetVersion(), key: req.Key()}
	n.Q.Receive(w.instant(), w.token, req, &n.out)
	token := w.token
	n.effects()
	return token
}

// Reply returns the answer to a client's request, or nil.
func (w *World) Reply(token uint64) kmsg.Response {
	for _, r := range w.replies {
		if r.Token == token {
			return r.Response
		}
	}
	return nil
}

// node returns the node with an id, or nil.
func (w *World) node(id core.BrokerID) *Node {
	i := slices.IndexFunc(w.Nodes, func(n *Node) bool { return n.Key.ID == id })
	if i < 0 {
		return nil
	}
	return w.Nodes[i]
}

// probe counts that something worth reaching was reached.
func (w *World) probe(what string) { w.probes[what]++ }
