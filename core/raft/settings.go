package raft

import "time"

// Settings are the quorum's timeouts and sizes. The two timeouts mean what Kafka's properties of the same names mean,
// with Kafka's defaults; what follows from them is faster than in Kafka, so that three voters have a new leader
// within one second of the old one's silent death:
//
//   - A leader answers a fetch without news after FetchTimeout/10 (200 ms) instead of 500 ms, so a healthy leader is
//     heard of five times a second without a message of its own.
//   - A voter that has heard nothing for FetchTimeout/5 (400 ms) and up to half as long again, drawn anew each time,
//     asks for pre-votes; before those 400 ms it grants none. A pre-vote changes nothing at anybody (KIP-996): if a
//     majority still hears the leader, the voter goes back to it. FetchTimeout itself is what leaders and observers go
//     by.
//   - A voter to whom the leader's address refuses a connection asks within ElectionTimeout/20, and grants pre-votes.
//   - A restarted voter asks for pre-votes after at most ElectionTimeout/4, which also tells it who leads.
//   - A lost election is tried again after ElectionTimeout/20 to ElectionTimeout/5, drawn anew each time.
//   - A leader that stops tells the others with EndQuorumEpoch; the most advanced one campaigns at once. A leader that
//     was elected tells the others with BeginQuorumEpoch, and again whoever has not fetched for FetchTimeout/5.
//
// Where round trips are long, all of that takes longer: FetchTimeout/5 becomes one and a half times the silence
// between two answers of the leader, or that which the round trips of the votes lead to expect, up to FetchTimeout. A
// round trip has to be under ElectionTimeout/3; slower networks need larger timeouts.
type Settings struct {
	ElectionTimeout time.Duration // controller.quorum.election.timeout.ms
	FetchTimeout    time.Duration // controller.quorum.fetch.timeout.ms
	RequestTimeout  time.Duration // controller.quorum.request.timeout.ms
	RetryBackoff    time.Duration // controller.quorum.retry.backoff.ms
	FetchBytes      int32         // most bytes of batches in an answer, if one batch is not larger
	SnapshotBytes   int32         // of a snapshot in an answer
	LogBytes        int64         // metadata.max.retention.bytes: beyond, the log is cut to its latest snapshot
}

// DefaultSettings are Kafka's defaults.
func DefaultSettings() Settings {
	return Settings{ElectionTimeout: time.Second, FetchTimeout: 2 * time.Second, RequestTimeout: 2 * time.Second,
		RetryBackoff: 20 * time.Millisecond, FetchBytes: 1 << 20, SnapshotBytes: 1 << 20, LogBytes: 100 << 20}
}

// suspicion is the least time of silence after which a leader may be gone.
func (s Settings) suspicion() time.Duration { return s.FetchTimeout / 5 }

// suspicion is the least time of silence after which this node's leader may be gone: longer than the settings say where
// the network has shown that a healthy leader is heard of less often than that.
func (q *Quorum) suspicion() time.Duration {
	return min(max(q.settings.suspicion(), q.silence*3/2), q.settings.FetchTimeout)
}

// spread is the longest pause before an election that was lost is tried again: long enough for one of several voters to
// be a round trip ahead of the others, up to ElectionTimeout (Kafka: controller.quorum.election.backoff.max.ms).
func (q *Quorum) spread() time.Duration {
	roundTrip := q.silence - q.settings.maxWait()
	return min(max(q.settings.ElectionTimeout/5, 3*roundTrip), q.settings.ElectionTimeout)
}

// patience is how long a request waits for an answer that nobody keeps back.
func (q *Quorum) patience() time.Duration { return max(q.suspicion(), q.settings.ElectionTimeout/2) }

// maxWait is how long a leader may keep a fetch.
func (s Settings) maxWait() time.Duration { return s.FetchTimeout / 10 }

// checkQuorum is how long a leader leads without a majority (Kafka: LeaderState.CHECK_QUORUM_TIMEOUT_FACTOR).
func (s Settings) checkQuorum() time.Duration { return s.FetchTimeout * 3 / 2 }

// between draws a duration.
func (q *Quorum) between(low, high time.Duration) time.Duration {
	return time.Duration(q.random.Between(int64(low), int64(max(low, high))))
}
