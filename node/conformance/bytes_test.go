package conformance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core/wire"
)

// raw builds bytes by hand, big endian as Kafka's protocol is.
type raw []byte

func (b raw) i8(v int) raw  { return append(b, byte(v)) }
func (b raw) i16(v int) raw { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func (b raw) i32(v int) raw { return binary.BigEndian.AppendUint32(b, uint32(v)) }
func (b raw) i64(v int) raw { return binary.BigEndian.AppendUint64(b, uint64(v)) }
func (b raw) hex(v ...int) raw {
	for _, x := range v {
		b = append(b, byte(x))
	}
	return b
}

// str is a string with a length of two bytes, arr the count of an array with four.
func (b raw) str(s string) raw { return append(b.i16(len(s)), s...) }
func (b raw) arr(n int) raw    { return b.i32(n) }

// compact is a string of the flexible versions, uv an unsigned variable-length number.
func (b raw) compact(s string) raw { return append(b.uv(len(s)+1), s...) }
func (b raw) uv(v int) raw         { return binary.AppendUvarint(b, uint64(uint32(v))) }

// framed puts the length before a frame.
func framed(frame []byte) raw { return append(raw{}.i32(len(frame)), frame...) }

// header is a request header of version 1; flexible versions have tags behind it: see flexible.
func header(key wire.Key, version int) raw {
	return raw{}.i16(int(key)).i16(version).i32(correlation).str("raw")
}

// flexible is a request header of version 2 without tags.
func flexible(key wire.Key, version int) raw { return header(key, version).uv(0) }

// correlation is the correlation id of single requests.
const correlation = 0x0ddba11

// encode writes a request as a frame without its length.
func encode(req kmsg.Request, id int) raw {
	b := raw{}.i16(int(req.Key())).i16(int(req.GetVersion())).i32(id).str("raw")
	if req.IsFlexible() {
		b = b.uv(0)
	}
	return req.AppendTo(b)
}

// bodyStart is where the body begins in what encode returns.
func bodyStart(req kmsg.Request) int {
	if req.IsFlexible() {
		return 14
	}
	return 13
}

// request makes a request with Kafka's defaults.
func request[T any, P interface {
	*T
	kmsg.Request
	Default()
}](version int16) P {
	req := P(new(T))
	req.Default()
	req.SetVersion(version)
	return req
}

// client is a connection.
type client struct {
	net.Conn
	next int
}

// ask sends a request and reads its answer.
func (c *client) ask(req kmsg.Request) (kmsg.Response, error) {
	c.next++
	if err := c.send(framed(encode(req, c.next))); err != nil {
		return nil, err
	}
	return c.answer(req.Key(), req.GetVersion(), c.next)
}

func (c *client) send(b []byte) error {
	c.SetDeadline(time.Now().Add(deadline))
	_, err := c.Write(b)
	return err
}

// errClosed says that the broker has closed the connection without another byte.
var errClosed = errors.New("closed")

// frame reads one frame.
func (c *client) frame() ([]byte, error) {
	var size [4]byte
	c.SetDeadline(time.Now().Add(deadline))
	if n, err := io.ReadFull(c, size[:]); err != nil {
		if n == 0 && (err == io.EOF || errors.Is(err, syscall.ECONNRESET)) {
			return nil, errClosed
		}
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(c, frame)
	return frame, err
}

// answer reads the answer to a request of an API and version and checks its correlation id.
func (c *client) answer(key, version int16, id int) (kmsg.Response, error) {
	frame, err := c.frame()
	if err != nil {
		return nil, err
	}
	if got := int(binary.BigEndian.Uint32(frame)); got != id {
		return nil, fmt.Errorf("correlation id %d, want %d", got, id)
	}
	resp := kmsg.ResponseForKey(key)
	resp.SetVersion(version)
	body := frame[4:]
	if resp.IsFlexible() && key != int16(wire.ApiVersions) {
		body = body[1:]
	}
	return resp, resp.ReadFrom(body)
}

// codes lists the error codes of an answer that are not 0, in their order: "" is success.
func codes(resp kmsg.Response) string {
	var list []string
	collect(reflect.ValueOf(resp).Elem(), &list)
	return strings.Join(list, " ")
}

func collect(v reflect.Value, list *[]string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name == "ErrorCode" {
				if code := v.Field(i).Int(); code != 0 {
					*list = append(*list, strconv.FormatInt(code, 10))
				}
				continue
			}
			collect(v.Field(i), list)
		}
	case reflect.Slice:
		for i := range v.Len() {
			collect(v.Index(i), list)
		}
	}
}

// closes sends bytes on a connection of their own and demands a close without an answer.
func closes(t *testing.T, stream []byte) {
	t.Helper()
	c := dial()
	defer c.Close()
	if err := c.send(stream); err != nil {
		t.Fatal(err)
	}
	if frame, err := c.frame(); err != errClosed {
		t.Errorf("answered %x, %v; want a close without an answer", frame, err)
	}
	unharmed(t)
}

// answers sends a frame on a connection of its own and demands an answer with the codes, on a connection that lives on.
func answers(t *testing.T, frame []byte, want string) kmsg.Response {
	t.Helper()
	c := dial()
	defer c.Close()
	if err := c.send(framed(frame)); err != nil {
		t.Fatal(err)
	}
	key, version := int16(binary.BigEndian.Uint16(frame)), int16(binary.BigEndian.Uint16(frame[2:]))
	resp, err := c.answer(key, version, int(binary.BigEndian.Uint32(frame[4:])))
	if err != nil {
		t.Fatalf("%v; want an answer with codes %q", err, want)
	}
	if got := codes(resp); got != want {
		t.Errorf("answered with codes %q, want %q", got, want)
	}
	served(t, "the same connection", c)
	unharmed(t)
	return resp
}
