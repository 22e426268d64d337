package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sort"
	"sync"

	"golang.org/x/sys/unix"
)

// Where the fields of a batch are that matter here.
const (
	crcAt       = 17
	checkedFrom = 21
	lastDeltaAt = 23
	batchHeader = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// entry says where a batch begins.
type entry struct{ offset, position int64 }

// partition is a file with all batches one after the other.
type partition struct {
	mu        sync.Mutex
	file      *os.File
	next, end int64
	index     []entry
	dirty     bool
}

// topic is its partitions. The id is made of the name's number.
type topic struct {
	name       string
	partitions []*partition
}

// store is all topics.
type store struct {
	dir       string
	committer *committer // nil when producers are answered from the page cache

	mu     sync.RWMutex
	topics map[string]*topic

	// wake is closed and made anew when records arrive while somebody waits.
	wakeMu  sync.Mutex
	waiting bool
	wake    chan struct{}
}

func newStore(dir string) *store {
	return &store{dir: dir, topics: map[string]*topic{}, wake: make(chan struct{})}
}

func (s *store) create(name string, partitions int) error {
	t := &topic{name: name}
	for i := range partitions {
		f, err := os.OpenFile(filepath.Join(s.dir, fmt.Sprintf("%s-%d.log", name, i)), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		t.partitions = append(t.partitions, &partition{file: f})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics[name] = t
	return nil
}

func (s *store) find(name string, number int32) *partition {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.topics[name]; t != nil && int(number) < len(t.partitions) {
		return t.partitions[number]
	}
	return nil
}

// all is what metadata is made of, by name.
func (s *store) all() (topics []*topic) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range s.topics {
		topics = append(topics, t)
	}
	sort.Slice(topics, func(i, j int) bool { return topics[i].name < topics[j].name })
	return topics
}

// append writes a batch and gives the offset of its first record. It changes the offset in the batch.
func (s *store) append(p *partition, batch []byte) (base int64, err error) {
	if len(batch) < batchHeader ||
		crc32.Checksum(batch[checkedFrom:], castagnoli) != binary.BigEndian.Uint32(batch[crcAt:]) {
		return 0, fmt.Errorf("a batch of %d bytes is damaged", len(batch))
	}
	p.mu.Lock()
	base = p.next
	binary.BigEndian.PutUint64(batch, uint64(base))
	_, err = p.file.WriteAt(batch, p.end)
	p.index = append(p.index, entry{base, p.end})
	p.end += int64(len(batch))
	p.next += int64(binary.BigEndian.Uint32(batch[lastDeltaAt:])) + 1
	touched := s.committer != nil && !p.dirty
	p.dirty = p.dirty || touched
	p.mu.Unlock()
	if touched {
		s.committer.touch(p)
	}
	return base, err
}

// locate finds the range of whole batches from an offset that most bytes hold, one batch at least.
func (p *partition) locate(offset int64, most int64) (from, size, next int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if offset >= p.next {
		return p.end, 0, p.next
	}
	first := sort.Search(len(p.index), func(i int) bool { return p.index[i].offset > offset }) - 1
	from = p.index[first].position
	if p.end-from <= most {
		return from, p.end - from, p.next
	}
	behind := sort.Search(len(p.index), func(i int) bool { return p.index[i].position > from+most }) - 1
	if behind <= first {
		behind = first + 1
	}
	if behind == len(p.index) {
		return from, p.end - from, p.next
	}
	return from, p.index[behind].position - from, p.next
}

// arrivals is closed when records arrive from now on.
func (s *store) arrivals() <-chan struct{} {
	s.wakeMu.Lock()
	defer s.wakeMu.Unlock()
	s.waiting = true
	return s.wake
}

func (s *store) announce() {
	s.wakeMu.Lock()
	defer s.wakeMu.Unlock()
	if s.waiting {
		close(s.wake)
		s.wake, s.waiting = make(chan struct{}), false
	}
}

// committer syncs for all producers at once: what arrives during a sync waits for the next.
type committer struct {
	folder *os.File
	mu     sync.Mutex
	dirty  []*partition
	round  chan struct{} // closed when what was touched before now is on disk
	work   chan struct{}
}

// fewFiles are synced one by one; more by a sync of the file system.
const fewFiles = 4

func newCommitter(dir string) (*committer, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	c := &committer{folder: folder, round: make(chan struct{}), work: make(chan struct{}, 1)}
	go c.run()
	return c, nil
}

func (c *committer) touch(p *partition) {
	c.mu.Lock()
	c.dirty = append(c.dirty, p)
	c.mu.Unlock()
}

// ticket is closed when all that was written before the call is on disk.
func (c *committer) ticket() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.work <- struct{}{}:
	default:
	}
	return c.round
}

func (c *committer) run() {
	for range c.work {
		c.mu.Lock()
		dirty, done := c.dirty, c.round
		c.dirty, c.round = nil, make(chan struct{})
		c.mu.Unlock()
		for _, p := range dirty {
			p.mu.Lock()
			p.dirty = false
			p.mu.Unlock()
		}
		if err := c.sync(dirty); err != nil {
			fmt.Fprintln(os.Stderr, "limit: sync:", err)
			os.Exit(1)
		}
		close(done)
	}
}

func (c *committer) sync(dirty []*partition) error {
	if len(dirty) > fewFiles {
		return unix.Syncfs(int(c.folder.Fd()))
	}
	for _, p := range dirty {
		if err := unix.Fdatasync(int(p.file.Fd())); err != nil {
			return err
		}
	}
	return nil
}
