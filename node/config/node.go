package config

import (
	"cmp"
	"slices"
	"strings"
)

// checkRoles takes only the combined role: a node of this version is a whole cluster.
func (l *loader) checkRoles() {
	roles := l.words("process.roles")
	if !slices.Contains(roles, "broker") || !slices.Contains(roles, "controller") {
		l.refuseValue("process.roles", "for now a node is broker,controller")
	}
}

// checkVoters takes a quorum of this node alone.
func (l *loader) checkVoters() {
	voters := l.words("controller.quorum.voters")
	for _, voter := range voters {
		id, address, ok := strings.Cut(voter, "@")
		if _, err := ParseListener("X://" + address); !ok || err != nil {
			l.refuseValue("controller.quorum.voters", "each voter must be of the form id@host:port")
			return
		}
		if len(voters) > 1 || id != l.text("node.id") {
			l.refuseValue("controller.quorum.voters", "for now the only voter is this node, %s", l.text("node.id"))
			return
		}
	}
}

// dataDir gives the one data folder.
func (l *loader) dataDir() string {
	key := "log.dirs"
	if _, ok := l.static[key]; !ok {
		key = "log.dir"
	}
	dirs := l.words(key)
	if len(dirs) != 1 {
		l.refuseValue(key, "for now there is one data folder")
		return ""
	}
	if dir := l.text("metadata.log.dir"); dir != "" && dir != dirs[0] {
		l.refuseValue("metadata.log.dir", "for now it must be the data folder, %s", dirs[0])
	}
	return dirs[0]
}

// listeners gives the broker's listeners and what clients are told of them. Listeners of the controller are checked
// and left out: a single node has nobody to serve on them.
func (l *loader) listeners(hostname string) (bound, advertised []Listener) {
	all, err := parseListeners(l.text("listeners"))
	if err == nil {
		err = distinctPorts(all)
	}
	if err != nil {
		l.refuseKey("listeners", err)
		return nil, nil
	}
	controllers := l.controllerNames(all)
	protocols := l.protocols(controllers)
	for _, listener := range all {
		switch protocol, ok := protocols[listener.Name]; {
		case !ok:
			l.refuseValue("listeners", "%s is not in listener.security.protocol.map", listener.Name)
		case protocol != "PLAINTEXT":
			l.refuseValue("listeners", "%s maps to %s, and for now only PLAINTEXT is implemented", listener.Name, protocol)
		}
		if slices.Contains(controllers, listener.Name) {
			l.warn("listener %s is not opened: the controller of a single node needs none", listener)
		} else {
			bound = append(bound, listener)
		}
	}
	if len(bound) == 0 {
		l.refuseValue("listeners", "every one of them is in controller.listener.names, and the broker needs one")
		return nil, nil
	}
	advertised = l.advertised(bound, controllers, hostname)
	l.checkInterBroker(advertised)
	return bound, advertised
}

func (l *loader) refuseKey(key string, err error) { l.refuseValue(key, "%s", err) }

// controllerNames gives the names of the controller's listeners, all of which must be listeners.
func (l *loader) controllerNames(all []Listener) []string {
	var names []string
	for _, name := range l.words("controller.listener.names") {
		name = strings.ToUpper(name)
		names = append(names, name)
		if !hasName(all, name) {
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

func (l *loader) checkInterBroker(advertised []Listener) {
	const key = "inter.broker.listener.name"
	if name := l.text(key); name != "" && !hasName(advertised, strings.ToUpper(name)) {
		l.refuseValue(key, "clients are not told of a listener with that name")
	}
}
