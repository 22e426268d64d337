package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	settings "ottla.dev/core/config"
	"ottla.dev/node"
	"ottla.dev/node/config"
)

// printBanner says what a person needs who has just started a broker.
func printBanner(out io.Writer, n *node.Node, c *config.Config, took time.Duration) {
	var b strings.Builder
	id := n.Identity()
	fmt.Fprintf(&b, "Ottla %s is ready after %d ms.\n", version, took.Milliseconds())
	fmt.Fprintf(&b, "  node        %d of cluster %s\n", id.NodeID, id.ClusterID)
	for _, l := range n.Listeners() {
		fmt.Fprintf(&b, "  listener    %s\n", l)
	}
	for _, l := range c.Controllers {
		fmt.Fprintf(&b, "  controller  %s\n", l)
	}
	fmt.Fprintf(&b, "  data        %s\n", strings.Join(n.DataDirs(), ", "))
	fmt.Fprintf(&b, "  durability  %s\n", durability(c))
	if addr := n.MetricsAddress(); addr != nil {
		fmt.Fprintf(&b, "  metrics     http://%s/metrics\n", addr)
	}
	io.WriteString(out, b.String())
}

// durability says when acks=all is answered unless a topic says otherwise.
func durability(c *config.Config) string {
	if text, _ := settings.BrokerText(settings.Layers{Static: c.Static}, "write.caching"); text == "true" {
		return "acks=all is answered from the page cache (write.caching=true)"
	}
	return "acks=all is answered when the records are on disk"
}
