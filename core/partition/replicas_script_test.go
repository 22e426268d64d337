package partition

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
)

// TestReplicaScripts runs testdata/replicas/*.txt: clusters of three brokers with one partition, in which nothing
// happens before a command says so. Under each command stands everything that came out of it.
//
//	cluster min=N [segment=BYTES]       broker 0 leads in epoch 0, all are in the ISR, nothing is fetched yet
//	produce B COUNT [acks=1]            one batch, to broker B
//	consume B OFFSET                    a consumer reads from broker B
//	write B                             what B writes is written, and not synced
//	delete B OFFSET                     DeleteRecords up to OFFSET, asked of broker B
//	disk B                              the disk of B does all it owes, also checkpoints
//	fetch F                             what is under way between F and its leaders arrives: one request, one response
//	fetches F N                         N times fetch F and disk F
//	settle                              everything that is under way arrives, and disks and controller do their work
//	controller | answers                proposals arrive at the controller; its answers at the leaders
//	lose-answer                         the answer to the oldest proposal is lost
//	learn B…                            these brokers hear the newest metadata
//	lead B | fence B | unfence B        the controller elects, fences, unfences
//	require N                           the controller changes min.insync.replicas
//	unclean B                           the controller elects one that lacks committed records
//	crash B | kill B | restart B        crashes lose all that was not synced
//	rot B EPOCH                         the last batch on the disk of B says that it is of EPOCH
//	lose B                              the file of the oldest segment on the disk of B is gone
//	lost B                              B hears that the metadata do not rely on its replica
//	pass D
//	show                                the logs: the leader epoch of each record, ] after what is synced, | at the high
//	                                    watermark
func TestReplicaScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/replicas/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			must(err)
			got := runReplicaScript(string(want))
			if *rewrite {
				must(os.WriteFile(file, []byte(got), 0o644))
				return
			}
			if got != string(want) {
				t.Errorf("%s: %s", file, firstDifference(string(want), got))
			}
		})
	}
}

func runReplicaScript(script string) string {
	var out strings.Builder
	var c *cluster
	for line := range strings.SplitSeq(strings.TrimRight(script, "\n"), "\n") {
		if strings.HasPrefix(line, " ") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		a := parse(strings.Fields(line))
		if a.word(0) == "cluster" {
			c = newScriptCluster(a.number("min", 1), a.number("segment", 1<<20))
			continue
		}
		c.command(a)
		for _, said := range c.said {
			out.WriteString("    " + said + "\n")
		}
		c.said = nil
		if c.checks.failed != "" {
			out.WriteString("    FAILED " + c.checks.failed + "\n")
		}
	}
	return out.String()
}

func newScriptCluster(minISR, segment int) *cluster {
	c := newClusterOf(1, 1, minISR)
	c.quiet, c.scripted, c.fetchBytes, c.segmentBytes = true, true, 1<<20, int32(segment)
	c.begin()
	c.said = nil
	return c
}

func (c *cluster) command(a args) {
	var n *node
	if len(a.words) > 1 {
		if b := a.word(1); len(b) == 1 && a.word(0) != "require" {
			n = c.nodes[number(b)]
		}
	}
	switch a.word(0) {
	case "produce":
		acks := AcksAll
		if a.named["acks"] == "1" {
			acks = AcksLeader
		}
		c.produceBatch(n, 0, number(a.word(2)), acks)
	case "consume":
		c.consumeFrom(n, 0, core.Offset(number(a.word(2))))
	case "write":
		for i := 0; i < len(n.due); {
			if n.due[i].sync {
				i++
				continue
			}
			c.complete(n, i)
			c.pump(n)
		}
	case "disk":
		for c.finish(n) {
		}
	case "fetch":
		c.fetchOnce(n)
	case "fetches":
		for range number(a.word(2)) {
			c.fetchOnce(n)
			for c.finish(n) {
			}
		}
	case "settle":
		for range 60 {
			for _, n := range c.nodes {
				for n.up && c.finish(n) {
				}
			}
			for range len(c.mail) {
				c.deliver(0)
			}
		}
	case "controller":
		c.deliverAll("propose")
	case "answers":
		c.deliverAll("decided")
	case "lose-answer":
		if i := slices.IndexFunc(c.mail, func(m letter) bool { return m.what == "decided" }); i >= 0 {
			c.mail[i].code = core.RequestTimedOut
		} else {
			c.told("no answer")
		}
	default:
		c.govern(a, n)
	}
}

func (c *cluster) govern(a args, n *node) {
	switch a.word(0) {
	case "learn":
		for _, b := range a.words[1:] {
			c.learn(c.nodes[number(b)], len(c.versions)-1)
		}
	case "lead":
		c.decide(func(img *image) { img.parts[0].leader = n.id })
	case "unclean":
		c.checks.unclean = true
		c.decide(func(img *image) {
			p := &img.parts[0]
			p.leader, p.isr, p.elr = n.id, []core.BrokerID{n.id}, nil
		})
	case "fence":
		c.fence(n.id)
	case "unfence":
		c.unfence(n.id)
	case "require":
		c.require(number(a.word(1)))
	case "crash", "kill":
		c.stop(n)
		if a.word(0) == "crash" {
			n.disk.Lose()
		} else {
			n.disk.Kill()
		}
	case "rot":
		c.rotEpoch(n, core.LeaderEpoch(number(a.word(2))))
	case "lose":
		c.spoilt = true
		must(n.disk.Remove(c.folder() + "/" + log.FileName(0, log.LogSuffix)))
	case "lost":
		n.set.SetStanding(c.now(), n.set.Replica(c.partitions[0]), true, &n.out)
		c.pump(n)
	case "restart":
		c.restart(n)
		for c.finish(n) {
		}
	case "delete":
		c.deleteTo(n, 0, core.Offset(number(a.word(2))))
	case "pass":
		c.pass(duration(a.word(1)))
	case "show":
		for _, n := range c.nodes {
			c.told("%s", c.picture(n))
		}
	default:
		panic("unknown command " + a.word(0))
	}
}

func (c *cluster) folder() string { return testDir + "/" + log.DirName(partitionName(c.partitions[0])) }

// rotEpoch changes the leader epoch of the last batch of a broker that is down. No checksum covers it.
func (c *cluster) rotEpoch(n *node, epoch core.LeaderEpoch) {
	path := c.folder() + "/" + log.FileName(0, log.LogSuffix)
	all := n.disk.Bytes(path)
	var last record.View
	for rest := all; len(rest) > 0; {
		v, after, err := record.Next(rest)
		must(err)
		last, rest = v, after
	}
	last.SetLeaderEpoch(epoch)
	n.disk.Put(path, all, true)
}

func (c *cluster) deliverAll(what string) {
	for {
		i := slices.IndexFunc(c.mail, func(m letter) bool { return m.what == what })
		if i < 0 {
			return
		}
		c.deliver(i)
	}
}

// fetchOnce lets the oldest request of a follower arrive, and its response if there is one.
func (c *cluster) fetchOnce(n *node) {
	for _, what := range []string{"request", "response"} {
		i := slices.IndexFunc(c.mail, func(m letter) bool { return m.what == what && m.conn.from == n })
		if i >= 0 {
			c.deliver(i)
		}
	}
}

// picture draws a replica's log.
func (c *cluster) picture(n *node) string {
	r := n.set.Replica(c.partitions[0])
	if !n.up {
		return fmt.Sprintf("%d down", n.id)
	}
	if r.log == nil {
		return fmt.Sprintf("%d opening", n.id)
	}
	doing := "follows nobody"
	switch {
	case r.role == leads:
		doing = fmt.Sprintf("leads, isr %v", r.lead.isr)
		if r.lead.pending != nil {
			doing += fmt.Sprintf(" proposed %v", r.lead.pending.ISR)
		}
	case r.role == follows && r.follow.leader >= 0:
		doing = fmt.Sprintf("follows %d", r.follow.leader)
	}
	var b strings.Builder
	mark := func(o core.Offset) {
		if o == r.log.SyncedOffset() {
			b.WriteByte(']')
		}
		if o == r.highWatermark {
			b.WriteByte('|')
		}
	}
	must(log.ReadBatches(n.disk, r.log.Dir(), 0, r.log.LogEndOffset(), func(v record.View) error {
		for o := v.BaseOffset(); o <= v.LastOffset(); o++ {
			if mark(o); o < r.log.LogStartOffset() {
				b.WriteByte('.')
			} else {
				fmt.Fprint(&b, v.LeaderEpoch())
			}
		}
		return nil
	}))
	mark(r.log.LogEndOffset())
	return fmt.Sprintf("%d epoch %d from %d %-12s %s", n.id, r.leaderEpoch, r.log.LogStartOffset(), b.String(), doing)
}
