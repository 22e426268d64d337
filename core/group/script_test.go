package group

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts in testdata give as what they should give")

// TestScripts runs testdata/*.txt. A script is commands and, indented under each, everything that came out of it.
//
//	settings max-size=2 initial-delay=0s        first line only
//	join CLIENT GROUP [v=9 id= instance= session=10s rebalance=60s type=consumer protocols=range:t1+t2,sticky:t1]
//	sync CLIENT GROUP [v=5 id= gen= instance= assign=CLIENT:PART,CLIENT:PART]
//	heartbeat CLIENT GROUP [id= gen= instance=]
//	leave CLIENT GROUP [v=5 id= instance=]
//	commit CLIENT GROUP TOPIC/PARTITION=OFFSET[:METADATA]… [v=9 id= gen= instance= retention=MILLISECONDS]
//	fetch GROUP [v=9] TOPIC/PARTITION… | all
//	describe GROUP… [v=6]     list [states=a,b types=a]     delete GROUP…     offset-delete GROUP TOPIC/PARTITION…
//	pass DURATION             time goes by
//	hold | release            the high watermark stays where it is | catches up
//	refuse CODE…              the log refuses the next appends
//	fail CODE | unload | load | failover
//	log                       the records since the last time
//
// A client remembers the member id and the generation it was told; id= and gen= say otherwise.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s: %s", file, firstDifference(string(want), got))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	last := ""
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d, after %q\nwant %s\ngot  %s", i+1, last, w[i], g[i])
		}
		if !strings.HasPrefix(w[i], " ") {
			last = w[i]
		}
	}
	return fmt.Sprintf("%d lines instead of %d", len(g), len(w))
}

func runScript(script string) string {
	var out strings.Builder
	s := &scripted{}
	for line := range strings.SplitSeq(strings.TrimRight(script, "\n"), "\n") {
		if strings.HasPrefix(line, " ") {
			continue // what came out last time
		}
		out.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		for _, answer := range s.run(strings.Fields(line)) {
			out.WriteString("    " + answer + "\n")
		}
	}
	return out.String()
}

type scripted struct {
	w      *world
	logged core.Offset
}

// args are the words of a command: positional ones, and key=value.
type args struct {
	words []string
	named map[string]string
}

func parse(fields []string) args {
	a := args{named: map[string]string{}}
	for _, f := range fields {
		key, value, ok := strings.Cut(f, "=")
		if ok && !strings.Contains(key, "/") {
			a.named[key] = value
		} else {
			a.words = append(a.words, f)
		}
	}
	return a
}

func (a args) text(key, or string) string {
	if v, ok := a.named[key]; ok {
		return v
	}
	return or
}

func (a args) nullable(key string) *string {
	if v, ok := a.named[key]; ok {
		return &v
	}
	return nil
}

func (a args) number(key string, or int64) int64 {
	if v, ok := a.named[key]; ok {
		n, err := strconv.ParseInt(v, 10, 64)
		must(err)
		return n
	}
	return or
}

func (a args) duration(key string, or time.Duration) time.Duration {
	if v, ok := a.named[key]; ok {
		return duration(v)
	}
	return or
}

func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	must(err)
	return d
}

func (s *scripted) run(fields []string) []string {
	a := parse(fields[1:])
	if fields[0] == "settings" {
		s.w = newWorld(scriptSettings(a))
		return nil
	}
	if s.w == nil {
		s.w = newWorld(DefaultSettings())
	}
	w := s.w
	switch fields[0] {
	case "join", "sync", "heartbeat", "leave", "commit":
		s.member(fields[0], a)
	case "fetch", "describe", "list", "delete", "offset-delete":
		s.admin(fields[0], a)
	case "pass":
		w.pass(duration(a.words[0]))
	case "hold":
		w.held = true
	case "release":
		w.held = false
		w.settle()
	case "refuse":
		for _, c := range a.words {
			w.refuse = append(w.refuse, errorNamed(c))
		}
	case "fail":
		w.runtime.Fail(errorNamed(a.words[0]))
	case "unload":
		w.runtime.Unload()
	case "loading":
		w.epoch++
		w.runtime.BeginLoad(w.epoch)
	case "load":
		w.load()
	case "failover":
		w.runtime.Unload()
		w.load()
	case "log":
		lines := w.records(s.logged)
		s.logged = w.end
		return lines
	default:
		panic("no command " + fields[0])
	}
	if m := w.machine(); m != nil {
		m.check()
	}
	return w.answers()
}

func scriptSettings(a args) Settings {
	s := DefaultSettings()
	s.MaxSize = int(a.number("max-size", int64(s.MaxSize)))
	s.InitialRebalanceDelay = a.duration("initial-delay", s.InitialRebalanceDelay)
	s.OffsetsRetention = a.duration("retention", s.OffsetsRetention)
	return s
}

func errorNamed(name string) core.ErrorCode {
	for c := core.ErrorCode(-1); c < 130; c++ {
		if c.String() == name {
			return c
		}
	}
	panic("no error " + name)
}

func (s *scripted) member(command string, a args) {
	w := s.w
	c := w.client(a.words[0])
	id, group := a.text("id", c.member), a.words[1]
	if a.named["id"] != "" && w.clients[id] != nil {
		id = w.clients[id].member
	}
	generation := int32(a.number("gen", int64(c.generation)))
	var req kmsg.Request
	switch command {
	case "join":
		r := kmsg.NewPtrJoinGroupRequest()
		r.Version, r.Group, r.MemberID, r.InstanceID = int16(a.number("v", 9)), group, id, a.nullable("instance")
		r.SessionTimeoutMillis = int32(a.duration("session", 10*time.Second).Milliseconds())
		r.RebalanceTimeoutMillis = int32(a.duration("rebalance", time.Minute).Milliseconds())
		r.ProtocolType, r.Protocols = a.text("type", "consumer"), protocols(a.text("protocols", "range:t1"))
		req = r
	case "sync":
		r := kmsg.NewPtrSyncGroupRequest()
		r.Version, r.Group, r.MemberID, r.InstanceID = int16(a.number("v", 5)), group, id, a.nullable("instance")
		r.Generation = generation
		kind := a.text("type", "consumer")
		r.ProtocolType, r.Protocol = &kind, c.protocol
		if p := a.nullable("protocol"); p != nil {
			r.Protocol = p
		}
		if r.Version < 5 {
			r.ProtocolType, r.Protocol = nil, nil
		}
		for part := range strings.SplitSeq(a.text("assign", ""), ",") {
			if name, value, ok := strings.Cut(part, ":"); ok {
				r.GroupAssignment = append(r.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{
					MemberID: w.client(name).member, MemberAssignment: []byte(value),
				})
			}
		}
		req = r
	case "heartbeat":
		r := kmsg.NewPtrHeartbeatRequest()
		r.Version, r.Group, r.MemberID, r.InstanceID, r.Generation = 4, group, id, a.nullable("instance"), generation
		req = r
	case "leave":
		r := kmsg.NewPtrLeaveGroupRequest()
		r.Version, r.Group, r.MemberID = int16(a.number("v", 5)), group, id
		r.Members = []kmsg.LeaveGroupRequestMember{{MemberID: id, InstanceID: a.nullable("instance")}}
		req = r
	case "commit":
		req = commitRequest(a, group, id, generation)
	}
	w.submit(c.name+" "+command, c.name, req)
}

func commitRequest(a args, group, id string, generation int32) kmsg.Request {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.MemberID, r.InstanceID = int16(a.number("v", 9)), group, id, a.nullable("instance")
	r.Generation = generation
	r.RetentionTimeMillis = a.number("retention", -1)
	for _, word := range a.words[2:] {
		where, what, _ := strings.Cut(word, "=")
		topic, p := topicPartition(where)
		offset, metadata, _ := strings.Cut(what, ":")
		part := kmsg.NewOffsetCommitRequestTopicPartition()
		n, err := strconv.ParseInt(offset, 10, 64)
		must(err)
		part.Partition, part.Offset, part.Metadata = p, n, &metadata
		if strings.HasPrefix(metadata, "x*") {
			n, err := strconv.Atoi(metadata[2:])
			must(err)
			*part.Metadata = strings.Repeat("x", n)
		}
		r.Topics = append(r.Topics, kmsg.OffsetCommitRequestTopic{
			Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{part},
		})
	}
	return r
}

func topicPartition(s string) (string, int32) {
	topic, p, _ := strings.Cut(s, "/")
	n, err := strconv.ParseInt(p, 10, 32)
	must(err)
	return topic, int32(n)
}

func (s *scripted) admin(command string, a args) {
	var req kmsg.Request
	switch command {
	case "fetch":
		req = fetchRequest(a)
	case "describe":
		r := kmsg.NewPtrDescribeGroupsRequest()
		r.Version, r.Groups = int16(a.number("v", 5)), a.words
		req = r
	case "list":
		r := kmsg.NewPtrListGroupsRequest()
		r.Version, r.StatesFilter, r.TypesFilter = 5, split(a.text("states", "")), split(a.text("types", ""))
		req = r
	case "delete":
		r := kmsg.NewPtrDeleteGroupsRequest()
		r.Version, r.Groups = 2, a.words
		req = r
	case "offset-delete":
		r := kmsg.NewPtrOffsetDeleteRequest()
		r.Group = a.words[0]
		for _, word := range a.words[1:] {
			topic, p := topicPartition(word)
			r.Topics = append(r.Topics, kmsg.OffsetDeleteRequestTopic{
				Topic: topic, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: p}},
			})
		}
		req = r
	}
	s.w.submit(command, "admin", req)
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func fetchRequest(a args) kmsg.Request {
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Version = int16(a.number("v", 9))
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, r.Group = a.words[0], a.words[0]
	for _, word := range a.words[1:] {
		if word == "all" {
			continue
		}
		topic, p := topicPartition(word)
		g.Topics = append(g.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: topic, Partitions: []int32{p}})
		r.Topics = append(r.Topics, kmsg.OffsetFetchRequestTopic{Topic: topic, Partitions: []int32{p}})
	}
	r.Groups = append(r.Groups, g)
	return r
}
