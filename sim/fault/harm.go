package fault

import (
	"slices"
	"time"

	"ottla.dev/core"
)

// Harm is what a damage to files is, if it is not bits that flip, pages of zeros, and files that are cut or lost.
type Harm uint8

// The harms.
const (
	// Misdirected are writes that went to a wrong place of their file: what is there is sound and does not belong there,
	// and nothing came where it belongs.
	Misdirected Harm = iota + 1
	// Lying is a disk that calls written what it then loses when the power fails, and then it fails.
	Lying
	// Unreadable are sectors that cannot be read for a while, and are then replaced by empty ones.
	Unreadable
	// Misdated are batches at the end of a leader epoch that claim the next one: no checksum covers that.
	Misdated
	// Aimed is damage where damage anywhere seldom strikes: the file of a log's oldest segment is lost, the newest one is
	// cut short before a batch that a checkpoint vouches for, or one digit of an offset checkpoint, or one bit of the
	// newest producer snapshot of a log, is another.
	Aimed
	// Amnesia is damage to the metadata as a whole: the folder is empty, or its log, its snapshots or the election state
	// are gone, or a digit of the latter is another.
	Amnesia
	// Led are bits of committed batches that flip below a process which goes on, and which may lead their partitions: all
	// other damage is done where another machine leads.
	Led
	lastHarm = Led
)

// String gives the harm's name.
func (h Harm) String() string {
	return [...]string{"", "misdirected", "lying", "unreadable", "misdated", "aimed", "amnesia", "led"}[h]
}

func (h *Harm) field(l *fields) { named(l, "harm", h, lastHarm) }

// longestHarm is how long a disk lies, or sectors cannot be read, at most.
const longestHarm = 8 * time.Second

// drawHarms draws harms for what rots in two clusters of three, and damage for one in three of those that have none.
// Where other harm is done all the time there are too few bits that flip.
func (p *Plan) drawHarms(r *core.PRNG) {
	if len(p.Rots) > 0 && r.Chance(1, 3) {
		return
	}
	wiped := slices.ContainsFunc(p.Stops, func(s Stop) bool { return s.Wipe })
	if len(p.Rots) == 0 && p.Brokers >= rotReplicas && !wiped && r.Chance(1, 3) {
		for at := 4 * time.Second; ; {
			if at += between(r, time.Second, 8*time.Second); at > p.Duration {
				break
			}
			rot := Rot{Node: int(r.Below(uint64(p.Brokers))), At: at, Spots: int(pick[int64](r, 1, 1, 3, 10)),
				Kind: pick(r, Clean, Kill, Crash, 0), Down: between(r, 0, pick(r, 500*time.Millisecond, 12*time.Second))}
			p.Rots = append(p.Rots, rot)
		}
		if len(p.Rots) > 0 {
			p.adaptToRots(r)
		}
	}
	for i := range p.Rots {
		rot := &p.Rots[i]
		if r.Chance(1, 5) {
			continue
		}
		rot.Harm = pick(r, Misdirected, Misdirected, Lying, Lying, Unreadable, Misdated, Misdated)
		if rot.Harm == Lying || rot.Harm == Unreadable {
			rot.For = between(r, 100*time.Millisecond, longestHarm)
		}
	}
	aims := p.Stream(streamAims)
	for i := range p.Rots {
		if rot := &p.Rots[i]; rot.Kind != 0 && aims.Chance(2, 5) {
			rot.Harm, rot.For = Aimed, 0
		}
	}
}
