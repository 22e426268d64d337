package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// Controls serves the API keys that the controller decides as they are: 19 CreateTopics, 33 AlterConfigs,
// 37 CreatePartitions, 43 ElectLeaders, 44 IncrementalAlterConfigs, 45 AlterPartitionReassignments,
// 46 ListPartitionReassignments, 57 UpdateFeatures, 64 UnregisterBroker, 22 InitProducerId.
func Controls(c *Context) {
	c.Control(c.Request, func(op *ControlOp) {
		if op.Code != core.NoError {
			c.Response = refuseControl(c.Request, op.Code)
			return
		}
		c.Response = op.Response
	})
}

// refuseControl refuses all parts of a request with one code, in the shape that its response has for it.
func refuseControl(request kmsg.Request, code core.ErrorCode) kmsg.Response {
	switch req := request.(type) {
	case *kmsg.CreateTopicsRequest:
		resp := kmsg.NewPtrCreateTopicsResponse()
		for i := range req.Topics {
			t := kmsg.NewCreateTopicsResponseTopic()
			t.Topic, t.ErrorCode = req.Topics[i].Topic, int16(code)
			resp.Topics = append(resp.Topics, t)
		}
		return resp
	case *kmsg.DeleteTopicsRequest:
		return refuseDeletes(req, code)
	case *kmsg.CreatePartitionsRequest:
		resp := kmsg.NewPtrCreatePartitionsResponse()
		for i := range req.Topics {
			t := kmsg.NewCreatePartitionsResponseTopic()
			t.Topic, t.ErrorCode = req.Topics[i].Topic, int16(code)
			resp.Topics = append(resp.Topics, t)
		}
		return resp
	case *kmsg.AlterConfigsRequest:
		resp := kmsg.NewPtrAlterConfigsResponse()
		for i := range req.Resources {
			r := kmsg.NewAlterConfigsResponseResource()
			r.ResourceType, r.ResourceName = req.Resources[i].ResourceType, req.Resources[i].ResourceName
			r.ErrorCode = int16(code)
			resp.Resources = append(resp.Resources, r)
		}
		return resp
	case *kmsg.IncrementalAlterConfigsRequest:
		resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
		for i := range req.Resources {
			r := kmsg.NewIncrementalAlterConfigsResponseResource()
			r.ResourceType, r.ResourceName = req.Resources[i].ResourceType, req.Resources[i].ResourceName
			r.ErrorCode = int16(code)
			resp.Resources = append(resp.Resources, r)
		}
		return resp
	case *kmsg.ElectLeadersRequest:
		return refuseElections(req, code)
	case *kmsg.AlterPartitionAssignmentsRequest:
		resp := kmsg.NewPtrAlterPartitionAssignmentsResponse()
		resp.AllowReplicationFactorChange, resp.ErrorCode = req.AllowReplicationFactorChange, int16(code)
		return resp
	case *kmsg.ListPartitionReassignmentsRequest:
		resp := kmsg.NewPtrListPartitionReassignmentsResponse()
		resp.ErrorCode = int16(code)
		return resp
	case *kmsg.UnregisterBrokerRequest:
		resp := kmsg.NewPtrUnregisterBrokerResponse()
		resp.ErrorCode = int16(code)
		return resp
	case *kmsg.InitProducerIDRequest:
		resp := kmsg.NewPtrInitProducerIDResponse()
		resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = int16(code), -1, -1
		return resp
	}
	if resp := refuseBroker(request, code); resp != nil {
		return resp
	}
	panic(fmt.Sprintf("api: %T is not for the controller", request))
}

// refuseBroker refuses a request that brokers send to the controller, or that is for the quorum, or returns nil if it
// is neither.
func refuseBroker(request kmsg.Request, code core.ErrorCode) kmsg.Response {
	resp := request.ResponseKind()
	switch r := resp.(type) {
	case *kmsg.BrokerRegistrationResponse:
		r.ErrorCode = int16(code)
	case *kmsg.BrokerHeartbeatResponse:
		r.ErrorCode = int16(code)
	case *kmsg.AllocateProducerIDsResponse:
		r.ErrorCode = int16(code)
	case *kmsg.UpdateFeaturesResponse:
		r.ErrorCode = int16(code)
	case *kmsg.DescribeQuorumResponse:
		r.ErrorCode = int16(code)
	case *kmsg.AddRaftVoterResponse:
		r.ErrorCode = int16(code)
	case *kmsg.RemoveRaftVoterResponse:
		r.ErrorCode = int16(code)
	case *kmsg.AlterPartitionResponse:
		r.ErrorCode = int16(code)
	case *kmsg.AssignReplicasToDirsResponse:
		r.ErrorCode = int16(code)
	default:
		return nil
	}
	return resp
}
