package sim

// Damage waits until all that a machine has is elsewhere, for a while only. Where others are stopped meanwhile, until
// there is no controller or nobody to lead, it never strikes.

// spareable reports whether the others do without a machine: those of them that serve are a majority of the voters, and
// two brokers.
func (n *node) spareable() bool {
	voters, voting, brokers := 0, 0, 0
	for _, o := range n.nodes {
		if o.Voter {
			voters++
		}
		if o == n || !o.alive() || !o.proc.listening || o.pausedUntil > o.now || o.stopping > 0 {
			continue
		}
		if o.Voter {
			voting++
		}
		if o.Broker {
			brokers++
		}
	}
	return 2*voting > voters && brokers >= leastServing
}

// leastServing is how many brokers have to go on while one is away to be damaged.
const leastServing = 2

// awaited reports whether the machine must go on because another one, without power, waits to be damaged.
func (n *node) awaited() bool {
	for _, o := range n.nodes {
		if o != n && o.waits() {
			return !n.spareable()
		}
	}
	return false
}

// waits reports whether the machine is without power until it may be damaged.
func (n *node) waits() bool { return n.rotting != nil && !n.alive() && !n.healed }

// rotsSoon reports whether a process that is to be stopped for damage had better go on for now.
func (n *node) rotsSoon() bool {
	if !n.alive() {
		return false
	}
	for _, o := range n.nodes {
		if o != n && o.waits() {
			return true
		}
	}
	return n.controller() == nil || !n.spareable()
}
