package check

import (
	"slices"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
	"ottla.dev/sim/fault"
)

// What retention removes is expired, or another replica has removed it.
func TestRetentionRemovesWhatIsExpired(t *testing.T) {
	bytes, age := fault.Setting{Name: "retention.bytes", Value: "100"}, fault.Setting{Name: "retention.ms", Value: "1000"}
	for _, c := range []struct {
		name    string
		setting fault.Setting
		size    int64
		now     core.Timestamp
		other   core.Offset
		want    []string
	}{
		{"enough is left", bytes, 100, 0, 0, nil},
		{"too little is left", bytes, 99, 0, 0, []string{"log-start"}},
		{"too little is left, and elsewhere, too", bytes, 99, 0, 5, nil},
		{"it is old", age, 0, 6000, 0, nil},
		{"it is not old enough", age, 0, 5999, 0, []string{"log-start"}},
		{"retention is off", fault.Setting{Name: "retention.ms", Value: "-1"}, 0, 5000, 0, nil},
	} {
		x := newTheatre()
		p := x.ledger.Partitions()[0]
		p.topic.Retained, p.topic.Settings = false, []fault.Setting{c.setting}
		x.Wall = func(int) core.Timestamp { return c.now }
		x.replicas[replicaKey{1, partitionID}].Start = c.other
		fs := x.disks[0].FS(nil)
		if err := fs.Mkdir("/t0-0"); err != nil {
			t.Fatal(err)
		}
		f, err := fs.Create("/t0-0/" + log.FileName(0, log.LogSuffix))
		if err == nil {
			var rb record.Builder
			rb.Start(nil, 0)
			rb.Append(5000, nil, []byte("old"))
			b, _ := rb.Finish()
			err = f.WriteAt(b, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		was, s := x.now[0], x.now[0]
		s.Start, s.HighWatermark = 5, 10
		x.watchRetained(&was, &s, "/t0-0", c.size)
		if !slices.Equal(x.failed, c.want) {
			t.Errorf("%s: %v, want %v", c.name, x.failed, c.want)
		}
	}
}
