package sim

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/wire"
	"ottla.dev/netsim"
)

// tap listens in when somebody reads the trace: it says what requests and answers are about, how replicas come to
// stand, and by which names topics go. What it says is beside the trace: nothing of it is in the hash, and a
// simulation that nobody watches does without.
type tap struct {
	world    *World
	parcels  map[*byte]parcel // under way, by their first byte
	asked    map[question]asked
	names    map[string][]byte // of topics, by how machines call them in the trace
	replicas map[string]string
	seen     map[int]core.Offset // of the metadata, by machine
	line     []byte
}

// parcel is a frame under way.
type parcel struct {
	sent time.Duration
	text []byte
}

// question is a request on a connection, by its correlation id.
type question struct {
	wire netsim.End // the dialer's, in a cluster
	conn *conn      // of a broker that is alone
	corr int32
}

type asked struct {
	key     wire.Key
	version int16
}

func newTap(w *World) *tap {
	return &tap{world: w, parcels: map[*byte]parcel{}, asked: map[question]asked{},
		names:    map[string][]byte{"00000000": []byte("__cluster_metadata")},
		replicas: map[string]string{}, seen: map[int]core.Offset{}}
}

// host is what a line calls a machine or a client.
func (t *tap) host(h int) string {
	if n := len(t.world.nodes); h >= n {
		return "c" + itoa(h-n)
	}
	return itoa(h)
}

// sends takes note of a frame that leaves.
func (t *tap) sends(end netsim.End, conn *conn, answer bool, b []byte) {
	if t == nil || len(b) == 0 {
		return
	}
	q := question{wire: end &^ 1, conn: conn}
	text := []byte("garbage")
	if frame := bytes.Clone(b); len(frame) > 8 {
		if answer {
			text = t.answer(q, frame[4:])
		} else {
			text = t.request(q, frame[4:])
		}
	}
	t.parcels[&b[0]] = parcel{t.world.now, text}
}

// arrives says what has come.
func (t *tap) arrives(from, to int, b []byte) {
	if t == nil || len(b) == 0 {
		return
	}
	p, ok := t.parcels[&b[0]]
	if !ok {
		return
	}
	delete(t.parcels, &b[0])
	t.line = append(append(t.line[:0], t.host(from)...), "->"...)
	t.line = append(append(t.line, t.host(to)...), ' ')
	t.line = append(t.line, p.text...)
	t.line = append(append(t.line, " took="...), (t.world.now - p.sent).String()...)
	t.world.trace.Aside(t.world.now, t.line)
}

func (t *tap) request(q question, frame []byte) []byte {
	h, body, err := wire.ParseHeader(frame, wire.ClassClient|wire.ClassBroker|wire.ClassRaft)
	if err != nil {
		return []byte("garbage")
	}
	q.corr = h.CorrelationID
	t.asked[q] = asked{h.Key, h.Version}
	text := []byte(h.Key.String())
	var requests wire.Requests
	if req, err := requests.Decode(h, body); err == nil {
		text = t.appendRequest(text, req)
	}
	return text
}

func (t *tap) answer(q question, frame []byte) []byte {
	corr, ok := wire.ResponseCorrelation(frame)
	q.corr = corr
	a, known := t.asked[q]
	if !ok || !known {
		return []byte("answer")
	}
	delete(t.asked, q)
	text := append([]byte(a.key.String()), " answer"...)
	if api := wire.Lookup(a.key); api.Answered() && api.Serves(a.version) {
		if _, resp, err := wire.DecodeResponse(a.key, a.version, frame); err == nil {
			return t.appendResponse(text, resp)
		}
	}
	return strconv.AppendInt(append(text, " bytes="...), int64(len(frame)), 10)
}

// stepped says what a machine's step has changed of what it believes.
func (t *tap) stepped(n *node, a *actor) {
	if t == nil || n.proc.see == nil {
		return
	}
	switch a.address.Role {
	case core.RoleControl:
		t.control(n, n.proc.see.InspectControl())
	case core.RoleShard:
		for _, r := range n.proc.see.InspectShard(int(a.address.Index)) {
			if r.Log() == nil {
				continue // not open yet
			}
			name := r.Name().String()
			t.line = append(append(t.line[:0], "state node="...), itoa(n.index)...)
			t.line = append(append(t.line, " part="...), name...)
			t.line = append(t.line, map[bool]string{true: " leads", false: " follows"}[r.Leading()]...)
			t.line = strconv.AppendInt(append(t.line, " epoch="...), int64(r.LeaderEpoch()), 10)
			if lead, ok := r.Leads(); ok {
				t.line = append(t.line, " isr="...)
				for i, id := range lead.ISR {
					t.line = strconv.AppendInt(append(t.line, ","[:min(i, 1)]...), int64(id)-1, 10)
				}
			}
			t.line = strconv.AppendInt(append(t.line, " hw="...), int64(r.HighWatermark()), 10)
			t.line = strconv.AppendInt(append(t.line, " end="...), int64(r.Log().LogEndOffset()), 10)
			t.state(itoa(n.index)+" "+name, t.line)
		}
	}
}

func (t *tap) control(n *node, p broker.Inspection) {
	if q := p.Quorum; q != nil {
		t.line = append(append(t.line[:0], "quorum node="...), itoa(n.index)...)
		t.line = append(append(t.line, ' '), [...]string{"follows", "leads"}[map[bool]int{true: 1}[p.Controller]]...)
		t.line = strconv.AppendInt(append(t.line, " epoch="...), int64(q.Epoch()), 10)
		t.line = strconv.AppendInt(append(t.line, " hw="...), int64(q.HighWatermark()), 10)
		t.state(itoa(n.index)+" quorum", t.line)
	}
	if p.Image == nil || t.seen[n.index] == p.Image.Offset() {
		return
	}
	t.seen[n.index] = p.Image.Offset()
	for topic := range p.Image.Topics() {
		t.names[hex.EncodeToString(topic.ID[:4])] = []byte(topic.Name)
	}
}

// state says how something stands if it is not as it was said to be.
func (t *tap) state(what string, line []byte) {
	if t.replicas[what] != string(line) {
		t.replicas[what] = string(line)
		t.world.trace.Aside(t.world.now, line)
	}
}

// named puts topics' names in a line into the place of the beginnings of their ids.
func (t *tap) named(line []byte) []byte {
	const short = 8
	var out []byte
	for {
		i := bytes.Index(line, []byte("part="))
		if i < 0 || len(line) < i+len("part=")+short+1 {
			break
		}
		from := i + len("part=")
		if name, ok := t.names[string(line[from:from+short])]; ok && line[from+short] == '-' {
			out = append(append(out, line[:from]...), name...)
			line = line[from+short:]
			continue
		}
		out, line = append(out, line[:from]...), line[from:]
	}
	if out == nil {
		return line
	}
	return slices.Concat(out, line)
}
