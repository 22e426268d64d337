package config

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/record"
)

// roles reads process.roles: broker, controller, or both.
func (l *loader) roles(c *Config) {
	roles := l.words("process.roles")
	c.ControllerOnly = !slices.Contains(roles, "broker")
	c.brokerOnly = !slices.Contains(roles, "controller")
}

// voters reads controller.quorum.voters: id@host:port separated by commas. A controller is one of them, and a node that
// is only a broker is none.
func (l *loader) voters(c *Config) {
	const key = "controller.quorum.voters"
	self := l.text("node.id")
	name := "CONTROLLER"
	if names := l.words("controller.listener.names"); len(names) > 0 {
		name = strings.ToUpper(names[0])
	}
	among := false
	for _, word := range l.words(key) {
		text, address, ok := strings.Cut(strings.TrimSpace(word), "@")
		at, err := ParseListener("X://" + address)
		id, notNumber := strconv.ParseInt(text, 10, 32)
		if !ok || err != nil || notNumber != nil || id < 0 || at.Host == "" || at.Port == 0 {
			l.refuseValue(key, "each voter must be of the form id@host:port")
			return
		}
		if slices.ContainsFunc(c.Voters, func(v broker.Voter) bool { return v.ID == core.BrokerID(id) }) {
			l.refuseValue(key, "%d stands in it twice", id)
			return
		}
		c.Voters = append(c.Voters, broker.Voter{ID: core.BrokerID(id), Name: name, Host: at.Host, Port: at.Port})
		if text == self {
			among = true
			c.ControllerAdvertised = []Listener{{name, at.Host, at.Port}}
		}
	}
	switch {
	case len(c.Voters) > maxVoters:
		l.refuseValue(key, "more than %d voters make a quorum slower and not safer", maxVoters)
	case c.brokerOnly && among:
		l.refuseValue("process.roles", "node %s is among controller.quorum.voters, so it must be a controller too", self)
	case !c.brokerOnly && len(c.Voters) > 0 && !among:
		l.refuseValue(key, "node %s is a controller and must be among them", self)
	case len(c.Voters) == 0 && len(c.Bootstrap) == 0 && (c.brokerOnly || c.ControllerOnly):
		l.refuseValue("process.roles", "a node that is not both broker and controller needs "+
			"controller.quorum.bootstrap.servers or controller.quorum.voters")
	}
}

// maxVoters bounds the quorum.
const maxVoters = 5

// bootstrap reads controller.quorum.bootstrap.servers, host:port separated by commas. Whoever is no voter asks there
// for the leader, and a node without data for its cluster. controller.quorum.voters makes it useless to voters.
func (l *loader) bootstrap(c *Config) {
	const key = "controller.quorum.bootstrap.servers"
	for _, word := range l.words(key) {
		at, err := ParseListener("X://" + strings.TrimSpace(word))
		if err != nil {
			l.refuseValue(key, "each server must be of the form host:port")
			return
		}
		if c.brokerOnly || l.text("controller.quorum.voters") == "" {
			c.Bootstrap = append(c.Bootstrap, record.Endpoint{Name: at.Name, Host: at.Host, Port: at.Port})
		}
	}
}

// dataDirs reads the data folders and that of the metadata.
func (l *loader) dataDirs(c *Config) {
	key := "log.dirs"
	if _, ok := l.static[key]; !ok {
		key = "log.dir"
	}
	for _, dir := range l.words(key) {
		dir = filepath.Clean(strings.TrimSpace(dir))
		switch {
		case slices.Contains(c.DataDirs, dir):
			l.refuseValue(key, "%s stands in it twice", dir)
		case len(c.DataDirs) == maxDataDirs:
			l.refuseValue(key, "more than %d data folders", maxDataDirs)
			return
		default:
			c.DataDirs = append(c.DataDirs, dir)
		}
	}
	if len(c.DataDirs) == 0 {
		l.refuseValue(key, "there must be a data folder")
		return
	}
	if c.MetadataDir = c.DataDirs[0]; l.text("metadata.log.dir") != "" {
		c.MetadataDir = filepath.Clean(l.text("metadata.log.dir"))
	}
	all := append([]string{c.MetadataDir}, c.DataDirs...)
	for _, inner := range all {
		for _, outer := range all {
			if strings.HasPrefix(inner, outer+string(filepath.Separator)) {
				l.refuseValue(key, "%s lies in %s", inner, outer)
				return
			}
		}
	}
}

// Folders are all folders of the node, that of the metadata first.
func (c *Config) Folders() []string {
	all := []string{c.MetadataDir}
	for _, dir := range c.DataDirs {
		if dir != c.MetadataDir {
			all = append(all, dir)
		}
	}
	return all
}

// maxDataDirs bounds the data folders; each has a lock, a committer and checkpoints of its own.
const maxDataDirs = 64

// listeners gives the broker's listeners and what clients are told of them, and the controller's, which are opened if
// there is a quorum: a single node has nobody to serve on them.
func (l *loader) listeners(c *Config, hostname string) {
	clustered := len(c.Voters)+len(c.Bootstrap) > 0
	all, err := parseListeners(l.text("listeners"))
	if err == nil {
		err = distinctPorts(all)
	}
	if err != nil {
		l.refuseKey("listeners", err)
		return
	}
	controllers := l.controllerNames(c, all)
	protocols := l.protocols(controllers)
	for _, listener := range all {
		switch protocol, ok := protocols[listener.Name]; {
		case !ok:
			l.refuseValue("listeners", "%s is not in listener.security.protocol.map", listener.Name)
		case protocol != "PLAINTEXT":
			l.refuseValue("listeners", "%s maps to %s, and for now only PLAINTEXT is implemented", listener.Name, protocol)
		}
		switch {
		case !slices.Contains(controllers, listener.Name):
			c.Listeners = append(c.Listeners, listener)
		case c.brokerOnly:
			l.refuseValue("listeners", "%s is the controller's, and this node is none", listener.Name)
		case clustered:
			c.Controllers = append(c.Controllers, listener)
		default:
			l.warn("listener %s is not opened: the controller of a single node needs none", listener)
		}
	}
	if len(c.Voters) == 0 {
		c.ControllerAdvertised = l.advertisedControllers(c.Controllers, hostname)
	}
	switch {
	case clustered && !c.brokerOnly && len(c.Controllers) == 0:
		l.refuseValue("controller.listener.names", "a controller needs one of its listeners for the quorum")
	case c.ControllerOnly && len(c.Listeners) > 0:
		l.refuseValue("listeners", "%s is not in controller.listener.names, and this node is no broker", c.Listeners[0].Name)
	case c.ControllerOnly:
		return
	case len(c.Listeners) == 0:
		l.refuseValue("listeners", "every one of them is in controller.listener.names, and the broker needs one")
		return
	}
	c.Advertised = l.advertised(c.Listeners, controllers, hostname)
	l.checkInterBroker(c.Advertised)
}

func (l *loader) refuseKey(key string, err error) { l.refuseValue(key, "%s", err) }

// controllerNames gives the names of the controller's listeners, all of which must be listeners, unless the node is no
// controller: then they are other nodes'.
func (l *loader) controllerNames(c *Config, all []Listener) []string {
	var names []string
	for _, name := range l.words("controller.listener.names") {
		name = strings.ToUpper(name)
		names = append(names, name)
		if !hasName(all, name) && !c.brokerOnly {
			l.refuseValue("controller.listener.names", "%s is not in listeners", name)
		}
	}
	return names
}

func hasName(listeners []Listener, name string) bool {
	return slices.ContainsFunc(listeners, func(l Listener) bool { return l.Name == name })
}

// protocols gives the security protocol of each listener name. Unless the map is set, the controller's listeners are
// PLAINTEXT (Kafka: AbstractKafkaConfig.effectiveListenerSecurityProtocolMap).
func (l *loader) protocols(controllers []string) map[string]string {
	const key = "listener.security.protocol.map"
	protocols, err := parseProtocols(l.text(key))
	if err != nil {
		l.refuseKey(key, err)
		return map[string]string{}
	}
	if _, set := l.static[key]; !set {
		for _, name := range controllers {
			if _, ok := protocols[name]; !ok {
				protocols[name] = "PLAINTEXT"
			}
		}
	}
	return protocols
}

// advertised gives what clients are told: advertised.listeners, or else the listeners themselves, with the name of the
// machine where there is no host.
func (l *loader) advertised(bound []Listener, controllers []string, hostname string) []Listener {
	key, given := "advertised.listeners", slices.Clone(bound)
	if text := l.text(key); text != "" {
		var err error
		if given, err = parseListeners(text); err != nil {
			l.refuseKey(key, err)
			return nil
		}
	} else {
		key = "listeners"
	}
	var told []Listener
	for _, listener := range given {
		if slices.Contains(controllers, listener.Name) {
			continue
		}
		if !hasName(bound, listener.Name) {
			l.refuseValue(key, "%s is not in listeners", listener.Name)
		}
		if isUnspecified(listener.Host) {
			l.refuseValue(key, "no client can connect to %s; set advertised.listeners to an address that they can reach",
				listener.Host)
		}
		if listener.Host == "" {
			listener.Host = cmp.Or(hostname, "localhost")
		}
		told = append(told, listener)
	}
	if len(told) == 0 {
		l.refuseValue(key, "clients must be told of at least one listener")
	}
	return told
}

// advertisedControllers gives what other nodes are told of the controller's listeners (KIP-853).
func (l *loader) advertisedControllers(bound []Listener, hostname string) []Listener {
	given, err := parseListeners(l.text("advertised.listeners"))
	if err != nil {
		given = nil // refused elsewhere, or not set
	}
	var told []Listener
	for _, listener := range bound {
		for _, g := range given {
			if g.Name == listener.Name {
				listener = g
			}
		}
		if listener.Host == "" {
			listener.Host = cmp.Or(hostname, "localhost")
		}
		told = append(told, listener)
	}
	return told
}

func (l *loader) checkInterBroker(advertised []Listener) {
	const key = "inter.broker.listener.name"
	if name := l.text(key); name != "" && !hasName(advertised, strings.ToUpper(name)) {
		l.refuseValue(key, "clients are not told of a listener with that name")
	}
}
