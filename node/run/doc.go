// Package run steps the machines of a broker on real threads. It knows nothing of disks and sockets: those are a
// machine's [Files] and its [Client].
//
// # The combining lock
//
// A machine has no goroutine of its own. Whoever brings an input pushes it to the machine's inbox; if nobody is
// stepping the machine, the same call claims it, and the claimant must step it until its inbox is empty. Everybody
// else pushes and leaves. This costs some 26 ns where a channel round trip costs 340-650, and inputs that arrive
// while a machine is being stepped make a batch by themselves.
//
// # The trampoline
//
// Executing a machine's effects brings inputs to other machines. Those it claims go to the run queue of the [Worker]
// that is running, and are stepped when the present machine has been let go: there is no recursion, and nobody holds
// two machines. Sockets and jobs come after the last machine, so that neither a slow client nor a long job ever keeps a
// claimed machine waiting.
//
// # When effects are executed
//
// A machine is stepped for up to [stepsPerRound] inputs before its effects are executed, so that the writes of many
// requests become one system call. The round ends early when a step's file operations ask for it ([Files.Urgent]): the
// contract makes writes without a ticket and writes to mapped files visible before the machine's next step.
package run
