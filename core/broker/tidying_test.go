package broker_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// folders are the partitions of a topic for which a node has a folder, whatever its name ends with.
func (c *cluster) folders(id int, topic string) (names []string) {
	entries, _ := c.disks[id-1].List("data")
	for _, e := range entries {
		if strings.HasPrefix(e.Name, topic+"-") {
			names = append(names, e.Name)
		}
	}
	return names
}

// A start puts its folders in order by the metadata up to its registration. What is deleted while it does so goes as
// it goes later: no folder stays behind, to be in the way of the next topic of the name, of which an offset
// checkpoint would still vouch for what the old one had.
func TestATopicThatIsDeletedWhileAStartIsTidiedGoes(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	if code := c.createTopic(t, 1, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	asked := c.controller(t, 1)
	id := c.other(asked)
	c.until(t, time.Minute, "everywhere", func() bool { return len(c.folders(id, "t")) == 3 })
	c.stop(t, id)
	c.holds = "tidy"
	c.start(id)
	w := c.worlds[id-1]
	c.until(t, time.Minute, "tidying", func() bool { return len(w.held) == 1 })
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version = 5
	req.TopicNames = []string{"t"}
	resp := c.ask(t, asked, req).(*kmsg.DeleteTopicsResponse)
	if code := core.ErrorCode(resp.Topics[0].ErrorCode); code != core.NoError {
		t.Fatal(code)
	}
	c.pass(time.Second)
	if n := len(c.folders(id, "t")); n != 3 {
		t.Fatalf("%d folders are left before it was tidied", n)
	}
	w.held[0]()
	c.until(t, time.Minute, "listening", func() bool { return w.listens })
	c.until(t, 10*time.Second, "removed", func() bool { return len(c.folders(id, "t")) == 0 })
	if i := slices.IndexFunc(w.notes, func(n string) bool { return strings.Contains(n, "aside") }); i >= 0 {
		t.Error(w.notes[i])
	}
}
