// Package node runs one broker on a real machine: it gives the machines of core/broker their disk (node/disk), their
// clients (node/server) and their threads (node/run).
//
// # Life of a node
//
//	Start      lock the data folder, bind the listeners, start control
//	           ... control recovers the logs and says Listen ...
//	Ready      connections are accepted
//	Shutdown   no new connections; control closes the logs and says Stopped; the connections end
//	Done       the node has ended; Err says why, if it was not asked to
//
// A machine that says Halt ends the node at once: from then on no effect of any machine is executed. What the process
// leaves behind is what a crash leaves behind.
package node
