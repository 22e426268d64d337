package nodetest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/node/nodetest"
)

// An hour of heartbeats, sessions and long polls takes no time to speak of.
func TestAnHourPasses(t *testing.T) {
	real := time.Now()
	synctest.Test(t, func(t *testing.T) {
		c := nodetest.Start(t)
		createTopic(t, c, "t", 3)
		member := c.Client(t, memberOptions()...)
		producer := c.Client(t, kgo.DefaultProduceTopic("t"))
		const records = 60
		go func() {
			for i := range records {
				time.Sleep(time.Minute)
				producer.Produce(context.Background(), kgo.StringRecord(fmt.Sprint(i)), nil)
			}
		}()
		began := time.Now()
		for seen := 0; seen < records; {
			seen += member.PollFetches(context.Background()).NumRecords()
		}
		if passed := time.Since(began); passed < time.Hour || passed > time.Hour+time.Minute {
			t.Errorf("%s have passed", passed)
		}
	})
	t.Logf("an hour took %s", time.Since(real))
}
