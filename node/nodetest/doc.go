// Package nodetest runs an Ottla cluster inside a test, for tests of programs that use Kafka: real brokers, as the
// ottla program runs them, over connections and disks in memory. It starts in a moment, needs no ports, no files and no
// containers, and one test does not see another's.
//
// Inside [testing/synctest.Test] the cluster and its clients live in virtual time, which goes on as soon as everybody
// waits: an hour of heartbeats and session timeouts takes a moment. Real clients talk to it through a dialer; franz-go
// has an option for that, and [Cluster.Client] makes a client that has it set.
//
//	func TestOrders(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			c := nodetest.Start(t)                       // three brokers
//			client := c.Client(t, kgo.ConsumeTopics("orders"))
//			...
//			c.Kill(1)                                    // what does the program make of it?
//			time.Sleep(time.Minute)                      // takes no time
//			c.Restart(1)
//		})
//	}
//
// Every fault is a method of [Cluster]: Kill, PowerOff, Stop and Restart; Partition, Isolate, Heal and Delay; Pause and
// Resume; ClockJump; FailFsync and SlowFsync. [Cluster.RecordedClient] makes a client whose history is kept, and
// [Cluster.Check] finds in it what must never happen.
//
// The brokers' settings are Kafka's defaults but for sizes: see [Setting]. The same brokers run in production, so that
// what a program sees here it may see there. What is not the same: which goroutine goes first is not drawn from a seed,
// so a test may take another course the next time.
//
// # Time and mutexes
//
// Virtual time stands still while a goroutine waits for a [sync.Mutex]. franz-go's members of groups do that for as
// long as a group rebalances. With the build tag synctests its mutexes are channels, which are no obstacle:
//
//	go test -tags synctests ./...
package nodetest
