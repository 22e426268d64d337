package memdisk

import (
	"testing"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/coretest"
	"ottla.dev/node/disk"
	"ottla.dev/node/run"
)

// host ends a test's world at Stopped and fails the test at Halt.
type host struct {
	t       *testing.T
	stopped chan struct{}
}

func (h *host) Listen()                          {}
func (h *host) ListenQuorum()                    {}
func (h *host) Offline(string)                   {}
func (h *host) Stopped()                         { close(h.stopped) }
func (h *host) Halt(from core.Address, w string) { h.t.Errorf("%v halted: %s", from, w) }
func (h *host) Note(a core.Address, n core.Note) { h.t.Logf("%v: %s", a, n.Text) }

// drive runs a world on the engine and a disk in memory.
func drive(t *testing.T, build func(dir string) coretest.World) {
	const dir = "/data"
	d, err := disk.OpenOn(New().Mount(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	h := &host{t: t, stopped: make(chan struct{})}
	e := run.New(h, d.FS())
	defer e.Stop()
	w := build(dir)
	e.AddControl(w.Control, d.Table(e))
	for _, m := range w.Shards {
		e.AddShard(m, d.Table(e))
	}
	e.Start()
	select {
	case <-h.stopped:
	case <-time.After(20 * time.Second):
		t.Fatal("the world did not stop")
	}
	e.Quiesce()
}

// The suite that every driver passes.
func TestDriver(t *testing.T) { coretest.RunDriver(t, drive) }
