package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/record"
	"ottla.dev/node/disk"
)

var rewrite = flag.Bool("rewrite", false, "write golden files anew")

const at = core.Timestamp(1_700_000_000_000)

// run runs the command line and gives what it printed and its exit status.
func run(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot(time.Now())
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.Execute()
	var exit exitError
	switch {
	case err == nil:
		return out.String(), 0
	case errors.As(err, &exit):
		return out.String() + exit.text, exit.code
	}
	return out.String() + err.Error(), 1
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// logDir makes a log directory as a broker that was stopped cleanly leaves it, and opens its partitions, which makes
// their indexes and checkpoints. It returns the folder with data in it, the name that the golden files have.
func logDir(t *testing.T) string {
	t.Helper()
	parent := t.TempDir()
	data := parent + "/data"
	put(t, data+"/meta.properties", []byte("#comment\nversion=1\ncluster.id=abc\nnode.id=1\n"))
	put(t, data+"/recovery-point-offset-checkpoint", []byte("0\n1\norders 0 6\n"))
	put(t, data+"/orders-0/"+log.FileName(0, log.LogSuffix), orders(0, 2))
	put(t, data+"/orders-0/"+log.FileName(4, log.LogSuffix), orders(4, 1))
	put(t, data+"/__consumer_offsets-3/"+log.FileName(0, log.LogSuffix), offsets())
	put(t, data+"/__cluster_metadata-0/"+log.FileName(0, log.LogSuffix), clusterMetadata())
	put(t, data+"/__cluster_metadata-0/quorum-state", []byte(`{"clusterId":"","leaderId":1,"leaderEpoch":1,`+
		`"votedId":1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}`))
	d, err := disk.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for i, name := range []string{"orders-0", "__consumer_offsets-3", "__cluster_metadata-0"} {
		job := &log.OpenJob{Parent: data, Dir: data + "/" + name, Topic: core.UUID{byte(i + 1)},
			Settings: log.DefaultSettings(), Wall: at}
		job.Settings.IndexIntervalBytes = 10
		if job.Run(d.FS()); job.Err != nil {
			t.Fatal(job.Err)
		}
	}
	put(t, data+"/.kafka_cleanshutdown", []byte(`{"version":0,"brokerEpoch":1}`))
	t.Chdir(parent)
	return "data"
}

// orders is n batches of two records each.
func orders(base core.Offset, n int) (all []byte) {
	for i := range core.Offset(n) {
		var b record.Builder
		b.Start(nil, base+2*i)
		b.SetLeaderEpoch(core.LeaderEpoch(base / 4))
		b.SetProducer(1, 0, core.Sequence(base+2*i))
		b.Append(at+core.Timestamp(base+i), []byte("k"), []byte("a value"), record.Header{Key: []byte("h"), Value: nil})
		b.Append(at+core.Timestamp(base+i), nil, []byte{0, 0xff})
		_, v := b.Finish()
		all = append(all, v...)
	}
	return all
}

func offsets() []byte {
	var b record.Builder
	b.Start(nil, 0)
	b.SetLeaderEpoch(0)
	key := &kmsg.OffsetCommitKey{Version: 1, Group: "g", Topic: "orders", Partition: 0}
	b.Append(at, key.AppendTo(nil), (&kmsg.OffsetCommitValue{Version: 3, Offset: 5, LeaderEpoch: -1, Metadata: "m",
		CommitTimestamp: int64(at)}).AppendTo(nil))
	b.Append(at, key.AppendTo(nil), nil)
	protocol, leader := "range", "m-1"
	b.Append(at, (&kmsg.GroupMetadataKey{Version: 2, Group: "g"}).AppendTo(nil), (&kmsg.GroupMetadataValue{Version: 3,
		ProtocolType: "consumer", Generation: 1, Protocol: &protocol, Leader: &leader, CurrentStateTimestamp: int64(at),
		Members: []kmsg.GroupMetadataValueMember{{MemberID: "m-1", ClientID: "c", ClientHost: "/127.0.0.1",
			Subscription: (&kmsg.ConsumerMemberMetadata{Topics: []string{"orders"}}).AppendTo(nil),
			Assignment: (&kmsg.ConsumerMemberAssignment{Topics: []kmsg.ConsumerMemberAssignmentTopic{{Topic: "orders",
				Partitions: []int32{0}}}}).AppendTo(nil)}}}).AppendTo(nil))
	b.Append(at, []byte{0, 9, 1}, []byte("of a kind that nobody knows"))
	_, v := b.Finish()
	return v
}

func clusterMetadata() []byte {
	var b record.Builder
	b.Start(nil, 0)
	b.SetLeaderEpoch(1)
	b.AppendLeaderChange(at, &record.LeaderChange{Leader: 1, Voters: []record.ControlVoter{{ID: 1}}})
	_, control := b.Finish()
	all := append([]byte{}, control...)
	b.Start(nil, 1)
	b.SetLeaderEpoch(1)
	b.Append(at, nil, metadata.AppendRecord(nil, &metadata.TopicRecord{Name: "orders", ID: core.UUID{1}}))
	b.Append(at, nil, metadata.AppendRecord(nil, &metadata.PartitionRecord{Topic: core.UUID{1},
		Replicas: []core.BrokerID{1}, ISR: []core.BrokerID{1}, Leader: 1}))
	b.Append(at, nil, []byte("no record"))
	_, v := b.Finish()
	return append(all, v...)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(source, "testdata", name)
	if *rewrite {
		put(t, path, []byte(got))
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got, -rewrite accepts):\n%s", name, diff)
	}
}

// source is this package's folder; tests change the current one.
var source, _ = os.Getwd()

func TestDumpPrintsEveryKindOfFile(t *testing.T) {
	dir := logDir(t)
	for _, c := range []struct {
		name string
		args []string
	}{{"dump.txt", nil}, {"dump-records.txt", []string{"--records"}}, {"dump.json", []string{"--records", "--json"}}} {
		out, code := run(t, append([]string{"log", "dump", dir}, c.args...)...)
		if code != 0 {
			t.Errorf("exit %d: %s", code, out)
		}
		out = lockLine.Replace(out)
		golden(t, c.name, out)
		if strings.HasSuffix(c.name, "json") {
			for line := range strings.Lines(out) {
				if !json.Valid([]byte(line)) {
					t.Errorf("no JSON: %s", line)
				}
			}
		}
	}
	out, code := run(t, "log", "dump", dir+"/orders-0/"+log.FileName(4, log.LogSuffix), dir+"/meta.properties")
	if code != 0 || !strings.Contains(out, "offsets 4..5") || !strings.Contains(out, "cluster.id = abc") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// lockLine takes out the process id that the lock file holds.
var lockLine = strings.NewReplacer("\n  "+pid()+"\n", "\n  PID\n", `"`+pid()+`\n"`, `"PID\n"`)

func TestVerifyIsSilentOnASoundFolder(t *testing.T) {
	dir := logDir(t)
	out, code := run(t, "log", "verify", dir)
	if want := "no problems in 3 partitions, 4 segments, 6 batches with 14 records, "; code != 0 ||
		!strings.HasPrefix(out, want) {
		t.Errorf("exit %d: %s", code, out)
	}
	if out, code = run(t, "log", "verify", "--json", dir+"/orders-0"); code != 0 ||
		!strings.HasPrefix(out, `{"summary":{"batches":3,`) {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestVerifyNamesFileAndPosition(t *testing.T) {
	dir := logDir(t)
	file := dir + "/orders-0/" + log.FileName(0, log.LogSuffix)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	put(t, file, b)
	out, code := run(t, "log", "verify", dir)
	if code != 1 || !strings.Contains(out, "problem: "+file+" at byte ") || !strings.Contains(out, "wrong checksum") {
		t.Errorf("exit %d: %s", code, out)
	}
	put(t, dir+"/__cluster_metadata-0/quorum-state", []byte("{"))
	if out, _ := run(t, "log", "verify", "--json", dir); !strings.Contains(out, "quorum-state") {
		t.Errorf("an unreadable quorum-state is not found: %s", out)
	}
}

func TestVerifyTakesATornEndForWhatItIs(t *testing.T) {
	dir := logDir(t)
	file := dir + "/orders-0/" + log.FileName(4, log.LogSuffix)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	put(t, file, append(b, b[:70]...))
	if out, code := run(t, "log", "verify", dir); code != 1 {
		t.Errorf("after a clean shutdown: exit %d: %s", code, out)
	}
	if err := os.Remove(dir + "/.kafka_cleanshutdown"); err != nil {
		t.Fatal(err)
	}
	out, code := run(t, "log", "verify", dir)
	if code != 0 || !strings.Contains(out, "note: "+file+" at byte ") || !strings.Contains(out, "torn end") {
		t.Errorf("after a kill: exit %d: %s", code, out)
	}
}

func TestWrongUseOfLogCommandsEndsWithTwo(t *testing.T) {
	empty := t.TempDir()
	for _, args := range [][]string{{"log", "verify"}, {"log", "dump"}, {"log", "verify", "--frob", empty},
		{"log", "verify", empty}, {"log", "verify", empty + "/none"}, {"log", "dump", empty + "/none"}} {
		if out, code := run(t, args...); code != exitUsage {
			t.Errorf("%v: exit %d: %s", args, code, out)
		}
	}
}

func pid() string { return strconv.Itoa(os.Getpid()) }
