package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"
)

const (
	// requestMost bounds a request, answersWaiting the answers of a connection that wait for a sync.
	requestMost    = 100 << 20
	answersWaiting = 64
	readBuffer     = 64 << 10
	// longest bounds how long a fetch waits, whatever it asks for.
	longest = 10 * time.Second
)

// The keys of what is served, and the highest versions: those before the flexible ones.
var served = []kmsg.ApiVersionsResponseApiKey{
	{ApiKey: 0, MinVersion: 3, MaxVersion: 8}, {ApiKey: 1, MinVersion: 4, MaxVersion: 11},
	{ApiKey: 2, MinVersion: 1, MaxVersion: 5}, {ApiKey: 3, MinVersion: 1, MaxVersion: 8},
	{ApiKey: 18, MinVersion: 0, MaxVersion: 2}, {ApiKey: 19, MinVersion: 0, MaxVersion: 4},
	{ApiKey: 22, MinVersion: 0, MaxVersion: 1},
}

// answer is bytes to send when what they speak of is on disk.
type answer struct {
	bytes  []byte
	ticket <-chan struct{}
}

// peer is a connection.
type peer struct {
	conn    *net.TCPConn
	in      *bufio.Reader
	store   *store
	frame   []byte
	out     []byte
	answers chan answer // only with a committer
	produce kmsg.ProduceRequest
	fetch   kmsg.FetchRequest

	// The sender's.
	raw     syscall.RawConn
	records []byte
	vector  [][]byte
	iovec   [vectors]unix.Iovec
	message unix.Msghdr
}

func newPeer(conn *net.TCPConn, s *store) *peer {
	raw, err := conn.SyscallConn()
	if err != nil {
		panic(err) // only of a nil connection
	}
	p := &peer{conn: conn, in: bufio.NewReaderSize(conn, readBuffer), store: s, raw: raw}
	if s.committer != nil {
		p.answers = make(chan answer, answersWaiting)
		go p.send()
	}
	return p
}

// send sends answers in their order, each when its ticket says so.
func (p *peer) send() {
	for a := range p.answers {
		if a.ticket != nil {
			<-a.ticket
		}
		p.conn.Write(a.bytes) // a connection that is gone ends where it is read
	}
}

func (p *peer) serve() {
	defer p.conn.Close()
	if p.answers != nil {
		defer close(p.answers)
	}
	for {
		if err := p.one(); err != nil {
			if err != io.EOF {
				fmt.Fprintln(os.Stderr, "limit: a connection ends:", err)
			}
			return
		}
	}
}

// one reads a request and answers it.
func (p *peer) one() error {
	var size [4]byte
	if _, err := io.ReadFull(p.in, size[:]); err != nil {
		return io.EOF
	}
	n := int(binary.BigEndian.Uint32(size[:]))
	if n < 10 || n > requestMost {
		return fmt.Errorf("a request of %d bytes", n)
	}
	if cap(p.frame) < n {
		p.frame = make([]byte, n+n/4)
	}
	p.frame = p.frame[:n]
	if _, err := io.ReadFull(p.in, p.frame); err != nil {
		return err
	}
	key := int16(binary.BigEndian.Uint16(p.frame))
	version := int16(binary.BigEndian.Uint16(p.frame[2:]))
	correlation := p.frame[4:8]
	body := p.frame[10:]
	if client := int16(binary.BigEndian.Uint16(p.frame[8:])); client > 0 {
		body = body[client:]
	}
	p.out = append(append(p.out[:0], 0, 0, 0, 0), correlation...)
	switch key {
	case 0:
		return p.serveProduce(version, body)
	case 1:
		return p.serveFetch(version, body)
	}
	response, err := p.admin(key, version, body)
	if err != nil {
		return err
	}
	p.out = response.AppendTo(p.out)
	return p.reply(nil)
}

// reply sends what is in out, when the ticket says so.
func (p *peer) reply(ticket <-chan struct{}) error {
	binary.BigEndian.PutUint32(p.out, uint32(len(p.out)-4))
	if p.answers != nil {
		p.answers <- answer{append([]byte(nil), p.out...), ticket}
		return nil
	}
	_, err := p.conn.Write(p.out)
	return err
}

func (p *peer) serveProduce(version int16, body []byte) error {
	p.produce.Version = version
	if err := p.produce.UnsafeReadFrom(body); err != nil {
		return err
	}
	response := kmsg.NewPtrProduceResponse()
	response.Version = version
	for i := range p.produce.Topics {
		t := &p.produce.Topics[i]
		answered := kmsg.NewProduceResponseTopic()
		answered.Topic = t.Topic
		for j := range t.Partitions {
			to := p.store.find(t.Topic, t.Partitions[j].Partition)
			if to == nil {
				return fmt.Errorf("no partition %d of %s", t.Partitions[j].Partition, t.Topic)
			}
			base, err := p.store.append(to, t.Partitions[j].Records)
			if err != nil {
				return err
			}
			a := kmsg.NewProduceResponseTopicPartition()
			a.Partition, a.BaseOffset = t.Partitions[j].Partition, base
			answered.Partitions = append(answered.Partitions, a)
		}
		response.Topics = append(response.Topics, answered)
	}
	p.store.announce()
	p.out = response.AppendTo(p.out)
	if p.store.committer != nil {
		return p.reply(p.store.committer.ticket())
	}
	return p.reply(nil)
}

// piece is what a fetch sends of a partition.
type piece struct {
	topic, partition int
	from             *partition
	at, size, next   int64
}

func (p *peer) serveFetch(version int16, body []byte) error {
	if p.records == nil {
		p.records = make([]byte, 0, readMost)
	}
	p.fetch.Version = version
	if err := p.fetch.UnsafeReadFrom(body); err != nil {
		return err
	}
	wait := min(time.Duration(p.fetch.MaxWaitMillis)*time.Millisecond, longest)
	for deadline := time.After(wait); ; {
		arrivals := p.store.arrivals()
		pieces, total, err := p.pieces()
		if err != nil {
			return err
		}
		if total >= int64(max(p.fetch.MinBytes, 1)) {
			return p.sendPieces(version, pieces, total)
		}
		select {
		case <-arrivals:
		case <-deadline:
			return p.sendPieces(version, pieces, total)
		}
	}
}

func (p *peer) pieces() (pieces []piece, total int64, err error) {
	left := int64(p.fetch.MaxBytes)
	for i := range p.fetch.Topics {
		t := &p.fetch.Topics[i]
		for j := range t.Partitions {
			from := p.store.find(t.Topic, t.Partitions[j].Partition)
			if from == nil {
				return nil, 0, fmt.Errorf("no partition %d of %s", t.Partitions[j].Partition, t.Topic)
			}
			f := piece{topic: i, partition: j, from: from}
			f.at, f.size, f.next = from.locate(t.Partitions[j].FetchOffset, int64(t.Partitions[j].PartitionMaxBytes))
			if f.size > left && total > 0 {
				f.size = 0
			}
			left, total = left-f.size, total+f.size
			pieces = append(pieces, f)
		}
	}
	return pieces, total, nil
}
