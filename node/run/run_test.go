package run

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ottla.dev/core"
)

// counter is a machine that counts its inputs; what it does with one is a function.
type counter struct {
	core.Outbox
	steps    int
	inside   atomic.Bool
	deadline time.Duration
	on       func(c *counter, in core.Input)
}

func (c *counter) Deadline() (time.Duration, bool) { return c.deadline, c.deadline != 0 }

func (c *counter) Step(_ core.Instant, in core.Input) {
	if !c.inside.CompareAndSwap(false, true) {
		panic("stepped from two places")
	}
	c.steps++
	if c.on != nil {
		c.on(c, in)
	}
	c.inside.Store(false)
}

func (c *counter) Drain(out *core.Outbox) {
	out.Files = append(out.Files, c.Files...)
	out.Sends = append(out.Sends, c.Sends...)
	out.Jobs = append(out.Jobs, c.Jobs...)
	out.Stopped = out.Stopped || c.Stopped
	if c.Halt != "" {
		out.Halt = c.Halt
	}
	c.Reset()
}

type ping struct{}

func (*ping) AppendText(dst []byte) []byte { return append(dst, "ping"...) }

type host struct {
	halted  atomic.Int64
	stopped atomic.Int64
}

func (h *host) Listen()                      {}
func (h *host) ListenQuorum()                {}
func (h *host) Stopped()                     { h.stopped.Add(1) }
func (h *host) Halt(core.Address, string)    { h.halted.Add(1) }
func (h *host) Note(core.Address, core.Note) {}
func (h *host) Offline(string)               {}

// files counts what it executes.
type files struct {
	executions [][]core.FileOp
	urgent     bool
}

func (f *files) Urgent([]core.FileOp) bool { return f.urgent }

func (f *files) Execute(_ *Actor, ops []core.FileOp) {
	f.executions = append(f.executions, append([]core.FileOp(nil), ops...))
}

func TestInputsFromManyGoroutinesAreTakenOneAtATime(t *testing.T) {
	e := New(&host{}, nil)
	control, shard := &counter{}, &counter{}
	// Every message goes on to the other machine once, so that claims cross.
	control.on = func(c *counter, in core.Input) {
		if in.From.Role != core.RoleShard {
			c.Send(core.Shard(0), &ping{})
		}
	}
	shard.on = func(c *counter, in core.Input) {
		if in.From.Role != core.RoleControl {
			c.Send(core.Control(), &ping{})
		}
	}
	e.AddControl(control, &files{})
	e.AddShard(shard, &files{})
	const goroutines, inputs = 8, 5000
	var wait sync.WaitGroup
	for i := range goroutines {
		target := e.control
		if i%2 == 1 {
			target = e.shards[0]
		}
		wait.Go(func() {
			for range inputs {
				e.Deliver(target, core.Input{Kind: core.InputMessage, Message: &ping{}})
			}
		})
	}
	wait.Wait()
	e.Quiesce()
	if total := control.steps + shard.steps; total != 2*goroutines*inputs {
		t.Errorf("%d inputs were taken, want %d", total, 2*goroutines*inputs)
	}
	if got := e.Steps.Load(); got != 2*goroutines*inputs {
		t.Errorf("%d steps were counted", got)
	}
}

func TestWritesOfSeveralStepsAreExecutedTogetherUnlessUrgent(t *testing.T) {
	for urgent, executions := range map[bool]int{false: 1, true: 10} {
		e := New(&host{}, nil)
		f := &files{urgent: urgent}
		c := &counter{on: func(c *counter, in core.Input) { c.Write(1, int64(in.Token), nil, core.Ticket{Seq: 1}) }}
		e.AddControl(c, f)
		w := e.Worker()
		for i := range uint64(10) {
			w.Post(e.control, core.Input{Kind: core.InputMessage, Token: i})
		}
		e.Finish(w)
		if len(f.executions) != executions {
			t.Errorf("urgent %v: %d executions, want %d", urgent, len(f.executions), executions)
		}
		next := int64(0)
		for _, ops := range f.executions {
			for _, op := range ops {
				if op.Pos != next {
					t.Errorf("urgent %v: operation %d in place of %d", urgent, op.Pos, next)
				}
				next++
			}
		}
	}
}

func TestAfterHaltNothingIsExecuted(t *testing.T) {
	h, f := &host{}, &files{}
	e := New(h, nil)
	e.AddControl(&counter{on: func(c *counter, in core.Input) {
		c.Write(1, 0, nil, core.Ticket{})
		c.Send(core.Shard(0), &ping{})
		if in.Token == 1 {
			c.Halt = "the disk is gone"
		}
	}}, f)
	shard := &counter{}
	e.AddShard(shard, f)
	e.Deliver(e.control, core.Input{Kind: core.InputMessage})
	if len(f.executions) != 1 || shard.steps != 1 {
		t.Fatalf("before Halt: %d executions, %d messages", len(f.executions), shard.steps)
	}
	for range 3 {
		e.Deliver(e.control, core.Input{Kind: core.InputMessage, Token: 1})
	}
	e.Deliver(e.shards[0], core.Input{Kind: core.InputMessage})
	if len(f.executions) != 1 || shard.steps != 2 || h.halted.Load() != 1 {
		t.Errorf("after Halt: %d executions, %d shard steps, halted %d times", len(f.executions), shard.steps,
			h.halted.Load())
	}
}

// slowJob waits for its gate.
type slowJob struct {
	long bool
	gate chan struct{}
	ran  atomic.Bool
}

func (j *slowJob) Long() bool                   { return j.long }
func (j *slowJob) AppendText(dst []byte) []byte { return append(dst, "slow"...) }

func (j *slowJob) Run(core.FS) {
	<-j.gate
	j.ran.Store(true)
}

func TestALongJobKeepsNobodyWaiting(t *testing.T) {
	h := &host{}
	e := New(h, nil)
	job := &slowJob{long: true, gate: make(chan struct{})}
	c := &counter{}
	c.on = func(c *counter, in core.Input) {
		switch in.Kind {
		case core.InputStart:
			c.Run(job)
		case core.InputMessage:
			close(job.gate) // only reached if Start's job does not block the machine
		case core.InputJobDone:
			c.Stopped = in.Job == core.Job(job) && job.ran.Load()
		}
	}
	e.AddControl(c, &files{})
	e.Start()
	e.Deliver(e.control, core.Input{Kind: core.InputMessage})
	e.Quiesce()
	if h.stopped.Load() != 1 {
		t.Error("the job did not come back")
	}
}

func TestAShortJobRunsOnTheSameGoroutineAfterTheMachines(t *testing.T) {
	h := &host{}
	e := New(h, nil)
	job := &slowJob{gate: make(chan struct{})}
	var order []string
	shard := &counter{on: func(*counter, core.Input) {
		order = append(order, "shard")
		close(job.gate)
	}}
	e.AddControl(&counter{on: func(c *counter, in core.Input) {
		if in.Kind == core.InputStart {
			c.Run(job)
			c.Send(core.Shard(0), &ping{})
			return
		}
		order = append(order, "back")
	}}, &files{})
	e.AddShard(shard, &files{})
	e.Start()
	if len(order) != 2 || order[0] != "shard" || order[1] != "back" {
		t.Errorf("%v, want the shard, then the job's return, by the time Start returns", order)
	}
}

func TestLongJobsAreBounded(t *testing.T) {
	e := New(&host{}, nil)
	var running, most atomic.Int64
	gate := make(chan struct{})
	c := &counter{on: func(c *counter, in core.Input) {
		if in.Kind == core.InputStart {
			for range 50 {
				c.Run(&countedJob{&running, &most, gate})
			}
		}
	}}
	e.AddControl(c, &files{})
	e.Start()
	time.Sleep(5 * time.Millisecond)
	close(gate)
	e.Quiesce()
	if got := most.Load(); got > int64(e.pool.limit) || got < 1 {
		t.Errorf("%d jobs ran at once, the limit is %d", got, e.pool.limit)
	}
	if c.steps != 51 {
		t.Errorf("%d of 50 jobs came back", c.steps-1)
	}
}

type countedJob struct {
	running, most *atomic.Int64
	gate          chan struct{}
}

func (j *countedJob) Long() bool                   { return true }
func (j *countedJob) AppendText(dst []byte) []byte { return append(dst, "counted"...) }

func (j *countedJob) Run(core.FS) {
	n := j.running.Add(1)
	for m := j.most.Load(); n > m && !j.most.CompareAndSwap(m, n); m = j.most.Load() {
	}
	<-j.gate
	j.running.Add(-1)
}

// flushed is a client that remembers when it was flushed.
type flushed struct {
	alone []bool
	order *[]string
	name  string
}

func (f *flushed) Execute(out *core.Outbox) bool { return out.Resume }
func (f *flushed) Retired()                      { *f.order = append(*f.order, "retired "+f.name) }

func (f *flushed) Flush(_ *Worker, alone bool) {
	f.alone = append(f.alone, alone)
	*f.order = append(*f.order, "flush "+f.name)
}

// resumer is a session's machine.
type resumer struct {
	core.Outbox
	order *[]string
	name  string
}

func (r *resumer) Deadline() (time.Duration, bool) { return 0, false }

func (r *resumer) Step(_ core.Instant, in core.Input) {
	*r.order = append(*r.order, "step "+r.name)
	r.Resume = in.Kind == core.InputMessage
	r.Close = in.Token == 1
}

func (r *resumer) Drain(out *core.Outbox) {
	out.Resume, out.Close = out.Resume || r.Resume, out.Close || r.Close
	r.Reset()
}

func TestConnectionsAreFlushedAfterAllMachines(t *testing.T) {
	e := New(&host{}, nil)
	var order []string
	e.AddControl(&counter{on: func(c *counter, in core.Input) {
		c.Send(core.Session(1), &ping{})
		c.Send(core.Session(2), &ping{})
	}}, &files{})
	a, b := &flushed{order: &order, name: "a"}, &flushed{order: &order, name: "b"}
	e.AddSession(1, &resumer{order: &order, name: "a"}, a)
	e.AddSession(2, &resumer{order: &order, name: "b"}, b)
	e.Start()
	want := []string{"step a", "step b", "flush a", "flush b"}
	if len(order) != len(want) {
		t.Fatalf("%v", order)
	}
	for i := range want {
		if order[i] != want[i] {
			t.Fatalf("%v, want %v", order, want)
		}
	}
	if a.alone[0] || !b.alone[0] {
		t.Errorf("alone: %v, then %v", a.alone, b.alone)
	}
}

func TestASessionIsForgottenAtItsFirstCloseAfterTheDisconnect(t *testing.T) {
	e := New(&host{}, nil)
	var order []string
	s := e.AddSession(1, &resumer{order: &order, name: "a"}, &flushed{order: &order, name: "a"})
	// A Close from before the disconnect, taken in the same batch, is not the last word.
	w := e.Worker()
	w.Post(s, core.Input{Kind: core.InputFrame, Token: 1})
	w.Post(s, core.Input{Kind: core.InputDisconnected})
	e.Finish(w)
	if e.Sessions() != 1 {
		t.Fatal("the session was forgotten too early")
	}
	e.Deliver(s, core.Input{Kind: core.InputAnswered, Token: 1})
	if e.Sessions() != 0 || order[len(order)-1] != "retired a" {
		t.Errorf("%d sessions after the last Close; %v", e.Sessions(), order)
	}
}

func TestASteadyExchangeAllocatesNothing(t *testing.T) {
	e := New(&host{}, nil)
	message := &ping{}
	e.AddControl(&counter{on: func(c *counter, in core.Input) {
		if in.From.Role != core.RoleShard {
			c.Send(core.Shard(0), message)
		}
	}}, &files{})
	e.AddShard(&counter{on: func(c *counter, in core.Input) { c.Send(core.Control(), message) }}, &files{})
	in := core.Input{Kind: core.InputMessage, Message: message}
	if n := testing.AllocsPerRun(500, func() { e.Deliver(e.control, in) }); n != 0 {
		t.Errorf("%v allocations a round trip", n)
	}
}

func BenchmarkDeliver(b *testing.B) {
	e := New(&host{}, nil)
	e.AddControl(&counter{}, &files{})
	in := core.Input{Kind: core.InputTick}
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			e.Deliver(e.control, in)
		}
	})
}

func BenchmarkRoundTripToAShard(b *testing.B) {
	e := New(&host{}, nil)
	message := &ping{}
	e.AddControl(&counter{on: func(c *counter, in core.Input) {
		if in.From.Role != core.RoleShard {
			c.Send(core.Shard(0), message)
		}
	}}, &files{})
	e.AddShard(&counter{on: func(c *counter, in core.Input) { c.Send(core.Control(), message) }}, &files{})
	for b.Loop() {
		e.Deliver(e.control, core.Input{Kind: core.InputMessage, Message: message})
	}
}
