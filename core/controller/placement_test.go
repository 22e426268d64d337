package controller

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

func drawBrokers(t *rapid.T) *metadata.Image {
	img := metadata.NewImage("c")
	for id := range rapid.IntRange(1, 12).Draw(t, "brokers") {
		r := &metadata.RegisterBrokerRecord{Broker: core.BrokerID(id), Fenced: rapid.IntRange(0, 3).Draw(t, "fenced") == 0}
		if rack := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "rack"); rack != "" {
			r.Rack = &rack
		}
		r.InControlledShutdown = rapid.IntRange(0, 5).Draw(t, "down") == 0
		next, err := img.Apply(img.Offset()+1, 1, r)
		if err != nil {
			t.Fatal(err)
		}
		img = next
	}
	return img
}

func TestReplicasAreDistinctAndTheLeaderIsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		img := drawBrokers(t)
		random := core.NewPRNG(rapid.Uint64().Draw(t, "seed"))
		p := newPlacer(img, &random)
		factor := rapid.IntRange(1, 12).Draw(t, "factor")
		usable, up := 0, 0
		for _, b := range img.Brokers() {
			if b.Active() {
				up++
			}
			if b.Active() || b.Fenced {
				usable++
			}
		}
		if refused := p.refuse(factor) != nil; refused != (factor > usable || up == 0) {
			t.Fatalf("refused %v: %d usable, %d up, factor %d", refused, usable, up, factor)
		}
		if p.refuse(factor) != nil {
			return
		}
		for range rapid.IntRange(1, 60).Draw(t, "partitions") {
			replicas := p.place(factor)
			sorted := slices.Sorted(slices.Values(replicas))
			if len(slices.Compact(sorted)) != factor || !img.Broker(replicas[0]).Active() {
				t.Fatalf("placed on %v", replicas)
			}
		}
	})
}

func TestLeadersAndReplicasAreEven(t *testing.T) {
	k := newCluster(t).brokers(11, 12, 21, 22, 31, 32) // three racks of two
	k.create(topic("t", 60, 3))
	leaders, replicas := map[core.BrokerID]int{}, map[core.BrokerID]int{}
	for _, p := range k.img.TopicByName("t").Partitions {
		leaders[p.Leader]++
		racks := map[string]bool{}
		for _, r := range p.Replicas {
			replicas[r]++
			racks[k.img.Broker(r).Rack] = true
		}
		if len(racks) != 3 {
			t.Fatalf("%v is in %d racks", p.Replicas, len(racks))
		}
	}
	for _, b := range k.img.Brokers() {
		if leaders[b.ID] < 8 || leaders[b.ID] > 12 || replicas[b.ID] < 27 || replicas[b.ID] > 33 {
			t.Fatalf("uneven: leaders %v, replicas %v", leaders, replicas)
		}
	}
}
