package broker

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/metadata"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
)

// quorumMember is control's replica of the metadata quorum and what stands between it and the rest.
type quorumMember struct {
	*raft.Quorum
	mail   raft.Outbox
	token  uint64
	asked  []askedQuorum // requests that the quorum has not answered
	closed bool

	waiting  []record.View // committed, behind a snapshot that is being read
	reading  bool
	codecs   *record.Codecs
	since    int64 // bytes of records that no snapshot stands for
	lastTime core.Timestamp
	due      time.Duration // of a snapshot by time
}

// askedQuorum is a request that the quorum has; then gets its response, or nil when there will be none.
type askedQuorum struct {
	token uint64
	then  func(kmsg.Response)
}

// sole reports whether this node is the whole quorum.
func (m *quorumMember) sole() bool { return len(m.Voters()) == 1 && !m.Observer() }

// askQuorum gives the quorum a request that came to a listener of the controller.
func (c *Control) askQuorum(op *api.QuorumOp) {
	c.askReplica(op.Request, func(resp kmsg.Response) {
		op.Response = resp
		c.out.Send(op.Reply, op)
	})
}

// askReplica gives this node's replica of the quorum a request, and calls then once.
func (c *Control) askReplica(req kmsg.Request, then func(kmsg.Response)) {
	m := c.quorum
	if m == nil || m.closed {
		then(nil)
		return
	}
	m.token++
	m.asked = append(m.asked, askedQuorum{m.token, then})
	m.Receive(c.now, m.token, req, &c.out)
}

// forQuorum reports whether a client's request is for the leader of the quorum itself, not for the controller on top of
// it.
func forQuorum(req kmsg.Request) bool {
	switch req.(type) {
	case *kmsg.DescribeQuorumRequest, *kmsg.AddRaftVoterRequest, *kmsg.RemoveRaftVoterRequest:
		return true
	}
	return false
}

// runQuorum lets the quorum do what there is to do and carries out what it says.
func (c *Control) runQuorum() {
	m := c.quorum
	for {
		m.Poll(c.now, &c.out)
		m.Mail(&m.mail)
		mail := m.mail
		m.mail = raft.Outbox{}
		if len(mail.Requests)+len(mail.Answers)+len(mail.Committed)+len(mail.Notes) == 0 && mail.Snapshot == nil {
			m.mail = mail
			return
		}
		for _, n := range mail.Notes {
			c.out.Note(n.Severity, n.Text)
		}
		for i := range mail.Answers {
			c.answerQuorum(&mail.Answers[i])
		}
		for i := range mail.Requests {
			if !m.closed {
				c.post(&mail.Requests[i])
			}
		}
		if mail.Snapshot != nil {
			m.waiting, m.reading = nil, true
			c.out.Run(&imageJob{dir: m.Log().Dir(), id: *mail.Snapshot, clusterID: c.clusterID})
		}
		m.waiting = append(m.waiting, mail.Committed...)
		mail.Reset()
		if c.apply(); c.halted {
			return
		}
	}
}

func (c *Control) answerQuorum(a *raft.Answer) {
	m := c.quorum
	for i := range m.asked {
		if m.asked[i].token == a.Token {
			then := m.asked[i].then
			m.asked = append(m.asked[:i], m.asked[i+1:]...)
			then(a.Response)
			return
		}
	}
	if !m.closed { // whose requests have been given back without an answer
		panic("broker: the quorum answered what it was not asked")
	}
}

// post sends a request of the quorum to another node.
func (c *Control) post(r *raft.Request) {
	correlation := r.Correlation
	if len(r.Endpoints) == 0 {
		c.quorum.Respond(c.now, correlation, nil, &c.out)
		return
	}
	ln, timeout := laneQuorum, c.quorumSettings().RequestTimeout/2
	switch r.Request.(type) {
	case *kmsg.FetchRequest, *kmsg.FetchSnapshotRequest:
		ln = laneFetch
	}
	setNewest(r.Request)
	to := addressOf(r.Endpoints[0])
	c.links.send(c.now, &c.out, to, ln, r.Request, timeout, func(resp kmsg.Response, sent bool) {
		switch {
		case c.quorum.closed:
		case resp == nil && !sent && c.links.conn(to, ln).refused:
			c.quorum.Refused(c.now, correlation, &c.out)
		default:
			c.quorum.Respond(c.now, correlation, resp, &c.out)
		}
	})
}

// addressOf gives host:port, with brackets around the colons of an IPv6 address.
func addressOf(e record.Endpoint) string {
	host := e.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(e.Port))
}

// apply takes committed batches into the image.
func (c *Control) apply() {
	m := c.quorum
	for len(m.waiting) > 0 && !m.reading {
		v := m.waiting[0]
		m.waiting = m.waiting[1:]
		records, err := metadataRecords(v, m.codecs)
		if err == nil {
			var next *metadata.Image
			if next, err = c.committed.Apply(v.LastOffset(), v.LeaderEpoch(), records...); err == nil {
				c.committed = next
				c.noteDeletions(records)
			}
		}
		if err != nil {
			c.halt("The committed metadata cannot be read (" + err.Error() + "). This is a bug, or metadata of a later version.")
			return
		}
		m.since += int64(len(v))
		m.lastTime = v.MaxTimestamp()
	}
}

// metadataRecords decodes a batch of the metadata log. Control batches hold none.
func metadataRecords(v record.View, codecs *record.Codecs) ([]metadata.Record, error) {
	if v.IsControl() {
		return nil, nil
	}
	var records []metadata.Record
	it := record.Records(v, codecs)
	for it.Next() {
		r, err := metadata.Decode(it.Record.Value)
		if err != nil {
			return nil, fmt.Errorf("record at offset %d: %w", it.Record.Offset, err)
		}
		records = append(records, r)
	}
	return records, it.Err()
}

// imageJob reads the image of a snapshot that came from the leader.
type imageJob struct {
	dir       string
	id        raft.SnapshotID
	clusterID string
	image     *metadata.Image
	err       error
}

// AppendText implements [core.Job].
func (j *imageJob) AppendText(dst []byte) []byte {
	return append(append(dst, "load "...), j.id.Name()...)
}

// Long tells drivers that the job may take its time.
func (j *imageJob) Long() bool { return true }

// Run implements [core.Job].
func (j *imageJob) Run(fs core.FS) {
	codecs := record.NewCodecs(0)
	var all []metadata.Record
	j.err = raft.ReadSnapshot(fs, j.dir, j.id, func(v record.View) error {
		records, err := metadataRecords(v, codecs)
		all = append(all, records...)
		return err
	})
	if j.err == nil {
		j.image, j.err = metadata.Load(j.clusterID, j.id.End-1, j.id.Epoch, all)
	}
}

func (c *Control) imageLoaded(j *imageJob) {
	if j.err != nil {
		c.halt("The metadata snapshot " + j.id.Name() + " cannot be read (" + j.err.Error() + ").")
		return
	}
	m := c.quorum
	if m.reading = false; j.image.Offset() > c.committed.Offset() {
		c.committed, m.since = j.image, 0
	}
	c.apply()
}

// snapshot writes the image to disk when much has been logged since the last time, or something long ago.
func (c *Control) snapshot() {
	m := c.quorum
	s := c.settings.Metadata
	timely := s.SnapshotIntervalMs > 0 && m.since > 0 && c.now.Reached(m.due)
	if m.since < s.SnapshotBytes && !timely || c.committed.InTransaction() || m.closed || m.reading {
		return
	}
	image := c.committed
	job := m.Snapshot(image.Offset()+1, m.lastTime, func(yield func([]byte) bool) {
		for _, r := range metadata.Snapshot(image) {
			if !yield(metadata.AppendRecord(nil, r)) {
				return
			}
		}
	})
	m.due = c.now.Mono + time.Duration(s.SnapshotIntervalMs)*time.Millisecond
	if job != nil {
		m.since = 0
		c.out.Run(job)
	}
}

func (m *quorumMember) snapshotDue(intervalMs int64) time.Duration {
	if intervalMs <= 0 || m.since == 0 || m.closed {
		return core.Never
	}
	return m.due
}

// closeQuorum ends this node's part in the quorum, when everything that it decided is known to those who asked.
func (c *Control) closeQuorum() {
	m := c.quorum
	m.closed = true
	m.Close(&c.out)
	asked := m.asked
	m.asked = nil
	for _, a := range asked {
		a.then(nil)
	}
	c.links.close(c.now, &c.out)
}
