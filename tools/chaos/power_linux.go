package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	// powerCut is EXT4_IOC_SHUTDOWN: the file system stops at once, as if its machine had lost power. What was not
	// synced is gone after the next mount.
	powerCut = 0x8004587d
	// noLogFlush has it stop without writing its journal first (EXT4_GOING_FLAGS_NOLOGFLUSH).
	noLogFlush = 2
	// diskSize is that of one broker's file system, trialSize of one that only tells whether there can be any.
	diskSize  = 2 << 30
	trialSize = 8 << 20
)

// disk is a file system in a file.
type disk struct {
	image, mount string
	mounted      bool
}

// CanCutPower says why power cuts cannot be tested here, or nothing.
func CanCutPower() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("power cuts need root, to mount file systems")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		return fmt.Errorf("power cuts need loop devices: %w", err)
	}
	for _, tool := range []string{"mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("power cuts need %s", tool)
		}
	}
	return tryPowerCut()
}

// tryPowerCut cuts the power of a small file system: containers may be root and mount nothing.
func tryPowerCut() error {
	dir, err := os.MkdirTemp("", "ottla-chaos-try-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &disk{image: filepath.Join(dir, "image"), mount: filepath.Join(dir, "mount")}
	if err := d.format(trialSize); err != nil {
		return err
	}
	if err := d.attach(); err != nil {
		return err
	}
	return errors.Join(d.cut(), d.detach())
}

// makeDisks gives each broker a file system of its own.
func (r *run) makeDisks() error {
	for _, m := range r.cluster.members {
		d := &disk{image: filepath.Join(r.options.Dir, fmt.Sprintf("disk-%d.img", m.id)),
			mount: filepath.Join(r.options.Dir, fmt.Sprintf("disk-%d", m.id))}
		if err := d.format(diskSize); err != nil {
			return err
		}
		m.disk, m.data = d, filepath.Join(d.mount, "data")
		if err := d.attach(); err != nil {
			return err
		}
	}
	return nil
}

func (d *disk) format(size int64) error {
	if err := os.MkdirAll(d.mount, 0o755); err != nil {
		return err
	}
	f, err := os.Create(d.image)
	if err == nil {
		err = f.Truncate(size)
		f.Close()
	}
	if err != nil {
		return err
	}
	return tool("mkfs.ext4", "-q", "-F", d.image)
}

func (d *disk) attach() error {
	err := tool("mount", "-o", "loop", d.image, d.mount)
	d.mounted = err == nil
	return err
}

// detach waits for the file system's last users to be gone.
func (d *disk) detach() (err error) {
	for range 50 {
		if err = tool("umount", d.mount); err == nil {
			d.mounted = false
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

func tool(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// cut cuts the power of the file system.
func (d *disk) cut() error {
	f, err := os.Open(d.mount)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := uint32(noLogFlush)
	_, _, code := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), powerCut, uintptr(unsafe.Pointer(&flags)))
	if code != 0 {
		return fmt.Errorf("cutting the power of %s: %w", d.mount, code)
	}
	return nil
}

// removeDisks unmounts the file systems. The images stay with the folder.
func (r *run) removeDisks() {
	for _, m := range r.cluster.members {
		if m.disk != nil && m.disk.mounted {
			r.note(m.disk.detach())
		}
	}
}

// powerRounds are the rounds of power cuts, of everybody and then of one while the others stand still.
func (r *run) powerRounds(ctx context.Context) error {
	for range r.options.PowerCuts {
		if err := r.powerRound(ctx, "power-cut", r.cutAll); err != nil || ctx.Err() != nil {
			return err
		}
	}
	for range r.options.PowerCuts {
		if err := r.powerRound(ctx, "power-cut-one", r.cutOne); err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

func (r *run) powerRound(ctx context.Context, name string, round func(context.Context) error) error {
	r.round.Add(1)
	if _, ok := r.observer.await(ctx, healWithin, (*view).whole); !ok && ctx.Err() == nil {
		r.problem("the replicas are not all in sync %s after a power cut", healWithin)
	}
	pause(ctx, between(r.rng, time.Second, 3*time.Second)) // under load
	defer r.load.fault(name, r.load.now())
	r.count(name)
	if err := round(ctx); err != nil {
		return err
	}
	r.cluster.takeDeaths() // a broker ends when its disk does
	r.progress()
	return nil
}

// cutAll cuts the power of all three at once.
func (r *run) cutAll(ctx context.Context) error {
	before := r.load.acked.Load()
	if err := r.cutThem(r.cluster.members); err != nil {
		return err
	}
	r.say("power cut of all, %d records acknowledged", before)
	pause(ctx, skewed(r.rng, 0, 2*time.Second))
	return r.restore(r.cluster.members)
}

// cutOne cuts the power of one broker while the others stand still, then lets one of them go on before it returns.
func (r *run) cutOne(ctx context.Context) error {
	victim := r.pick("leader", r.observer.look(ctx))
	var others []*member
	for _, m := range r.cluster.members {
		if m != victim {
			others = append(others, m)
		}
	}
	apart := between(r.rng, 0, 200*time.Millisecond)
	long := skewed(r.rng, 500*time.Millisecond, 8*time.Second)
	r.say("power cut of broker %d, %s paused for %s", victim.id, names(others), long.Round(time.Millisecond))
	others[0].pause()
	pause(ctx, apart)
	others[1].pause()
	if err := r.cutThem([]*member{victim}); err != nil {
		return err
	}
	early := r.rng.IntN(2) == 0
	if early {
		others[0].resume()
	}
	pause(ctx, long)
	if err := r.restore([]*member{victim}); err != nil {
		return err
	}
	pause(ctx, between(r.rng, 0, time.Second))
	others[0].resume()
	pause(ctx, apart)
	others[1].resume()
	return nil
}

func (r *run) cutThem(victims []*member) error {
	errs := make([]error, len(victims))
	var all sync.WaitGroup
	for i, m := range victims {
		all.Go(func() { errs[i] = m.disk.cut() })
	}
	all.Wait()
	for i, m := range victims {
		if errs[i] != nil {
			return errs[i]
		}
		m.kill()
		<-m.ended // it may have ended by itself, when its disk did
	}
	return nil
}

// restore mounts the file systems again, which replays their journals, and starts the brokers.
func (r *run) restore(victims []*member) error {
	for _, m := range victims {
		if err := m.disk.detach(); err != nil {
			return err
		}
		if err := m.disk.attach(); err != nil {
			return err
		}
		if err := m.start(); err != nil {
			return err
		}
	}
	return nil
}
