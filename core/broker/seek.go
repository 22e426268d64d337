package broker

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// seeking is the search for the cluster that a node is to join which belongs to none: it asks the bootstrap servers in
// turn for their cluster's id. Nothing is written before it is known.
type seeking struct {
	at   time.Duration // of the next question; Never if there is nothing to look for
	next int           // the bootstrap server to ask
	told bool          // somebody was told what this node waits for
}

const (
	seekBackoff = 200 * time.Millisecond // between two questions
	seekTimeout = 2 * time.Second        // for an answer
	seekPatient = 5                      // questions before the log says what the node waits for
)

// seek asks the next bootstrap server.
func (c *Control) seek() {
	s := &c.seeking
	at := addressOf(c.cfg.Bootstrap[s.next%len(c.cfg.Bootstrap)])
	if s.next++; s.next == seekPatient {
		c.out.Note(core.Info, "This node has no data. It asks the servers of controller.quorum.bootstrap.servers which "+
			"cluster it is to join, and none has answered yet. To make a new cluster, stop one controller, and run "+
			"ottla storage format --standalone with its settings.")
	}
	s.at = core.Never
	req := kmsg.NewPtrDescribeClusterRequest()
	setNewest(req)
	req.EndpointType = endpointControllers
	c.links.send(c.now, &c.out, at, laneForward, req, seekTimeout, func(resp kmsg.Response, _ bool) {
		r, ok := resp.(*kmsg.DescribeClusterResponse)
		switch {
		case c.quorum != nil || c.phase != booting:
		case !ok || r.ErrorCode != 0 || r.ClusterID == "":
			if ok && core.ErrorCode(r.ErrorCode) == mismatchedEndpoint && !s.told {
				s.told = true
				c.out.Note(core.Warn, at+" in controller.quorum.bootstrap.servers is a listener for clients: name the "+
					"controllers' own.")
			}
			s.at = c.now.Mono + seekBackoff
		default:
			c.joining = r.ClusterID
			c.out.Note(core.Info, "This node joins cluster "+r.ClusterID+".")
			c.boot()
		}
	})
}

// Values of DescribeCluster (KIP-919).
const (
	endpointControllers                = 2
	mismatchedEndpoint  core.ErrorCode = 114
)

// founder reports whether a node without data makes a cluster of its own and is its first voter: a controller that is
// its own only bootstrap server has nobody else to ask.
func (c *Control) founder() bool {
	if len(c.cfg.Voters) > 0 || len(c.cfg.Bootstrap) != 1 || len(c.cfg.ControllerEndpoints) == 0 {
		return false
	}
	own, other := c.cfg.ControllerEndpoints[0], c.cfg.Bootstrap[0]
	return own.Host == other.Host && own.Port == other.Port
}

// clustered reports whether there may be other nodes.
func (c *Control) clustered() bool { return len(c.cfg.Voters)+len(c.cfg.Bootstrap) > 0 }
