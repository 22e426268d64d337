package node

import (
	crand "crypto/rand"
	"encoding/binary"
	"runtime"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/metadata"
	"ottla.dev/core/record"
	"ottla.dev/core/wire"
	"ottla.dev/node/config"
)

// earlyBytes is how large a Produce request is at least whose buffer is wanted back before its answer. Those of a
// client that waits for syncs or followers add up otherwise, and so do their misses of the processor's cache.
const earlyBytes = 16 << 10

// Machines are the machines of a broker.
type Machines interface {
	Control() core.Machine
	Shards() int
	Shard(i uint32) core.Machine
	NewSession(id uint32, classes wire.Class) core.Machine
	// Identity may be called while control says Listen.
	Identity() broker.Identity
}

// compose makes the machines of core/broker for the settings and the addresses that clients are told.
func compose(settings *config.Config, version string, told []config.Listener) Machines {
	var seed [8]byte
	crand.Read(seed[:])
	var endpoints []metadata.Endpoint
	for _, l := range told {
		endpoints = append(endpoints, metadata.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port})
	}
	var controllers []record.Endpoint
	for _, l := range settings.ControllerAdvertised {
		controllers = append(controllers, record.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port})
	}
	return broker.New(broker.Config{
		Version: version,
		Seed:    binary.BigEndian.Uint64(seed[:]),
		Static:  settings.Static,
		LogDirs: settings.DataDirs, MetadataDir: settings.MetadataDir,
		Endpoints: endpoints,
		Voters:    settings.Voters, ControllerEndpoints: controllers, Bootstrap: settings.Bootstrap,
		ControllerOnly: settings.ControllerOnly,
		Shards:         shards(settings.Broker.Shards),
		EarlyBytes:     earlyBytes,
	})
}

// shards is the setting, or one shard a core.
func shards(setting int) int {
	if setting > 0 {
		return setting
	}
	return runtime.GOMAXPROCS(0)
}
