package fault

// reference is the world that the simulator's speed is measured in. It is never changed, so that figures of different
// days mean the same: three brokers that all vote, four clients that send about twenty requests a second together, five
// minutes, a stop of every kind, and a network that is parted once. Settings that are not named have their defaults.
const reference = `
ottla-plan 1
world duration=5m shards=1 brokers=3 clients=4
delays message=50µs write=50µs sync=3ms network=1ms job=50µs
machine 0 broker controller voter
machine 1 broker controller voter
machine 2 broker controller voter
broker log.index.size.max.bytes=4096
broker offsets.topic.num.partitions=1
broker offsets.topic.replication.factor=3
topic t0 partitions=3 replicas=3 min.insync.replicas=2 internal.segment.bytes=30000
topic t1 partitions=1 replicas=3 min.insync.replicas=2 internal.segment.bytes=30000
client 0 producer idempotent acks=-1 in-flight=5 pause=150ms records=8 value=200
client 1 producer acks=-1 in-flight=1 pause=150ms records=8 value=200
client 2 consumer pause=200ms
client 3 committer group=c0 pause=300ms
stop crash node=0 at=1m pending down=2s
stop kill node=1 at=2m pending down=2s
stop crash node=2 at=3m pending down=2s
stop clean node=0 at=4m
net settings delay-min=100µs delay-mean=500µs bandwidth=10000000
net isolate from=1m30s to=1m40s hosts=0
`

// Reference is the world that the simulator's speed is measured in, run as a seed says.
func Reference(seed uint64) *Plan {
	p, err := Parse(reference)
	if err != nil {
		panic("fault: the reference world: " + err.Error())
	}
	p.Seed = seed
	return p
}
