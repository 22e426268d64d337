package linearizability

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

func TestErrorNamesAreKafkas(t *testing.T) {
	for _, e := range kafkaErrors {
		k := kerr.TypedErrorForCode(e.code)
		older := e.code == 6 // which the library calls by its name of before Kafka 2.6
		if k == nil || k.Message != e.name && !older {
			t.Errorf("%d is called %s here, and by Kafka %v", e.code, e.name, k)
		}
		if ErrorName(e.code) != e.name || Classify(e.code) != ClassifyName(e.name) {
			t.Errorf("%s: the code and the name say different things", e.name)
		}
	}
	if ErrorName(0) != "NONE" || ErrorName(9999) != "" {
		t.Error("names of codes that are no errors")
	}
}

func TestClassify(t *testing.T) {
	for _, name := range []string{
		"REQUEST_TIMED_OUT", "NETWORK_EXCEPTION", "NOT_LEADER_OR_FOLLOWER", "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
		"KAFKA_STORAGE_ERROR", "UNKNOWN_SERVER_ERROR", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "NOT_CONTROLLER",
		"DUPLICATE_SEQUENCE_NUMBER", "UNKNOWN_TOPIC_OR_PARTITION", "timeout", "disconnected", "NO_SUCH_ERROR",
	} {
		if ClassifyName(name) != Unknown {
			t.Errorf("%s is definite", name)
		}
	}
	for _, name := range []string{
		"MESSAGE_TOO_LARGE", "NOT_ENOUGH_REPLICAS", "CORRUPT_MESSAGE", "ILLEGAL_GENERATION", "TOPIC_AUTHORIZATION_FAILED",
		"INVALID_REQUIRED_ACKS", "TOPIC_ALREADY_EXISTS",
	} {
		if ClassifyName(name) != Failed {
			t.Errorf("%s is not definite", name)
		}
	}
	if Classify(0) != OK || ClassifyName("") != OK || ClassifyName("NONE") != OK {
		t.Error("no error is not ok")
	}
	if Classify(9999) != Unknown {
		t.Error("a code that nobody knows is definite")
	}
}

func TestDoneDoubtsFailures(t *testing.T) {
	send := NewOp(Send, 1, 1)
	retried := send
	retried.Attempts = 2
	poll := NewOp(Poll, 1, 1)
	for _, c := range []struct {
		name  string
		op    Op
		error string
		want  Outcome
	}{
		{"a refusal is definite", send, "MESSAGE_TOO_LARGE", Failed},
		{"a lost leader is not", send, "NOT_LEADER_OR_FOLLOWER", Unknown},
		{"a refused retry is not", retried, "MESSAGE_TOO_LARGE", Unknown},
		{"a poll changes nothing", poll, "NOT_LEADER_OR_FOLLOWER", Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.op.Done(2, Failed, c.error); got.Outcome != c.want || got.Return != 2 || got.Error != c.error {
				t.Errorf("got %s", got.Outcome)
			}
		})
	}
}
