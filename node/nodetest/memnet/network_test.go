package memnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const (
	alice, bob = "10.0.0.1", "10.0.0.2"
	door       = bob + ":9092"
	latency    = 10 * time.Millisecond
)

// connect returns a connection's two ends, alice's and bob's.
func connect(t *testing.T, n *Network) (a, b net.Conn) {
	t.Helper()
	l, err := n.Listen(door)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = n.Dial(context.Background(), alice, door); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func bubble(t *testing.T, test func(t *testing.T, n *Network)) {
	synctest.Test(t, func(t *testing.T) { test(t, New(latency)) })
}

// took expects that something takes a time.
func took(t *testing.T, what string, want time.Duration, do func()) {
	t.Helper()
	began := time.Now()
	do()
	if got := time.Since(began); got != want {
		t.Errorf("%s took %s in place of %s", what, got, want)
	}
}

func expect(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("read %q, %v in place of %q", got, err, want)
	}
}

func expectError(t *testing.T, c net.Conn, want error) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, want) {
		t.Errorf("read %d bytes, %v in place of %v", n, err, want)
	}
}

func TestBytesTakeTheirTime(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		var a, b net.Conn
		took(t, "connecting", 2*latency, func() { a, b = connect(t, n) })
		took(t, "a write", 0, func() { a.Write([]byte("hello")) })
		took(t, "a read", latency, func() { expect(t, b, "hello") })
		n.Delay(bob, time.Second)
		b.Write([]byte("slow"))
		n.Delay(bob, 0)
		b.Write([]byte(" fast"))
		took(t, "a read behind what was slow", time.Second+latency, func() { expect(t, a, "slow fast") })
		b.Write([]byte("last words"))
		b.Close()
		expect(t, a, "last words")
		expectError(t, a, io.EOF)
		if _, err := a.Write([]byte("?")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("a write to nobody: %v", err)
		}
		expectError(t, b, net.ErrClosed)
	})
}

func TestMoreThanThereIsRoomFor(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, b := connect(t, n)
		sent := bytes.Repeat([]byte("0123456789"), room/3)
		go func() {
			a.Write(sent)
			a.Close()
		}()
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes of %d, %v", len(got), len(sent), err)
		}
	})
}

func TestDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, _ := connect(t, n)
		a.SetReadDeadline(time.Now().Add(time.Minute))
		took(t, "a read", time.Minute, func() { expectError(t, a, os.ErrDeadlineExceeded) })
		took(t, "the next one", 0, func() { expectError(t, a, os.ErrDeadlineExceeded) })
		time.AfterFunc(time.Second, func() { a.SetReadDeadline(time.Now()) })
		a.SetReadDeadline(time.Time{})
		took(t, "one whose deadline comes later", time.Second, func() { expectError(t, a, os.ErrDeadlineExceeded) })
		a.SetWriteDeadline(time.Now().Add(time.Minute))
		took(t, "a write that nobody reads", time.Minute, func() {
			if _, err := a.Write(make([]byte, room+1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		})
		time.AfterFunc(time.Second, func() { a.Close() })
		a.SetReadDeadline(time.Time{})
		expectError(t, a, net.ErrClosed)
	})
}

func TestACutHoldsUpAndLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, b := connect(t, n)
		n.Cut(alice, bob)
		a.Write([]byte("there"))
		b.Write([]byte("back"))
		expect(t, a, "back") // one way only
		time.AfterFunc(time.Hour, n.Heal)
		took(t, "a read", time.Hour, func() { expect(t, b, "there") })
	})
}

func TestNobodyIsReachedThroughACut(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		l, _ := n.Listen(door)
		defer l.Close()
		n.Cut(bob, alice)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		took(t, "giving up", time.Minute, func() {
			if _, err := n.Dial(ctx, alice, door); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		time.AfterFunc(time.Second, n.Heal)
		if _, err := n.Dial(t.Context(), alice, door); err != nil {
			t.Error(err)
		}
	})
}

func TestNobodyListens(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		if _, err := n.Dial(t.Context(), alice, door); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
		l, _ := n.Listen(door)
		if _, err := n.Listen(door); !errors.Is(err, syscall.EADDRINUSE) {
			t.Error(err)
		}
		a, err := n.Dial(t.Context(), alice, door)
		if err != nil {
			t.Fatal(err)
		}
		l.Close() // with a connection that nobody has accepted
		expectError(t, a, io.EOF)
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestAHostWithoutPower(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, b := connect(t, n)
		n.PowerOff(bob)
		b.Close() // its process is dead, which nobody hears of
		time.AfterFunc(time.Hour, func() { n.PowerOn(bob) })
		took(t, "to learn of it", time.Hour, func() { expectError(t, a, syscall.ECONNRESET) })
	})
}
