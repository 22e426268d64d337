package cover

import "ottla.dev/core/probe"

// excused says of probes that no simulation can pass why it cannot. A probe that is only hard to pass is not excused:
// worlds and clients are to be made that pass it.
//
//core:table
var excused = map[probe.Point]string{
	probe.TransactionAborted: "no request decides more than 10,000 records, which is what takes a metadata transaction",
	probe.VoterUpdated:       "no machine of the simulator changes its listeners",
	probe.DamageServed:       "files rot only where other replicas have everything, not on single brokers",
}

// Excuse is why a probe cannot be passed, empty if it can.
func Excuse(p probe.Point) string { return excused[p] }

// Missing are the probes that were not passed and could be.
func (c *Coverage) Missing() []probe.Point { return c.unreached(false) }

// Excused are the probes that were not passed and cannot be.
func (c *Coverage) Excused() []probe.Point { return c.unreached(true) }

func (c *Coverage) unreached(excused bool) []probe.Point {
	var list []probe.Point
	for p := range probe.All() {
		if n := c.Probes[p.Name()]; (n == nil || n.Seeds == 0) && (Excuse(p) != "") == excused {
			list = append(list, p)
		}
	}
	return list
}
