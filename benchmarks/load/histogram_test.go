package load

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPercentilesAreThoseOfTheSortedDurationsWithinAHundredth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(0, 1<<durationBits-1), 1, 300).Draw(t, "durations")
		shift := rapid.IntRange(0, 40).Draw(t, "shift") // so that short ones are as frequent as long ones
		h := new(Histogram)
		for i := range all {
			all[i] >>= shift
			h.Add(time.Duration(all[i]))
		}
		slices.Sort(all)
		for _, thousandths := range []int{1, 500, 990, 999, 1000} {
			rank := (thousandths*len(all) + 999) / 1000
			want := all[max(rank, 1)-1]
			got := int64(h.Percentile(float64(thousandths) / 1000))
			if got < want || got-want > want/127 {
				t.Fatalf("p%v of %d = %d, want %d", float64(thousandths)/10, len(all), got, want)
			}
		}
		if got := int64(h.Max()); got != all[len(all)-1] {
			t.Fatalf("max = %d, want %d", got, all[len(all)-1])
		}
	})
}

func TestBucketsFollowEachOtherWithoutGaps(t *testing.T) {
	for b := range buckets {
		end := bucketEnd(b)
		if got := bucket(uint64(end)); got != b {
			t.Fatalf("bucket(%d) = %d, want %d", end, got, b)
		}
		if b+1 < buckets && bucket(uint64(end)+1) != b+1 {
			t.Fatalf("bucket(%d) = %d, want %d", end+1, bucket(uint64(end)+1), b+1)
		}
	}
	if got := bucketEnd(buckets - 1); got != 1<<durationBits-1 {
		t.Errorf("the last bucket ends at %d", got)
	}
}

func TestNothingAndTooMuchAreCounted(t *testing.T) {
	h := new(Histogram)
	if got := h.Percentile(0.5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
	h.Add(-time.Second)
	h.Add(math.MaxInt64)
	if h.Count() != 2 || h.Percentile(0.5) != 0 || h.Max() != 1<<durationBits-1 {
		t.Errorf("count %d, median %v, max %v", h.Count(), h.Percentile(0.5), h.Max())
	}
}
