package fault

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawn(seed uint64, brokers int) *Plan {
	if brokers == 0 {
		return Draw(seed)
	}
	return DrawCluster(seed, brokers)
}

func TestAPlanReadsAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, MaxBrokers).Draw(t, "brokers"))
		p.Salt = rapid.Uint64().Draw(t, "salt")
		for i := range p.Clients {
			if rapid.IntRange(0, 3).Draw(t, "absent") == 0 && p.Clients[i].Kind != Absent {
				p.Clients[i] = Client{}
			}
			if p.Clients[i].Kind == Member {
				p.Clients[i].Group = rapid.String().Draw(t, "group")
			}
		}
		again, err := Parse(p.String())
		if err != nil {
			t.Fatalf("%v\n%s", err, p)
		}
		if !reflect.DeepEqual(p, again) {
			t.Fatalf("wrote\n%s\nread\n%s\n%+v\n%+v", p, again, p, again)
		}
	})
}

// TestEveryFieldIsInTheText changes every field of plans, one by one, and looks whether the text has changed.
func TestEveryFieldIsInTheText(t *testing.T) {
	// What follows from the settings.
	derived := []string{".Topics.Caching", ".Topics.Retained", ".Topics.IndexInterval", ".Topics.MaxMessage",
		".Topics.SegmentBytes", ".Partitions"}
	tried := map[string]bool{}
	for seed := range uint64(30) {
		p := DrawCluster(seed, 3)
		text := p.String()
		var walk func(v reflect.Value, name string)
		changed := func(name string, change, back func()) {
			tried[name] = true
			change()
			if p.String() == text && !strings.Contains(strings.Join(derived, " ")+" ", name+" ") {
				t.Errorf("%s is not in the text", name)
			}
			back()
		}
		walk = func(v reflect.Value, name string) {
			switch v.Kind() {
			case reflect.Struct:
				for i := range v.NumField() {
					walk(v.Field(i), name+"."+v.Type().Field(i).Name)
				}
			case reflect.Slice:
				for i := range v.Len() {
					walk(v.Index(i), name)
				}
			case reflect.Pointer:
				walk(v.Elem(), name)
			case reflect.Bool:
				changed(name, func() { v.SetBool(!v.Bool()) }, func() { v.SetBool(!v.Bool()) })
			case reflect.String:
				was := v.String()
				changed(name, func() { v.SetString(was + "x") }, func() { v.SetString(was) })
			case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64:
				was := v.Int()
				if name == ".Operations.Topic" {
					break
				}
				changed(name, func() { v.SetInt(was + 1) }, func() { v.SetInt(was) })
			case reflect.Uint8:
				was := v.Uint()
				changed(name, func() { v.SetUint(was%2 + 1); _ = was }, func() { v.SetUint(was) })
			case reflect.Uint64:
				was := v.Uint()
				changed(name, func() { v.SetUint(was + 1) }, func() { v.SetUint(was) })
			default:
				t.Fatalf("%s is a %s", name, v.Kind())
			}
		}
		if !strings.Contains(text, "again=") || !strings.Contains(text, "\noperation ") {
			continue
		}
		walk(reflect.ValueOf(p).Elem(), "")
	}
	if len(tried) < 50 {
		t.Errorf("only %d fields", len(tried))
	}
}

const smallPlan = "ottla-plan 1\nworld duration=1s shards=1 clients=2\ntopic t0 partitions=1\n"

const smallCluster = "ottla-plan 1\nworld duration=1s shards=1 brokers=1 clients=1\nmachine 0 broker\n" +
	"machine 1 controller voter\ntopic t0 partitions=2\n"

func TestADamagedPlanNamesLineAndReason(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `a plan begins with "ottla-plan 1"`},
		{"nonsense", "line 1: a plan begins with"},
		{"ottla-plan", `line 1: "" is no version`},
		{"ottla-plan 99\nwhatever", "line 1: a plan of version 99, and this Ottla reads version 1"},
		{"ottla-plan 1\ntopic t0 partitions=1", `line 2: "topic" comes before the world`},
		{"ottla-plan 1\nworld duration=1s shards=1", "no topic"},
		{smallPlan + "world shards=1", "line 4: a second world"},
		{smallPlan + "\n# fine\nearthquake at=1s", `line 6: "earthquake" is nothing that a plan has`},
		{smallPlan + "topic t0 partitions=1", "line 4: a second topic t0"},
		{smallPlan + "topic t1", "line 4: partitions is 0: 1 to 100"},
		{smallPlan + "topic t1 partitions=1 replicas=2", "line 4: replicas is 2: 0 to 1"},
		{smallPlan + "topic t1 partitions=1 colour=red", "colour"},
		{smallPlan + "topic t1 partitions=1 retention.ms=soon", "retention.ms"},
		{smallPlan + "topic T-1 partitions=1", `line 4: "T-1" is no name`},
		{smallPlan + "client 2 consumer", "line 4: client 2 of 2"},
		{smallPlan + "client 1 spy", `line 4: "spy" is no kind`},
		{smallPlan + "client 1 producer records=1 value=1", "line 4: in-flight is 0: 1 to 100"},
		{smallPlan + "client 1 consumer\nclient 1 consumer", "line 5: a second client 1"},
		{smallPlan + "client 1 operator", "line 4: an operator is for several machines"},
		{smallPlan + `client 1 member group="g`, "line 4: group has a quote without an end"},
		{smallPlan + "fault pause node=1 from=1s to=2s one-in=1", "line 4: node is 1: 0 to 0"},
		{smallPlan + "fault pause from=2s to=1s one-in=1", "line 4: to is 1s: 2s to"},
		{smallPlan + "fault pause from=2s to=3s", "line 4: one-in is 0: at least 1"},
		{smallPlan + "stop crash at=yesterday", "line 4: at=yesterday is no time"},
		{smallPlan + "stop crash at=1s at=2s", "line 4: at is unknown or there twice"},
		{smallPlan + "stop crash at=1s soft", `line 4: "soft" is unknown or there twice`},
		{smallPlan + "stop crash at=1s again=1,x", "line 4: again=1,x: numbers"},
		{smallPlan + "operation reassign at=1s topic=t7", `line 4: no topic "t7"`},
		{smallPlan + "operation reassign at=1s topic=t0", "line 4: reassign of no broker"},
		{smallPlan + "broker node.id=many", "line 4"},
		{smallPlan + "broker node.id=1\nbroker node.id=2", "line 5: node.id is there twice"},
		{smallPlan + "broker broker.session.timeout.ms=-4\n", `line 4: broker.session.timeout.ms = "-4" is not allowed`},
		{smallPlan + "broker broker.heartbeat.interval.ms=9000\n", "the settings together: broker.session.timeout.ms"},
		{smallPlan + "client 1 consumer\nclient 0 con", `line 5: "con" is no kind`},
		{smallPlan + "client 1 consumer requests=1", "line 4: the line has no end; was the file cut off?"},
		{smallPlan + "net partition from=1s to=2s", "line 4: a network is for several machines"},
		{smallPlan + "machine 0 broker", "line 4: brokers come first"},
		{smallCluster + "net earthquake", `line 6: unknown word "earthquake"`},
		{smallCluster + "net isolate from=1s to=2s hosts=9", "line 6: isolate: no host 9"},
		{smallCluster + "clock node=2 at=1s by=1s", "line 6: node is 2: 0 to 1"},
		{smallCluster + "ambush passes probe=expanded nth=1", `line 6: there is no probe "expanded"`},
		{smallCluster + "ambush passes nth=1", "line 6: an ambush that waits for a probe names one"},
		{smallCluster + "ambush rolls probe=expand-proposed nth=1", "line 6: an ambush that waits for a probe names one"},
		{smallCluster + "ambush passes probe=expand-proposed", "line 6: nth is 0"},
		{smallCluster + "ambush leads nth=1 cut=nobody down=1s", "line 6: cut=nobody is unknown"},
		{smallCluster + "ambush leads nth=1 cut=controller", "line 6: a cut, answers that get lost, and a slow disk have"},
		{smallCluster + "ambush leads nth=1 way=in down=1s", "line 6: a way of no cut"},
		{smallCluster + "ambush leads nth=1 stop=3 lose=1 down=1s", "line 6: who is stopped is not"},
		{smallPlan + "ambush rolls nth=1 lose=56 down=1s", "line 4: cuts and answers that get lost are for several"},
		{smallCluster + "machine 1 controller", "line 6: machine 1 comes after machine 1"},
	} {
		if _, err := Parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
	for _, text := range []string{smallPlan, smallCluster} {
		if _, err := Parse(text); err != nil {
			t.Error(err)
		}
	}
}

func FuzzParsePlan(f *testing.F) {
	f.Add(smallPlan)
	f.Add(smallCluster)
	for seed := range uint64(3) {
		f.Add(Draw(seed).String())
		f.Add(DrawCluster(seed, 3).String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%v\n%s", err, p)
		}
	})
}

func TestASeedOfAnotherDrawingIsRefused(t *testing.T) {
	for text, want := range map[string]string{"47@99": "version 99 of the drawing", "47@x": "no version",
		"47@0": "no version",
		"x":    "is no seed", "-1": "is no seed", "": "is no seed", "18446744073709551616": "is no seed"} {
		if _, err := ParseSeed(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{"47", SeedText(47)} {
		if n, err := ParseSeed(text); n != 47 || err != nil {
			t.Error(text, n, err)
		}
	}
}

// drawnBy is a hash of what seeds draw.
const drawnBy = "8 c0b55612f73e5f4c"

func TestADrawingThatChangesIsANewVersion(t *testing.T) {
	h := fnv.New64a()
	for seed := range uint64(20) {
		for brokers := range 4 {
			h.Write(drawn(seed, brokers).AppendText(nil))
		}
	}
	if got := fmt.Sprintf("%d %016x", Drawing, h.Sum64()); got != drawnBy {
		t.Errorf("Seeds draw something else than they did. Add 1 to Drawing in version.go, so that older seeds are not "+
			"taken for what they are not, and set drawnBy to\n%q (the version, then this hash); it is %q", got, drawnBy)
	}
}
