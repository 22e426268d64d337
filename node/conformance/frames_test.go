package conformance

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core/wire"
)

// TestFrames has the rows about frames, headers and the generic rules of bodies.
func TestFrames(t *testing.T) {
	for _, row := range []struct {
		name   string
		stream raw
	}{
		{"1 a negative frame size", raw{}.i32(-1)},
		{"1 the smallest frame size", raw{}.i32(-1 << 31)},
		{"1 a frame size above socket.request.max.bytes", raw{}.i32(104857601)},
		{"1 the largest frame size", raw{}.i32(1<<31 - 1)},
		{"1 HTTP", raw("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")},
		{"1 a TLS greeting", raw{}.hex(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3)},
		{"3 a frame of size 0", framed(nil)},
		{"3 a header of one byte", framed(raw{}.i8(0))},
		{"3 a header without a version", framed(raw{}.i16(18))},
		{"3 a header without a correlation id", framed(raw{}.i16(3).i16(1))},
		{"3 a header without a client id", framed(raw{}.i16(3).i16(1).i32(7))},
		{"3 a client id beyond the frame", framed(raw{}.i16(3).i16(1).i32(7).i16(100).hex('x'))},
		{"3 a header without tags in a flexible version", framed(header(wire.Metadata, 9))},
		{"3 more tagged fields than bytes in a header", framed(header(wire.Metadata, 9).uv(20000000).i32(0))},
		{"3 a tagged field beyond the frame in a header", framed(header(wire.Metadata, 9).uv(1).uv(0).uv(5000))},
		{"3 a count of six bytes in a header", framed(header(wire.Metadata, 9).hex(0xff, 0xff, 0xff, 0xff, 0xff, 1))},
		{"3 API key -1", framed(header(-1, 0))},
		{"3 API key 4, which Kafka 4 has no more", framed(header(4, 4))},
		{"3 API key 17, not served yet (Kafka: 34, ILLEGAL_SASL_STATE)", framed(header(17, 1).str("PLAIN"))},
		{"3 API key 24, not served yet: transactions", framed(header(24, 0))},
		{"3 API key 95", framed(header(95, 0))},
		{"3 API key 32767", framed(header(32767, 0))},
		{"3 Vote is for controllers", framed(flexible(wire.Vote, 0).uv(0).uv(1).uv(0))},
		{"3 FetchSnapshot is for controllers", framed(flexible(wire.FetchSnapshot, 0).i32(-1).i32(1).uv(1).uv(0))},
		{"3 BrokerHeartbeat is for controllers", framed(flexible(wire.BrokerHeartbeat, 0).i32(1).i64(0).i64(0).i16(0).uv(0))},
		{"3 AllocateProducerIds is for controllers", framed(flexible(wire.AllocateProducerIDs, 0).i32(1).i64(0).uv(0))},
		{"6 a string beyond the body", framed(header(wire.FindCoordinator, 0).i16(100).hex('g'))},
		{"6 null in place of a string", framed(header(wire.FindCoordinator, 0).i16(-1))},
		{"6 a negative string length", framed(header(wire.FindCoordinator, 0).i16(-2))},
		{"6 null in place of a compact string", framed(flexible(wire.FindCoordinator, 3).uv(0).i8(0).uv(0))},
		{"6 a compact string beyond the body", framed(flexible(wire.FindCoordinator, 3).uv(1000).i8(0).uv(0))},
		{"6 a compact string of 2^32 bytes", framed(flexible(wire.FindCoordinator, 3).hex(0xff, 0xff, 0xff, 0xff, 0x0f))},
		{"6 a string of 32768 bytes", framed(append(flexible(wire.FindCoordinator, 3).compact(
			string(make([]byte, 32768))), 0, 0))},
		{"6 a length of six bytes", framed(flexible(wire.FindCoordinator, 3).hex(0x80, 0x80, 0x80, 0x80, 0x80, 1))},
		{"6 a length of 35 bits", framed(flexible(wire.FindCoordinator, 3).hex(0xff, 0xff, 0xff, 0xff, 0x7f))},
		{"6 null in place of an array", framed(header(wire.DescribeGroups, 0).arr(-1))},
		{"6 a negative count", framed(header(wire.DescribeGroups, 0).arr(-2147483648))},
		{"6 a count beyond the body", framed(header(wire.DescribeGroups, 0).arr(1000).str("g"))},
		{"6 a count of 2^31-1", framed(header(wire.DescribeGroups, 0).arr(1<<31 - 1).str("g"))},
		{"6 null in place of a compact array", framed(flexible(wire.DescribeGroups, 5).uv(0).i8(0).uv(0))},
		{"6 a compact count beyond the body", framed(flexible(wire.DescribeGroups, 5).uv(1 << 30).i8(0).uv(0))},
		{"6 null in place of bytes", framed(header(wire.SyncGroup, 0).str("g").i32(1).str("m").arr(1).str("m").i32(-1))},
		{"6 null in place of a topic's name in Metadata v9", framed(flexible(wire.Metadata, 9).uv(2).uv(0).uv(0).i8(1).
			i16(0).uv(0))},
		{"6 an array whose elements each decode to many times their bytes", framed(append(
			flexible(wire.DescribeGroups, 5).uv(500001), make([]byte, 500100)...))},
		{"7 more tagged fields than bytes", framed(flexible(wire.FindCoordinator, 3).compact("g").i8(0).uv(1 << 28).i32(0))},
		{"7 a tagged field beyond the body", framed(flexible(wire.FindCoordinator, 3).compact("g").i8(0).uv(1).uv(9).uv(99))},
	} {
		t.Run(row.name, func(t *testing.T) { closes(t, row.stream) })
	}
}

// TestLenience has what Kafka takes although it looks odd.
func TestLenience(t *testing.T) {
	find := func(tags raw) raw { return append(flexible(wire.FindCoordinator, 3).compact("g").i8(0), tags...) }
	for _, row := range []struct {
		name  string
		frame raw
		want  string
	}{
		{"3 a null client id", raw{}.i16(18).i16(0).i32(7).i16(-1), ""},
		{"3 an empty client id", raw{}.i16(18).i16(0).i32(7).i16(0), ""},
		{"3 a client id that is not UTF-8", raw{}.i16(18).i16(0).i32(7).str("\xff\xfe\x00"), ""},
		{"3 a negative correlation id", raw{}.i16(18).i16(0).i32(-7).str("raw"), ""},
		{"3 tags in a header", append(header(wire.FindCoordinator, 3), raw{}.uv(2).uv(0).uv(3).str("x").uv(77).uv(0).
			compact("g").i8(0).uv(0)...), ""},
		{"5 ApiVersions v3 without a name", flexible(wire.ApiVersions, 3).compact("").compact("1").uv(0), "42"},
		{"5 ApiVersions v3 with a space in the name", flexible(wire.ApiVersions, 3).compact("a b").compact("1").uv(0), "42"},
		{"5 ApiVersions v3 with a version that ends in a dot", flexible(wire.ApiVersions, 3).compact("a").compact("1.").
			uv(0), "42"},
		{"5 ApiVersions v4 with a name that starts with a dash", flexible(wire.ApiVersions, 4).compact("-a").compact("1").
			uv(0), "42"},
		{"5 ApiVersions v3 with a name that is not UTF-8", flexible(wire.ApiVersions, 3).compact("\xc3\x28").compact("1").
			uv(0), "42"},
		{"7 an unknown tagged field", find(raw{}.uv(1).uv(1234).uv(4).i32(7)), ""},
		{"7 the same tag twice", find(raw{}.uv(2).uv(5).uv(1).i8(1).uv(5).uv(1).i8(2)), ""},
		{"7 tags out of order", find(raw{}.uv(2).uv(9).uv(0).uv(3).uv(0)), ""},
		{"7 the largest tag", find(raw{}.uv(1).hex(0xff, 0xff, 0xff, 0xff, 0x0f).uv(0)), ""},
		{"8 bytes after the body", append(header(wire.FindCoordinator, 0).str("g"), "and more"...), ""},
		{"8 bytes after the tags", append(find(raw{}.uv(0)), 0xff, 0xff), ""},
		{"8 bytes after a request without a body", append(header(wire.ApiVersions, 0), 1, 2, 3), ""},
		{"9 a topic name that is not UTF-8 is unknown to Produce", produceNamed("\xff\xfe"), "3"},
		{"9 and invalid to Metadata", header(wire.Metadata, 1).arr(1).str("\xff\xfe"), "17"},
		{"9 and invalid to CreateTopics", createNamed("\xc3\x28"), "17"},
		{"9 and unknown to ListOffsets", header(wire.ListOffsets, 1).i32(-1).arr(1).str("\xff").arr(1).i32(0).i64(-1), "3"},
		{"9 a group id that is not UTF-8 is a name like others", header(wire.Heartbeat, 0).str("\xff").i32(0).str("m"), "25"},
		{"6 an empty array of groups", header(wire.DescribeGroups, 0).arr(0), ""},
		{"6 an empty array of topics", header(wire.ListOffsets, 1).i32(-1).arr(0), ""},
		{"6 an empty array of partitions", header(wire.ListOffsets, 1).i32(-1).arr(1).str(plain).arr(0), ""},
		{"6 an empty array of coordinator keys", flexible(wire.FindCoordinator, 4).i8(0).uv(1).uv(0), ""},
		{"6 an empty array of groups to fetch for", flexible(wire.OffsetFetch, 8).uv(1).i8(0).uv(0), ""},
		{"6 null in place of all topics", header(wire.Metadata, 1).arr(-1), ""},
		{"6 null in place of all topics, otherwise", header(wire.Metadata, 1).arr(-5), ""},
		{"6 no topics", header(wire.Metadata, 1).arr(0), ""},
		{"6 an empty array of resources", header(wire.DescribeConfigs, 0).arr(0), ""},
	} {
		t.Run(row.name, func(t *testing.T) { answers(t, row.frame, row.want) })
	}
}

func createNamed(name string) raw {
	return header(wire.CreateTopics, 2).arr(1).str(name).i32(1).i16(1).arr(0).arr(0).i32(1000).i8(0)
}

func produceNamed(name string) raw {
	return header(wire.Produce, 3).i16(-1).i16(1).i32(1000).arr(1).str(name).arr(1).i32(0).i32(0)
}

// TestVersionsOutOfRange has row 4: the connection is closed, but ApiVersions is answered in version 0 with code 35 and
// the supported ranges (KIP-511), whatever else its header holds.
func TestVersionsOutOfRange(t *testing.T) {
	for api := range wire.APIs(wire.ClassClient) {
		for _, version := range []int{int(api.Min) - 1, int(api.Max) + 1, 32767, -32768} {
			t.Run(fmt.Sprintf("%s v%d", api.Name, version), func(t *testing.T) {
				if api.Key != wire.ApiVersions {
					closes(t, framed(append(header(api.Key, version), make([]byte, 64)...)))
					return
				}
				c := dial()
				defer c.Close()
				if err := c.send(framed(raw{}.i16(18).i16(version).i32(correlation).hex(0xde, 0xad))); err != nil {
					t.Fatal(err)
				}
				resp, err := c.answer(18, 0, correlation)
				if err != nil {
					t.Fatal(err)
				}
				v := resp.(*kmsg.ApiVersionsResponse)
				if v.ErrorCode != 35 || len(v.ApiKeys) < 30 {
					t.Errorf("code %d and %d ranges", v.ErrorCode, len(v.ApiKeys))
				}
				served(t, "the same connection", c)
				unharmed(t)
			})
		}
	}
}

// TestPipelining has row 10: many requests in one write are answered in their order.
func TestPipelining(t *testing.T) {
	var stream raw
	var sent []kmsg.Request
	add := func(req kmsg.Request) {
		stream = append(stream, framed(encode(req, 1000+len(sent)))...)
		sent = append(sent, req)
	}
	for range 5 {
		add(request[kmsg.ApiVersionsRequest](0))
		add(produceBatch(plain, 0, 9, goodBatch()))
		add(produceBatch(plain, 1, 9, goodBatch()))
		add(produceBatch(plain, 1, 9, []byte("bad")))
		add(request[kmsg.MetadataRequest](12))
		wait := request[kmsg.FetchRequest](4) // answered after its wait, with what came behind it unanswered till then
		wait.ReplicaID, wait.MaxWaitMillis, wait.MinBytes, wait.MaxBytes = -1, 20, 1, 1<<20
		wait.Topics = []kmsg.FetchRequestTopic{{Topic: short,
			Partitions: []kmsg.FetchRequestTopicPartition{{PartitionMaxBytes: 1 << 20}}}}
		add(wait)
		beat := request[kmsg.HeartbeatRequest](4)
		beat.Group = "nobody"
		add(beat)
	}
	c := dial()
	defer c.Close()
	if err := c.send(stream); err != nil {
		t.Fatal(err)
	}
	for i, req := range sent {
		if _, err := c.answer(req.Key(), req.GetVersion(), 1000+i); err != nil {
			t.Fatalf("answer %d, to %v: %v", i, wire.Key(req.Key()), err)
		}
	}
	unharmed(t)
}

// TestBadAfterGood: what came before a bad request is answered before the connection is closed.
func TestBadAfterGood(t *testing.T) {
	for _, row := range []struct {
		name string
		bad  raw
	}{
		{"an unknown key", framed(header(95, 0))},
		{"a truncated body", framed(header(wire.Metadata, 1))},
		{"a truncated produce request", framed(header(wire.Produce, 3).i16(-1))},
		{"a bad frame size", raw{}.i32(-5)},
	} {
		for _, good := range []kmsg.Request{produceBatch(plain, 0, 9, goodBatch()), request[kmsg.MetadataRequest](12)} {
			t.Run(fmt.Sprintf("%s after %v", row.name, wire.Key(good.Key())), func(t *testing.T) {
				c := dial()
				defer c.Close()
				if err := c.send(append(framed(encode(good, 1)), row.bad...)); err != nil {
					t.Fatal(err)
				}
				if _, err := c.answer(good.Key(), good.GetVersion(), 1); err != nil {
					t.Fatalf("the good request: %v", err)
				}
				if frame, err := c.frame(); err != errClosed {
					t.Errorf("the bad one: %x, %v", frame, err)
				}
				unharmed(t)
			})
		}
	}
}

// TestSlowAndBrokenFrames has frames that arrive byte by byte, or never wholly.
func TestSlowAndBrokenFrames(t *testing.T) {
	req := request[kmsg.MetadataRequest](12)
	whole := framed(encode(req, correlation))
	t.Run("one byte at a time", func(t *testing.T) {
		c := dial()
		defer c.Close()
		c.Conn.(*net.TCPConn).SetNoDelay(true)
		for i := range whole {
			if err := c.send(whole[i : i+1]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Microsecond)
		}
		if _, err := c.answer(req.Key(), 12, correlation); err != nil {
			t.Fatal(err)
		}
		unharmed(t)
	})
	for _, cut := range []int{1, 3, 4, 7, 15, len(whole) - 1} {
		t.Run(fmt.Sprintf("reset after %d bytes", cut), func(t *testing.T) {
			c := dial()
			if err := c.send(whole[:cut]); err != nil {
				t.Fatal(err)
			}
			c.Conn.(*net.TCPConn).SetLinger(0)
			c.Close()
			unharmed(t)
		})
		t.Run(fmt.Sprintf("end after %d bytes", cut), func(t *testing.T) {
			c := dial()
			defer c.Close()
			if err := c.send(whole[:cut]); err != nil {
				t.Fatal(err)
			}
			c.Conn.(*net.TCPConn).CloseWrite()
			if frame, err := c.frame(); err != errClosed {
				t.Errorf("answered %x, %v", frame, err)
			}
			unharmed(t)
		})
	}
	t.Run("a hundred announcements of 100 MiB", func(t *testing.T) {
		for range 100 {
			c := dial()
			defer c.Close()
			if err := c.send(raw{}.i32(104857600).hex(0, 3)); err != nil {
				t.Fatal(err)
			}
		}
		unharmed(t)
	})
	t.Run("an answer that nobody waits for", func(t *testing.T) {
		for range 20 {
			c := dial()
			if err := c.send(bytes.Repeat(whole, 50)); err != nil {
				t.Fatal(err)
			}
			c.Conn.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
		unharmed(t)
	})
}

// TestLargeRequests: only Produce may be as large as socket.request.max.bytes (ours).
func TestLargeRequests(t *testing.T) {
	large := make(raw, 17<<20)
	t.Run("Metadata of 17 MiB", func(t *testing.T) {
		closes(t, framed(append(header(wire.Metadata, 1).arr(0), large...)))
	})
	t.Run("Produce of 17 MiB", func(t *testing.T) {
		answers(t, encode(produceBatch(plain, 0, 9, append(goodBatch(), large...)), correlation), "2")
	})
	t.Run("Metadata of 15 MiB", func(t *testing.T) {
		answers(t, append(header(wire.Metadata, 1).arr(0), large[:15<<20]...), "")
	})
}

// TestAnswerHeaders: the answer to ApiVersions has a header without tags in every version, so that a client can read it
// before it knows the broker; the features it may run are told from v3 on, and for v3 none from 0 (KAFKA-17011).
func TestAnswerHeaders(t *testing.T) {
	for version := int16(0); version <= wire.Lookup(wire.ApiVersions).Max; version++ {
		req := request[kmsg.ApiVersionsRequest](version)
		req.ClientSoftwareName, req.ClientSoftwareVersion = "raw", "1"
		resp := answers(t, encode(req, correlation), "").(*kmsg.ApiVersionsResponse)
		if version >= 3 && len(resp.SupportedFeatures) == 0 {
			t.Errorf("v%d: no features", version)
		}
		for _, f := range resp.SupportedFeatures {
			if version == 3 && f.MinVersion < 1 {
				t.Errorf("v3: %s begins at %d", f.Name, f.MinVersion)
			}
		}
	}
}
