package interop

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A kcat runs kcat 1.7 (librdkafka 2.0) against one server.
type kcat struct {
	path, addr string
}

func newKcat(t *testing.T) kcat {
	t.Helper()
	addr := bootstrap(t)
	path, err := exec.LookPath("kcat")
	if err != nil {
		missing(t, "kcat", err.Error())
	}
	return kcat{path, addr}
}

func (k kcat) command(stdin string, args ...string) program {
	return program{path: k.path, args: append([]string{"-b", k.addr}, args...), stdin: stdin}
}

func TestKcatProducesAndConsumesKeysAndHeaders(t *testing.T) {
	t.Parallel()
	k, topic := newKcat(t), uniqueName("kcat")
	k.command("a:one\nb:two\nc:three\n", "-P", "-t", topic, "-p", "0", "-K", ":",
		"-H", "trace=7", "-H", "empty").mustRun(t)

	// -e ends at the end of the partition, -q keeps quiet about it.
	got := k.command("", "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q",
		"-f", "%o %k %s %h\n").mustRun(t)
	want := "0 a one trace=7,empty=NULL\n1 b two trace=7,empty=NULL\n2 c three trace=7,empty=NULL\n"
	if got != want {
		t.Errorf("got\n%swanted\n%s", got, want)
	}
}

func TestKcatReadsFromOffsets(t *testing.T) {
	t.Parallel()
	k, topic := newKcat(t), uniqueName("kcat")
	before := time.Now().Add(-time.Minute).UnixMilli()
	k.command(lines("line %d", 10), "-P", "-t", topic, "-p", "0").mustRun(t)

	for from, want := range map[string]string{
		"beginning":                 "0123456789",
		"7":                         "789",
		"-2":                        "89",
		"end":                       "",
		fmt.Sprintf("s@%d", before): "0123456789",
	} {
		got := k.command("", "-C", "-t", topic, "-p", "0", "-o", from, "-e", "-q", "-f", "%o").mustRun(t)
		if got != want {
			t.Errorf("-o %s: read offsets %q, wanted %q", from, got, want)
		}
	}
}

func TestKcatEveryCodec(t *testing.T) {
	t.Parallel()
	k := newKcat(t)
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			topic := uniqueName("kcat-" + codec)
			sent := lines("a line that repeats itself, repeats itself %d", 300)
			k.command(sent, "-P", "-t", topic, "-p", "0", "-z", codec, "-X", "linger.ms=50").mustRun(t)
			got := k.command("", "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q",
				"-X", "check.crcs=true").mustRun(t)
			if got != sent {
				t.Errorf("got %d bytes, sent %d", len(got), len(sent))
			}
		})
	}
}

func TestKcatListsMetadata(t *testing.T) {
	t.Parallel()
	k, topic := newKcat(t), uniqueName("kcat")
	k.command("one\n", "-P", "-t", topic, "-p", "0").mustRun(t)
	wantContains(t, k.command("", "-L").mustRun(t), fmt.Sprintf("%d brokers:", brokerCount()),
		strings.Split(k.addr, ",")[0], fmt.Sprintf("topic %q with 1 partitions", topic))
	wantContains(t, k.command("", "-L", "-J", "-t", topic).mustRun(t), `"isrs"`, `"leader"`)
}

func TestKcatQueriesOffsets(t *testing.T) {
	t.Parallel()
	k, topic := newKcat(t), uniqueName("kcat")
	k.command(lines("%d", 5), "-P", "-t", topic, "-p", "0").mustRun(t)
	got := k.command("", "-Q", "-t", topic+":0:-1", "-t", topic+":0:-2").mustRun(t)
	wantContains(t, got, "offset")
	if latest := k.command("", "-Q", "-t", topic+":0:-1").mustRun(t); !strings.Contains(latest, "offset 5") {
		t.Errorf("latest offset: %q", latest)
	}
}

func TestKcatConsumerGroupResumes(t *testing.T) {
	t.Parallel()
	k, topic, group := newKcat(t), uniqueName("kcat"), uniqueName("kcat-group")
	k.command(lines("%d", 6), "-P", "-t", topic, "-p", "0").mustRun(t)

	read := func(count string) string {
		return k.command("", "-G", group, "-q", "-c", count, "-f", "%s ",
			"-X", "auto.offset.reset=earliest", topic).mustRun(t)
	}
	if got := read("4"); got != "0 1 2 3 " {
		t.Errorf("first member read %q", got)
	}
	if got := read("2"); got != "4 5 " {
		t.Errorf("second member read %q, wanted what the first one left", got)
	}
}

func TestKcatIdempotentProducerAndTombstone(t *testing.T) {
	t.Parallel()
	k, topic := newKcat(t), uniqueName("kcat")
	k.command(lines("k%d:", 3), "-P", "-t", topic, "-p", "0", "-K", ":", "-Z",
		"-X", "enable.idempotence=true").mustRun(t)
	// %S is the value's length, -1 for none.
	got := k.command("", "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%k %S\n").mustRun(t)
	if want := "k0 -1\nk1 -1\nk2 -1\n"; got != want {
		t.Errorf("got\n%swanted\n%s", got, want)
	}
}

// lines renders the format for 0 to count-1, a line each.
func lines(format string, count int) string {
	var text strings.Builder
	for i := range count {
		fmt.Fprintf(&text, format+"\n", i)
	}
	return text.String()
}
