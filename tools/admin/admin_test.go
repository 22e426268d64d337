package admin

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestTablesAlignNumbersRightAndDropEmptyColumns(t *testing.T) {
	table := NewTable("TOPIC", "PARTITIONS", "RACK", "STATE")
	table.Row(Plain, "a", "12", "", "")
	table.Row(Alarm, "größer", "3", "", "offline")
	var out bytes.Buffer
	if err := table.Write(&out, true); err != nil {
		t.Fatal(err)
	}
	want := "TOPIC   PARTITIONS  STATE\n" +
		"a               12  -\n" +
		"\x1b[1;31mgrößer           3  offline\x1b[0m\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestARefusalHasTheBrokersWordsAndKafkasCode(t *testing.T) {
	err := Refusal("topic x", kerr.InvalidPartitions, "It has 3 already.", "Try more.")
	if got := err.Error(); got != "topic x: It has 3 already. (INVALID_PARTITIONS)\nTry more." {
		t.Errorf("%q", got)
	}
	if !errors.Is(err, kerr.InvalidPartitions) {
		t.Error("the code is lost")
	}
}

// TestAServerThatIsNotThere wants a sentence at once, not after the client has tried for long.
func TestAServerThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	f := Flags{Servers: addr, Timeout: 10 * time.Second}
	cmd := &cobra.Command{}
	cmd.SetContext(context.Background())
	begun := time.Now()
	err = f.Run(cmd, func(context.Context, *Client) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "no broker listens on "+addr) ||
		!strings.Contains(err.Error(), "--bootstrap-server") {
		t.Errorf("%v", err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
