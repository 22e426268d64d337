// Package core is the contract between Ottla's state machines and the drivers that run them, with the typed ids that
// every package names things by.
//
// # A driver's duties
//
//  1. Give each machine its inputs one at a time, with an [Instant] that never goes back in its monotonic part.
//  2. After one or more steps, call Drain and execute the effects as [Outbox] says: files, jobs, sends, the rest.
//  3. Bring back every completion exactly once, as an input of the machine that asked. A completion may come at once or
//     much later, but the writes, maps, truncations and removals of one file take effect in order.
//     The [InputFailed] of an operation comes before the completion of any later sync of the same machine: a machine
//     takes a sync without a failure before it for the word that everything until then is well.
//     A sync that fails may have lost what others of the file were to keep: those under way then fail, too.
//  4. Deliver messages between two machines in order, and never lose one while the process lives. Messages to a session
//     that has said its last word, such as new metadata that control sent before it heard of that, are dropped.
//  5. Step the machine with an [InputTick] at or after its Deadline.
//  6. Never step one machine from two places at a time. Different machines may run in parallel.
//  7. Keep what the core lent: the data of writes until their completion, the bytes of answers until they are done;
//     and give back what was lent to it only on Release.
//  8. A crash loses machines, messages and un-synced data together. Nothing else survives than what was synced.
//  9. On Halt stop executing effects for good, and end.
//
// # The loop
//
//	for in := range inbox {
//		m.Step(clock.Now(), in)
//		m.Drain(&out)
//		for _, op := range out.Files {
//			disk.Execute(m, op) // completions go to m's inbox
//		}
//		for _, job := range out.Jobs {
//			workers.Run(job) // then InputJobDone to m
//		}
//		for _, s := range out.Sends {
//			machine(s.To).inbox.Push(Input{Kind: InputMessage, From: m.Address(), Message: s.Message})
//		}
//		connection(m).Execute(out.Answers, out.Parts, out.Releases, out.Resume, out.Close)
//		out.Reset()
//		timers.Arm(m, m.Deadline())
//	}
//
// The machines themselves are composed in core/broker; node and sim are the two drivers.
package core

import "time"

// Machine is a state machine as a driver sees it. It never blocks, reads no clock, draws no randomness but that of its
// own [PRNG], and touches no file.
type Machine interface {
	// Step takes one input.
	Step(now Instant, in Input)
	// Deadline returns the monotonic time at which the machine wants an [InputTick], or false.
	Deadline() (time.Duration, bool)
	// Drain appends all effects since the last Drain to out, in order.
	Drain(out *Outbox)
}
