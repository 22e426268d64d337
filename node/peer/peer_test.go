package peer

import (
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"

	"ottla.dev/core"
)

// echo answers every frame with itself, on loopback, until the test ends.
func echo(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for {
					frame, err := readFrame(conn, new(frames).get)
					if err != nil || string(frame) == "hang up" {
						return
					}
					conn.Write(framed(string(frame)))
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func framed(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

func collect(t *testing.T) (*Links, func() core.Input) {
	inputs := make(chan core.Input, 100)
	links := New(func(in core.Input) { inputs <- in }, nil)
	t.Cleanup(links.Close)
	return links, func() core.Input {
		t.Helper()
		select {
		case in := <-inputs:
			return in
		case <-time.After(10 * time.Second):
			t.Fatal("nothing came back from the link")
			return core.Input{}
		}
	}
}

func TestRequestsAndResponsesKeepTheirOrder(t *testing.T) {
	links, next := collect(t)
	links.Execute([]core.LinkOp{{Kind: core.LinkOpen, Link: 1, Address: echo(t)},
		{Kind: core.LinkSend, Link: 1, Bytes: framed("before the connection stands")}})
	if in := next(); in.Kind != core.InputLinkUp || in.Link != 1 {
		t.Fatalf("got %+v", in)
	}
	links.Execute([]core.LinkOp{{Kind: core.LinkSend, Link: 1, Bytes: framed("second")},
		{Kind: core.LinkSend, Link: 1, Bytes: framed("third")}})
	for _, want := range []string{"before the connection stands", "second", "third"} {
		if in := next(); in.Kind != core.InputLinkFrame || string(in.Frame) != want {
			t.Fatalf("got %+v, want %q", in, want)
		}
	}
}

func TestABrokenLinkIsReportedOnce(t *testing.T) {
	links, next := collect(t)
	address := echo(t)
	links.Execute([]core.LinkOp{{Kind: core.LinkOpen, Link: 1, Address: address},
		{Kind: core.LinkSend, Link: 1, Bytes: framed("hang up")}})
	next()
	if in := next(); in.Kind != core.InputLinkDown || in.Err == nil {
		t.Fatalf("got %+v", in)
	}
	// The id is never used again; an operation on a link that is down is nobody's.
	links.Execute([]core.LinkOp{{Kind: core.LinkSend, Link: 1, Bytes: framed("late")}, {Kind: core.LinkClose, Link: 1},
		{Kind: core.LinkOpen, Link: 2, Address: address}})
	if in := next(); in.Kind != core.InputLinkUp || in.Link != 2 {
		t.Fatalf("got %+v", in)
	}
}

func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	links, next := collect(t)
	links.Execute([]core.LinkOp{{Kind: core.LinkOpen, Link: 1, Address: address}})
	if in := next(); in.Kind != core.InputLinkDown || !errors.Is(in.Err, core.ErrRefused) {
		t.Fatalf("got %+v", in)
	}
}

func TestAClosedLinkIsSilent(t *testing.T) {
	links, next := collect(t)
	address := echo(t)
	links.Execute([]core.LinkOp{{Kind: core.LinkOpen, Link: 1, Address: address}})
	next()
	links.Execute([]core.LinkOp{{Kind: core.LinkClose, Link: 1}, {Kind: core.LinkOpen, Link: 2, Address: address}})
	if in := next(); in.Kind != core.InputLinkUp || in.Link != 2 {
		t.Fatalf("got %+v, after a close nothing is heard of a link", in)
	}
}
