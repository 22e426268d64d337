package chaos

import (
	"context"
	"net"
	"time"

	"ottla.dev/netsim"
	"ottla.dev/netsim/proxy"
)

// clientHost is where the clients are; a broker's host is its id.
const clientHost netsim.Host = 0

// network is the proxy between the brokers, and between them and their clients.
type network struct {
	fabric *proxy.Fabric
	via    map[string]string // for clients
}

// newNetwork lays a path for each pair, and tells each member which ones are its own.
func newNetwork(c *cluster, seed uint64) (*network, error) {
	fabric, err := proxy.New(1+brokers, seed, &netsim.Schedule{})
	if err != nil {
		return nil, err
	}
	n := &network{fabric: fabric, via: map[string]string{}}
	for _, to := range c.members {
		if n.via[to.clients], err = fabric.Path(clientHost, netsim.Host(to.id), "", to.clients); err != nil {
			fabric.Close()
			return nil, err
		}
		for _, from := range c.members {
			for _, address := range []string{to.clients, to.controllers} {
				if from == to {
					continue
				}
				path, err := fabric.Path(netsim.Host(from.id), netsim.Host(to.id), "", address)
				if err != nil {
					fabric.Close()
					return nil, err
				}
				from.via[address] = path
			}
		}
	}
	return n, nil
}

// dialWithin is how long clients wait for a connection: some dials hang.
const dialWithin = 2 * time.Second

// dial is how clients dial.
func (n *network) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if path, ok := n.via[address]; ok {
		address = path
	}
	d := net.Dialer{Timeout: dialWithin}
	return d.DialContext(ctx, network, address)
}
