package metadata

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"ottla.dev/core"
)

// contents is an image laid out flat, for comparison.
type contents struct {
	Cluster     string
	Offset      core.Offset
	Epoch       core.LeaderEpoch
	Brokers     []*Broker
	Controllers []*Controller
	Features    []Feature
	Topics      []*Topic
	ByID        []*Topic
	Configs     map[Resource][]Config
	Partitions  int
	Next        core.ProducerID
}

func lay(img *Image) contents {
	c := contents{
		Cluster: img.ClusterID(), Offset: img.Offset(), Epoch: img.Epoch(), Brokers: img.Brokers(),
		Controllers: img.Controllers(), Features: img.Features(), Topics: slices.Collect(img.Topics()),
		Configs: map[Resource][]Config{}, Partitions: img.PartitionCount(), Next: img.NextProducerID(),
	}
	img.topicsByID.each(func(_ topicID, t *Topic) bool { c.ByID = append(c.ByID, t); return true })
	for r, s := range img.AllConfigs() {
		c.Configs[r] = s.All()
	}
	return c
}

func difference(a, b *Image) string { return gocmp.Diff(lay(a), lay(b), cmpopts.EquateEmpty()) }

// world draws records that fit the image so far, and keeps a dumb model of what they say.
type world struct {
	img     *Image
	ids     byte
	configs map[Resource]map[string]string
	topics  map[string]int // partitions of each
	next    core.ProducerID
}

func newWorld() *world {
	return &world{img: NewImage("cluster"), configs: map[Resource]map[string]string{}, topics: map[string]int{}}
}

// draw draws one record that is valid after the records before it, and notes it in the model.
func (w *world) draw(t *rapid.T) Record {
	names := slices.Sorted(maps.Keys(w.topics))
	switch kind := rapid.IntRange(0, 11).Draw(t, "kind"); {
	case kind <= 1 || len(names) == 0:
		w.ids++
		name := fmt.Sprintf("topic-%d", rapid.IntRange(0, 30).Draw(t, "name"))
		if _, exists := w.topics[name]; exists {
			return &NoOpRecord{}
		}
		w.topics[name] = 0
		return &TopicRecord{Name: name, ID: core.UUID{0: w.ids*37 + 1, 15: w.ids}}
	case kind <= 4:
		name := rapid.SampledFrom(names).Draw(t, "topic")
		w.topics[name]++
		return drawPartition(t, w.id(name), core.PartitionID(w.topics[name]-1))
	case kind <= 6:
		return w.drawPartitionChange(t, rapid.SampledFrom(names).Draw(t, "topic"))
	case kind == 7:
		name := rapid.SampledFrom(names).Draw(t, "topic")
		id := w.id(name)
		delete(w.topics, name)
		delete(w.configs, Resource{ResourceTopic, name})
		return &RemoveTopicRecord{Topic: id}
	case kind == 8:
		return w.drawConfig(t, names)
	case kind == 9:
		w.next += 1000
		return &ProducerIDsRecord{Broker: 1, Epoch: 1, Next: w.next}
	case kind == 10:
		rack := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "rack")
		return &RegisterBrokerRecord{
			Broker: core.BrokerID(rapid.IntRange(0, 5).Draw(t, "broker")), Epoch: 1, Rack: &rack,
			Fenced: rapid.Bool().Draw(t, "fenced"), Features: []FeatureRange{{MetadataVersion, 7, 29}},
			Endpoints: []Endpoint{{"PLAINTEXT", "h", 9092, 0}}, LogDirs: []core.UUID{uuid(3, 200)},
		}
	default:
		return &FeatureLevelRecord{
			Name:  rapid.SampledFrom([]string{MetadataVersion, "group.version", "zeta"}).Draw(t, "feature"),
			Level: rapid.Int16Range(0, 3).Draw(t, "level"),
		}
	}
}

func (w *world) id(topic string) core.UUID { return w.img.TopicByName(topic).ID }

func drawPartition(t *rapid.T, topic core.UUID, p core.PartitionID) *PartitionRecord {
	r := &PartitionRecord{
		Partition: p, Topic: topic, Replicas: []core.BrokerID{1, 2, 3}, ISR: []core.BrokerID{1, 2}, Leader: 1,
		LeaderEpoch: core.LeaderEpoch(rapid.IntRange(0, 9).Draw(t, "epoch")),
		ELR:         nonEmpty(drawBrokers(t)), LastKnownELR: nonEmpty(drawBrokers(t)), Adding: []core.BrokerID{3},
		RecoveryState: RecoveryState(rapid.Int8Range(0, 1).Draw(t, "recovery")),
	}
	if rapid.Bool().Draw(t, "directories") {
		r.Directories = []core.UUID{uuid(0, 101), uuid(0, 102), uuid(0, 103)}
	}
	return r
}

func (w *world) drawPartitionChange(t *rapid.T, topic string) Record {
	if w.topics[topic] == 0 {
		return &NoOpRecord{}
	}
	r := NewPartitionChange(w.id(topic), core.PartitionID(rapid.IntRange(0, w.topics[topic]-1).Draw(t, "partition")))
	r.ISR, r.ELR = drawBrokers(t), drawBrokers(t)
	if rapid.Bool().Draw(t, "elect") {
		r.Leader = core.BrokerID(rapid.Int32Range(-1, 3).Draw(t, "leader"))
	}
	return r
}

func (w *world) drawConfig(t *rapid.T, topics []string) Record {
	resource := Resource{ResourceBroker, ""}
	if rapid.Bool().Draw(t, "topic config") {
		resource = Resource{ResourceTopic, rapid.SampledFrom(topics).Draw(t, "topic")}
	}
	r := &ConfigRecord{
		ResourceType: resource.Type, ResourceName: resource.Name,
		Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "config"), Value: drawString(t),
	}
	switch set := w.configs[resource]; {
	case r.Value == nil:
		delete(set, r.Name)
		if len(set) == 0 {
			delete(w.configs, resource)
		}
	case set == nil:
		w.configs[resource] = map[string]string{r.Name: *r.Value}
	default:
		set[r.Name] = *r.Value
	}
	return r
}

func (w *world) step(t *rapid.T) Record {
	r := w.draw(t)
	next, err := w.img.Apply(w.img.Offset()+1, 1, r)
	if err != nil {
		t.Fatalf("%#v: %v", r, err)
	}
	w.img = next
	return r
}

func TestReplayAgreesWithADumbModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		for range rapid.IntRange(1, 80).Draw(t, "records") {
			w.step(t)
		}
		configs := map[Resource][]Config{}
		for r, set := range w.configs {
			for _, name := range slices.Sorted(maps.Keys(set)) {
				configs[r] = append(configs[r], Config{name, set[name]})
			}
		}
		got := lay(w.img)
		if d := gocmp.Diff(configs, got.Configs); d != "" {
			t.Fatalf("configs: %s", d)
		}
		topics, partitions := map[string]int{}, 0
		for _, topic := range got.Topics {
			topics[topic.Name] = len(topic.Partitions)
			partitions += len(topic.Partitions)
			if w.img.TopicByID(topic.ID) != topic || w.img.TopicByName(topic.Name) != topic {
				t.Fatalf("the trees disagree about %s", topic.Name)
			}
		}
		if d := gocmp.Diff(w.topics, topics); d != "" || got.Next != w.next || got.Partitions != partitions {
			t.Fatalf("topics: %s; next producer id %d, want %d; %d partitions counted, %d seen", d, got.Next, w.next,
				got.Partitions, partitions)
		}
		if len(got.ByID) != len(got.Topics) {
			t.Fatalf("%d topics by id, %d by name", len(got.ByID), len(got.Topics))
		}
		checkTree(t, w.img.topicsByName)
		checkTree(t, w.img.topicsByID)
		checkTree(t, w.img.configs)
	})
}

func TestSnapshotAndSuffixGiveTheImageOfFullReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		for range rapid.IntRange(0, 60).Draw(t, "before") {
			w.step(t)
		}
		at := w.img
		kept := lay(at)
		var suffix []Record
		for range rapid.IntRange(0, 30).Draw(t, "after") {
			suffix = append(suffix, w.step(t))
		}
		if d := gocmp.Diff(kept, lay(at)); d != "" {
			t.Fatalf("replay changed an older image: %s", d)
		}
		var records []Record
		for _, r := range Snapshot(at) {
			decoded, err := Decode(AppendRecord(nil, r))
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, decoded)
		}
		img, err := Load("cluster", at.Offset(), at.Epoch(), records)
		if err != nil {
			t.Fatal(err)
		}
		if d := difference(at, img); d != "" {
			t.Fatalf("the snapshot gives another image: %s", d)
		}
		// All at once, where the world went record by record.
		if len(suffix) > 0 {
			if img, err = img.Apply(w.img.Offset(), 1, suffix...); err != nil {
				t.Fatal(err)
			}
		}
		if d := difference(w.img, img); d != "" {
			t.Fatalf("snapshot and suffix give another image: %s", d)
		}
	})
}

func TestDiffFindsWhatChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		for range rapid.IntRange(0, 60).Draw(t, "before") {
			w.step(t)
		}
		before := w.img
		for range rapid.IntRange(0, 20).Draw(t, "after") {
			w.step(t)
		}
		got := Diff(before, w.img)
		b, a := lay(before), lay(w.img)
		want := Delta{}
		ids := map[core.UUID]bool{}
		for _, topic := range slices.Concat(b.ByID, a.ByID) {
			ids[topic.ID] = true
		}
		for id := range ids {
			if x, y := before.TopicByID(id), w.img.TopicByID(id); x != y {
				want.Topics = append(want.Topics, TopicChange{id, x, y})
			}
		}
		slices.SortFunc(want.Topics, func(x, y TopicChange) int { return bytes.Compare(x.ID[:], y.ID[:]) })
		resources := map[Resource]bool{}
		for r := range b.Configs {
			resources[r] = true
		}
		for r := range a.Configs {
			resources[r] = true
		}
		for r := range resources {
			if before.Configs(r) != w.img.Configs(r) {
				want.Configs = append(want.Configs, r)
			}
		}
		slices.SortFunc(want.Configs, Resource.Compare)
		for id := core.BrokerID(0); id < 6; id++ {
			if before.Broker(id) != w.img.Broker(id) {
				want.Brokers = append(want.Brokers, id)
			}
		}
		want.Features = !slices.Equal(b.Features, a.Features)
		if d := gocmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
		if same := Diff(w.img, w.img); !same.Empty() || len(want.Topics) > 0 && got.Empty() {
			t.Fatal("empty where there is something, or the other way around")
		}
	})
}

func TestPartitionsOfATopicChangeAreMatchedByID(t *testing.T) {
	p := func(id core.PartitionID) *Partition { return &Partition{ID: id} }
	same := p(1)
	change := TopicChange{
		Before: &Topic{Partitions: []*Partition{p(0), same, p(2)}},
		After:  &Topic{Partitions: []*Partition{p(0), same, p(3)}},
	}
	var got []string
	change.Partitions(func(b, a *Partition) { got = append(got, fmt.Sprint(b != nil, a != nil)) })
	if want := "true true,true false,false true"; strings.Join(got, ",") != want {
		t.Fatal(got)
	}
}

func checkTree[K ordered[K], V any](t *rapid.T, tr tree[K, V]) {
	var last *K
	count := 0
	tr.each(func(k K, _ V) bool {
		if last != nil && (*last).Compare(k) >= 0 {
			t.Fatalf("keys %v and %v are out of order", *last, k)
		}
		last = &k
		count++
		return true
	})
	if count != tr.size {
		t.Fatalf("%d keys, size %d", count, tr.size)
	}
	checkNode(t, tr.root)
}

func checkNode[K ordered[K], V any](t *rapid.T, n *node[K, V]) int {
	if n == nil {
		return 0
	}
	l, r := checkNode(t, n.left), checkNode(t, n.right)
	if l-r > 1 || r-l > 1 || n.height != 1+max(l, r) {
		t.Fatalf("unbalanced at %v: %d and %d, height %d", n.key, l, r, n.height)
	}
	return n.height
}

func TestTreeAgreesWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tr tree[topicName, int]
		model := map[topicName]int{}
		for i := range rapid.IntRange(0, 120).Draw(t, "steps") {
			key := topicName(fmt.Sprint(rapid.IntRange(0, 60).Draw(t, "key")))
			if rapid.IntRange(0, 2).Draw(t, "remove") == 0 {
				tr = tr.remove(key)
				delete(model, key)
			} else {
				tr = tr.insert(key, i)
				model[key] = i
			}
			checkTree(t, tr)
		}
		got := map[topicName]int{}
		tr.each(func(k topicName, v int) bool { got[k] = v; return true })
		if d := gocmp.Diff(model, got); d != "" {
			t.Fatal(d)
		}
		start := topicName(fmt.Sprint(rapid.IntRange(0, 60).Draw(t, "from")))
		var tail, want []topicName
		tr.from(start, func(k topicName, _ int) bool { tail = append(tail, k); return true })
		for k := range model {
			if k >= start {
				want = append(want, k)
			}
		}
		slices.SortFunc(want, cmp.Compare[topicName])
		if !slices.Equal(tail, want) {
			t.Fatalf("from %q: %v, want %v", start, tail, want)
		}
	})
}

func bigImage(tb testing.TB, topics int) *Image {
	var records []Record
	for i := range topics {
		id := core.UUID{0: byte(i), 1: byte(i >> 8), 15: 7}
		records = append(records, &TopicRecord{Name: fmt.Sprintf("topic-%05d", i), ID: id},
			&PartitionRecord{Topic: id, Replicas: []core.BrokerID{1}, ISR: []core.BrokerID{1}, Leader: 1})
	}
	img, err := Load("c", 0, 0, records)
	if err != nil {
		tb.Fatal(err)
	}
	return img
}

func TestOneRecordOnALargeImageCopiesLittle(t *testing.T) {
	img := bigImage(t, 20_000)
	change := NewPartitionChange(img.TopicByName("topic-12345").ID, 0)
	change.ISR = []core.BrokerID{1}
	// Two paths of about 15 nodes; copying the topics would be thousands.
	if n := testing.AllocsPerRun(100, func() {
		if _, err := img.Apply(1, 0, change); err != nil {
			t.Fatal(err)
		}
	}); n > 60 {
		t.Fatalf("%v allocations for one record", n)
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	img := bigImage(t, 1000)
	id := img.TopicByName("topic-00500").ID
	resource := Resource{ResourceTopic, "topic-00500"}
	if n := testing.AllocsPerRun(100, func() {
		if img.TopicByName("topic-00500") == nil || img.TopicByID(id) == nil || img.Partition("topic-00500", 0) == nil {
			t.Fatal("gone")
		}
		_ = img.Broker(1)
		_, _ = img.Configs(resource).Get("retention.ms")
		_ = img.FeatureLevel(MetadataVersion)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkTopicByName(b *testing.B) {
	img := bigImage(b, 20_000)
	for b.Loop() {
		img.TopicByName("topic-12345")
	}
}
