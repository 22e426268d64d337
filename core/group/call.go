package group

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// Call is one request to the coordinator, and room for its answer. It is the operation that coordinator.Runtime moves.
//
// The request must be decoded and stay as it is until the call is complete: an answer may refer to its bytes. What the
// machine keeps beyond that, it copies.
type Call struct {
	// From and Slot are the owner's: where the answer goes.
	From core.Address
	Slot uint64

	// Request is a *kmsg request of one of the group APIs, with its version set. For OffsetCommit and OffsetFetch by
	// topic id, the caller has filled in the topics' names beside the ids.
	Request kmsg.Request
	// Response is the answer, valid when the call comes out of the runtime. The caller may put one of the right type
	// there beforehand, to be used again; otherwise it is allocated.
	Response kmsg.Response

	// ClientID is the client.id of the request's header, and ClientHost the client's address as Java writes it
	// ("/10.0.0.7").
	ClientID, ClientHost string

	// Deleted, on a call without a Request, are topics that were deleted: their offsets are dropped.
	Deleted []DeletedTopic
}

// DeletedTopic names a topic that is gone.
type DeletedTopic struct {
	Topic string
	ID    core.UUID
}

// AppendText appends the call's stable one-line form, for traces: "JoinGroup v9 from consumer-1".
func (c *Call) AppendText(dst []byte) []byte {
	if c.Request == nil {
		return append(dst, "TopicsDeleted"...)
	}
	dst = append(dst, kmsg.NameForKey(c.Request.Key())...)
	dst = strconv.AppendInt(append(dst, " v"...), int64(c.Request.GetVersion()), 10)
	return append(append(dst, " from "...), c.ClientID...)
}

// answer returns the response to fill in, which may hold an earlier answer.
func (c *Call) answer() kmsg.Response {
	if c.Response == nil {
		c.Response = c.Request.ResponseKind()
	}
	c.Response.SetVersion(c.Request.GetVersion())
	return c.Response
}

// Refuse makes the answer an error of the whole call, in the shape that the request's version has for it.
func (c *Call) Refuse(code core.ErrorCode) {
	if c.Request == nil {
		return
	}
	switch req := c.Request.(type) {
	case *kmsg.JoinGroupRequest:
		refuseJoin(c, "", code)
	case *kmsg.SyncGroupRequest:
		refuseSync(c, code)
	case *kmsg.HeartbeatRequest:
		// A group that is loading cannot judge its members, and they need not rejoin for that.
		if code == core.CoordinatorLoadInProgress {
			code = core.NoError
		}
		answerHeartbeat(c, code)
	case *kmsg.LeaveGroupRequest:
		refuseLeave(c, req, code)
	case *kmsg.OffsetCommitRequest:
		refuseCommit(c, req, code)
	case *kmsg.OffsetFetchRequest:
		// Consumers before 3.9 do not retry COORDINATOR_NOT_AVAILABLE here (Kafka: handleOffsetFetchException).
		if code == core.CoordinatorNotAvailable {
			code = core.NotCoordinator
		}
		refuseFetch(c, req, code)
	case *kmsg.OffsetDeleteRequest:
		resp := c.answer().(*kmsg.OffsetDeleteResponse)
		resp.ErrorCode, resp.Topics = int16(code), nil
	case *kmsg.DescribeGroupsRequest:
		refuseDescribe(c, req, code)
	case *kmsg.ListGroupsRequest:
		resp := c.answer().(*kmsg.ListGroupsResponse)
		resp.ErrorCode, resp.Groups = int16(code), nil
	case *kmsg.DeleteGroupsRequest:
		refuseDelete(c, req, code)
	default:
		panicUnknown(c.Request)
	}
}
