package api

import (
	"ottla.dev/core"
)

// fetchSession is the incremental fetch session of a connection (KIP-227): the partitions that the client reads, so
// that requests name only what changes and answers only what is new. Kafka keeps sessions for the whole broker, in a
// cache with max.incremental.fetch.session.cache.slots places; here each connection has one, which is what clients
// use, and it goes with the connection. A client that comes back on another connection is told
// FETCH_SESSION_ID_NOT_FOUND and starts a new session, as it does after an eviction.
type fetchSession struct {
	id      int32 // 0 is no session
	epoch   int32 // the epoch that the next request must carry
	useIDs  bool  // partitions are named by topic id (v13)
	entries []fetchEntry
	index   map[fetchKey]int
	first   int // where the next answer starts, so that every partition gets its turn
}

// fetchKey names a partition as the client does: by name or by id.
type fetchKey struct {
	topic     string
	id        core.UUID
	partition core.PartitionID
}

// fetchEntry is one partition of a session or of a full request.
type fetchEntry struct {
	key              fetchKey
	offset           core.Offset
	maxBytes         int32
	leaderEpoch      core.LeaderEpoch
	lastFetchedEpoch core.LeaderEpoch
	replicaLogStart  core.Offset // of a follower
	replicaMark      core.Offset

	// What the client was last told; an incremental answer leaves out partitions where nothing of it has changed.
	told          bool
	highWatermark core.Offset
	logStart      core.Offset

	// Where the current request's outcome is.
	code  core.ErrorCode
	shard uint32
	item  int
}

// maxFetchPartitions bounds one session. A client that reads more fetches without a session.
const maxFetchPartitions = 100_000

// open starts a new session, or none if the request is too large for one.
func (f *fetchSession) open(random *core.PRNG, useIDs bool) {
	f.epoch, f.useIDs, f.first = 1, useIDs, 0
	f.id = int32(random.Below(1<<31-1)) + 1
	if len(f.entries) == 0 || f.tooLarge() {
		f.close()
	}
}

func (f *fetchSession) tooLarge() bool { return len(f.entries) > maxFetchPartitions }

// close ends the session.
func (f *fetchSession) close() {
	f.id, f.first = 0, 0
	clear(f.entries)
	f.entries = f.entries[:0]
	clear(f.index)
}

// put adds or updates a partition. The key's topic may alias a frame; it is copied when it is kept.
//
// Who names a partition again without having moved on, or in another leadership, is told of it anew even if nothing has
// changed: a follower whose damaged log was opened again has forgotten what its leader said, and would never find out
// that it has all there is. Kafka's followers take such a partition out of the session first.
func (f *fetchSession) put(e fetchEntry) {
	if i, ok := f.index[e.key]; ok {
		old := &f.entries[i]
		stays := e.offset == old.offset && e.replicaLogStart <= old.replicaLogStart && e.replicaMark <= old.replicaMark
		old.told = old.told && !stays && e.leaderEpoch == old.leaderEpoch
		old.offset, old.maxBytes = e.offset, e.maxBytes
		old.leaderEpoch, old.lastFetchedEpoch = e.leaderEpoch, e.lastFetchedEpoch
		old.replicaLogStart, old.replicaMark = e.replicaLogStart, e.replicaMark
		return
	}
	if f.index == nil {
		f.index = map[fetchKey]int{}
	}
	e.key.topic = string(append([]byte(nil), e.key.topic...))
	f.index[e.key] = len(f.entries)
	f.entries = append(f.entries, e)
}

// drop removes a partition: the last one takes its place.
func (f *fetchSession) drop(key fetchKey) {
	i, ok := f.index[key]
	if !ok {
		return
	}
	last := len(f.entries) - 1
	delete(f.index, key)
	if i != last {
		f.entries[i] = f.entries[last]
		f.index[f.entries[i].key] = i
	}
	f.entries[last] = fetchEntry{}
	f.entries = f.entries[:last]
}

// nextEpoch advances the session's epoch; it wraps to 1 because 0 opens a session.
func (f *fetchSession) nextEpoch() {
	if f.epoch == 1<<31-1 {
		f.epoch = 0
	}
	f.epoch++
}
