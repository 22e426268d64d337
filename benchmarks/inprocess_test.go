package benchmarks

import (
	"context"
	"log/slog"
	"testing"

	"ottla.dev/node"
	"ottla.dev/node/config"
)

// startNode starts a broker in this process and gives its address.
func startNode(b *testing.B, caching bool) string {
	b.Helper()
	s, err := config.Load(config.Input{Set: settings(b.TempDir(), caching)})
	if err != nil {
		b.Fatal(err)
	}
	n, err := node.Start(node.Config{Settings: s, Version: "bench", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := n.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	})
	<-n.Ready()
	return n.Listeners()[0].Address()
}

func BenchmarkProduce(b *testing.B) {
	eachCase(b, sizes, func(b *testing.B, size int, caching bool) {
		preTouch(b, b.N*size)
		address := startNode(b, caching)
		createTopic(b, address)
		produce(b, address, b.N, size, wholeBatches)
		report(b, size)
	})
}

func BenchmarkFetch(b *testing.B) {
	eachCase(b, sizes, func(b *testing.B, size int, caching bool) {
		preTouch(b, b.N*size)
		address := startNode(b, caching)
		createTopic(b, address)
		produce(b, address, b.N, size, wholeBatches)
		consume(b, address, b.N)
		report(b, size)
	})
}
