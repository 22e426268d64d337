package broker_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// A controller that is cut off cannot say that there is no such topic: the next one may have created it. It waits until
// it knows that it leads still, or sends the request on to who does.
func TestAControllerThatIsCutOffRefusesNothingByWhatItKnew(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	old := c.controller(t, 1)
	if code := c.deleteTopic(t, old, "never"); code != core.UnknownTopicOrPartition {
		t.Fatalf("a topic that never was: %v", code)
	}
	c.cut[old] = true
	req := deleteTopic("late")
	w := c.worlds[old-1]
	s := w.connect()
	c.settle()
	if !w.offer(s, frameOf(req, 1)) {
		t.Fatal("the session takes no request")
	}
	c.pass(time.Second)
	if len(s.answers) > 0 {
		t.Fatalf("without a majority: %+v", decodeAnswer(req, s.answers[0]))
	}
	if code := c.createTopic(t, c.other(old), "late", 2); code != core.NoError {
		t.Fatal(code)
	}
	c.cut[old] = false
	c.until(t, 20*time.Second, "answered", func() bool { return len(s.answers) > 0 })
	resp := decodeAnswer(req, s.answers[0]).(*kmsg.DeleteTopicsResponse)
	if code := core.ErrorCode(resp.Topics[0].ErrorCode); code != core.NoError {
		t.Errorf("the topic that the next controller has created: %v", code)
	}
}

func deleteTopic(name string) *kmsg.DeleteTopicsRequest {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version = 5
	req.TopicNames = []string{name}
	return req
}

func (c *cluster) deleteTopic(t *testing.T, id int, name string) core.ErrorCode {
	t.Helper()
	resp := c.ask(t, id, deleteTopic(name)).(*kmsg.DeleteTopicsResponse)
	return core.ErrorCode(resp.Topics[0].ErrorCode)
}
