package shrink

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ottla.dev/sim/fault"
)

// TestWhatIsNotNeededGoes shrinks plans that "fail" if they have one stop and one client that were drawn.
func TestWhatIsNotNeededGoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := fault.DrawCluster(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(2, 5).Draw(t, "brokers"))
		if len(p.Stops) == 0 {
			return
		}
		stop := p.Stops[rapid.IntRange(0, len(p.Stops)-1).Draw(t, "stop")]
		client := rapid.IntRange(0, len(p.Clients)-1).Draw(t, "client")
		kind, tries := p.Clients[client].Kind, 0
		s := Shrinker{Over: func() bool { return tries > 5000 }, Fails: func(p *fault.Plan) (time.Duration, bool) {
			tries++
			if _, err := fault.Parse(p.String()); err != nil {
				t.Fatal(err)
			}
			return stop.At, p.Clients[client].Kind == kind && slices.ContainsFunc(p.Stops, func(s fault.Stop) bool {
				return s.At/time.Second == stop.At/time.Second
			})
		}}
		before := p.String()
		small := s.Shrink(p)
		if p.String() != before {
			t.Fatal("the plan was changed in place")
		}
		if clients(small) != 1 || len(small.Stops) != 1 || len(small.Faults)+len(small.Jumps) > 0 ||
			len(small.Net.Windows)+len(small.Net.Paths)+len(small.Static) > 0 || len(small.Machines) > max(2, stop.Node+1) ||
			len(small.Topics) != 1 || len(small.Topics[0].Settings) > 0 || strings.Count(small.String(), "\n") > 12 {
			t.Fatalf("after %d tries\n%s", tries, small)
		}
	})
}

func TestAPlanThatDoesNotFailIsNotShrunk(t *testing.T) {
	s := Shrinker{Over: func() bool { return false },
		Fails: func(*fault.Plan) (time.Duration, bool) { return 0, false }}
	if p := s.Shrink(fault.Draw(1)); p != nil {
		t.Error(p)
	}
}

// A bug that needs luck is found again under another salt.
func TestCandidatesAreTriedUnderOtherSalts(t *testing.T) {
	tries := 0
	s := Shrinker{Over: func() bool { return tries > 20_000 }, Fails: func(p *fault.Plan) (time.Duration, bool) {
		tries++
		return time.Second, tries == 1 || tries%3 == 0
	}}
	p := fault.DrawCluster(3, 3)
	small := s.Shrink(p)
	if small.Salt == 0 || clients(small) > 0 || len(small.Stops) > 0 {
		t.Errorf("%s", small)
	}
}
