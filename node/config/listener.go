package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Listener is an address to listen on, or one that clients are told to connect to.
type Listener struct {
	Name string // in capitals, as Kafka compares it
	Host string // empty is every interface
	Port uint16 // 0 lets the system choose; in an advertised listener it is the port that was chosen
}

// String gives Kafka's form, NAME://host:port.
func (l Listener) String() string { return l.Name + "://" + l.Address() }

// Address gives host:port, as net.Listen takes it.
func (l Listener) Address() string {
	host := l.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(l.Port))
}

// ParseListener reads NAME://host:port. The host may be empty, a name, an IPv4 address, or an IPv6 address in brackets.
func ParseListener(text string) (Listener, error) {
	name, address, ok := strings.Cut(text, "://")
	i := strings.LastIndexByte(address, ':')
	if !ok || name == "" || i < 0 || !isListenerName(name) {
		return Listener{}, fmt.Errorf("%q is not of the form NAME://host:port", text)
	}
	host := address[:i]
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if host, ok = strings.CutSuffix(inner, "]"); !ok {
			return Listener{}, fmt.Errorf("%q has a bracket that is not closed", text)
		}
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() {
			return Listener{}, fmt.Errorf("%q has no IPv6 address in its brackets", text)
		}
	} else if strings.Trim(host, hostCharacters) != "" {
		return Listener{}, fmt.Errorf("%q has a host that is neither a name nor an address", text)
	}
	port, err := strconv.ParseUint(address[i+1:], 10, 16)
	if err != nil {
		return Listener{}, fmt.Errorf("%q has no port from 0 to 65535", text)
	}
	return Listener{strings.ToUpper(name), host, uint16(port)}, nil
}

const (
	letters        = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	hostCharacters = letters + "-._%"
)

func isListenerName(name string) bool { return strings.Trim(name, letters+"-._") == "" }

// parseListeners reads a list of listeners with distinct names.
func parseListeners(text string) ([]Listener, error) {
	var listeners []Listener
	for word := range strings.SplitSeq(text, ",") {
		l, err := ParseListener(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		for _, other := range listeners {
			if other.Name == l.Name {
				return nil, fmt.Errorf("two listeners are called %s", l.Name)
			}
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// distinctPorts refuses two listeners on one port, unless one has an IPv4 address and the other an IPv6 address
// (KIP-797).
func distinctPorts(listeners []Listener) error {
	for i, l := range listeners {
		for _, other := range listeners[:i] {
			if l.Port != 0 && l.Port == other.Port && !twoFamilies(l.Host, other.Host) {
				return fmt.Errorf("%s and %s have the same port", other, l)
			}
		}
	}
	return nil
}

func twoFamilies(a, b string) bool {
	ipA, errA := netip.ParseAddr(a)
	ipB, errB := netip.ParseAddr(b)
	return errA == nil && errB == nil && ipA.Is4() != ipB.Is4()
}

// isUnspecified reports whether the host is an address that no client can connect to.
func isUnspecified(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsUnspecified()
}

// parseProtocols reads listener.security.protocol.map, NAME:PROTOCOL separated by commas.
func parseProtocols(text string) (map[string]string, error) {
	protocols := map[string]string{}
	for word := range strings.SplitSeq(text, ",") {
		name, protocol, ok := strings.Cut(strings.TrimSpace(word), ":")
		name, protocol = strings.ToUpper(name), strings.ToUpper(protocol)
		if !ok || name == "" || !isListenerName(name) {
			return nil, fmt.Errorf("%q is not of the form NAME:PROTOCOL", word)
		}
		if _, twice := protocols[name]; twice {
			return nil, fmt.Errorf("%s stands in it twice", name)
		}
		switch protocol {
		case "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL":
			protocols[name] = protocol
		default:
			return nil, fmt.Errorf("%q is not PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", protocol)
		}
	}
	return protocols, nil
}
