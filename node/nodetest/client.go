package nodetest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Dial connects a client to a broker. It is for clients that are not made by [Cluster.Client]:
//
//	kgo.NewClient(append(c.Options(), ...)...)
func (c *Cluster) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	return c.network.Dial(ctx, clientHost, address)
}

// Client makes a franz-go client of the cluster, with more options, which is closed at the end of the test.
func (c *Cluster) Client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	return c.client(t, kgo.NewClient, opts)
}

// Options are what a client needs to reach the cluster, in a bubble as well.
func (c *Cluster) Options() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(c.Addresses()...), kgo.Dialer(c.Dial), kgo.WithDecompressor(newDecompressor())}
}

func (c *Cluster) client(t testing.TB, connect func(...kgo.Opt) (*kgo.Client, error), opts []kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := connect(append(c.Options(), opts...)...)
	if err != nil {
		t.Fatalf("nodetest: the client's options are refused: %v", err)
	}
	t.Cleanup(client.CloseAllowingRebalance)
	if why := refuseGroup(client); why != "" {
		t.Fatalf("nodetest: %s", why)
	}
	return client
}

// refuseGroup says why a client would keep virtual time from passing, or nothing. A member of a group waits for the
// group's answer with a mutex that its next automatic commit waits for, and virtual time stands still while somebody
// waits for a mutex. With the build tag synctests, franz-go's mutexes are channels, for which it does not.
func refuseGroup(client *kgo.Client) string {
	group, _ := client.OptValue(kgo.ConsumerGroup).(string)
	manual, _ := client.OptValue(kgo.DisableAutoCommit).(bool)
	if channelMutexes || group == "" || manual || !virtual() {
		return ""
	}
	return "a member of a group that commits by itself stops virtual time: run the test with go test -tags synctests, " +
		"or make the client with kgo.DisableAutoCommit()"
}

// virtual reports whether time is that of a bubble, which begins in the year 2000.
func virtual() bool { return time.Now().Year() < 2020 }
