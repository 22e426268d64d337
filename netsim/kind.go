package netsim

// Kind is a kind of fault.
type Kind uint8

// The kinds. "From hosts to peers" is the direction of bytes, or of the dialing; no hosts means all, no peers all
// others.
const (
	// Partition cuts hosts and peers off from each other, both ways. What is under way waits, and passes later.
	Partition Kind = iota + 1
	// Isolate is a partition of one host from all others.
	Isolate
	// Bridge is a partition of two groups with hosts in neither of them, which still reach both.
	Bridge
	// Ring lets each host reach only its neighbours in the ring of the listed hosts: everybody sees a majority, nobody the
	// same one.
	Ring
	// OneWay cuts the way from hosts to peers only. Bytes of the other direction arrive, but their acknowledgements don't.
	OneWay
	// Clog holds what is between hosts and peers in the network, and releases all of it at once. Bytes of a sender that is
	// gone meanwhile still arrive.
	Clog
	// Swizzle is the clog of one host while others are clogged too, and released in another order (FoundationDB).
	Swizzle
	// Slow adds Delay and limits Bandwidth on the way from hosts to peers.
	Slow
	// Refuse answers hosts that dial peers with a refusal.
	Refuse
	// Hang gives hosts that dial peers no answer.
	Hang
	// Reset ends a connection at one in OneIn sends from hosts to peers; both sides learn it.
	Reset
	// ResetOne is a reset that only one side learns at first, the other when it sends.
	ResetOne
	// HalfOpen makes a connection swallow everything for ever; senders learn it by timeouts.
	HalfOpen
	// LoseAnswer resets a connection when its acceptor, in hosts, sends to its dialer, in peers: what the dialer sent
	// arrives, the answer does not.
	LoseAnswer
	// Fragment delivers a part of what is sent and resets the connection.
	Fragment

	kinds
	// hostDown blocks the links of a host without power.
	hostDown = kinds
)

// Kinds is how many kinds there are, plus one: they count from 1.
const Kinds = int(kinds)

// String gives the kind's name, as in a schedule's text.
func (k Kind) String() string {
	if k > hostDown {
		return "unknown"
	}
	return [...]string{"none", "partition", "isolate", "bridge", "ring", "one-way", "clog", "swizzle", "slow", "refuse",
		"hang", "reset", "reset-one", "half-open", "lose-answer", "fragment", "host-down"}[k]
}

func parseKind(s string) (Kind, bool) {
	for k := Partition; k < kinds; k++ {
		if k.String() == s {
			return k, true
		}
	}
	return 0, false
}

// Blocks is true for kinds that stop bytes while they last.
func (k Kind) Blocks() bool { return k >= Partition && k <= Swizzle || k == hostDown }

// Strikes is true for kinds that hit single sends.
func (k Kind) Strikes() bool { return k >= Reset && k <= Fragment }

// keeps is true for kinds that hold bytes inside the network, rather than make the sender send them again.
func (k Kind) keeps() bool { return k == Clog || k == Swizzle }
