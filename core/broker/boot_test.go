package broker

import (
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/log/logtest"
)

// Kafka leaves a log out of log-start-offset-checkpoint that begins with its first segment, and deletes segments before
// it writes one. Only an own checkpoint tells where logs begin that it does not name; that of Kafka does not become one
// when entries are dropped from it.
func TestOnlyAnOwnCheckpointKnowsWhereLogsBegin(t *testing.T) {
	entries := []log.OffsetEntry{{TopicPartition: core.TopicPartition{Topic: "t"}, Offset: 5},
		{TopicPartition: core.TopicPartition{Topic: "gone"}, Offset: 7}}
	for _, c := range []struct {
		name  string
		write func([]byte, []log.OffsetEntry) []byte
		other core.Offset // where a log begins that it does not name
	}{{"own", log.AppendOffsetCheckpoint, 0}, {"Kafka's", log.AppendKafkaOffsets, core.NoOffset}} {
		t.Run(c.name, func(t *testing.T) {
			disk := logtest.NewDisk()
			for _, folder := range []string{"/data", "/data/t-0", "/data/u-0"} {
				if err := disk.Mkdir(folder); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{recoveryCheckpointFile, startCheckpointFile, highWatermarkFile} {
				disk.Put("/data/"+name, c.write(nil, entries), true)
			}
			for range 2 {
				j := &bootJob{node: 1, memory: newDiskMemory(), found: map[string][]log.OffsetEntry{},
					unvouched: map[string]bool{}}
				if _, err := j.remember(disk, "/data"); err != nil {
					t.Fatal(err)
				}
				if err := j.forgetOthers(disk, "/data"); err != nil {
					t.Fatal(err)
				}
				m := &j.memory
				if a, b := m.startOf("/data", "/data/t-0"), m.startOf("/data", "/data/u-0"); a != 5 || b != c.other {
					t.Errorf("t-0 begins at %d, u-0 at %d", a, b)
				}
			}
			list, err := log.ReadOffsetCheckpoint(disk.Bytes("/data/" + startCheckpointFile))
			if err != nil || len(list) != 1 {
				t.Errorf("%v, error %v", list, err)
			}
		})
	}
}
