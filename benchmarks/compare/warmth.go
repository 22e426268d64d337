package main

import (
	"fmt"
	"time"
)

// warmth is memory that the comparison keeps warm and lends to what is measured.
//
// The host of a virtual machine may take memory back that the guest does not use, which it does here within three
// seconds. The first store to such a page costs ten times as much as the copy itself and is charged to whoever makes
// it: a broker that has written much in one workload paid for it in the next (docs/decisions). So the memory is held
// while nothing is measured and given back to the kernel just before it is needed.
type warmth struct {
	chunks [][]byte
	most   int
}

const (
	// warmBytes is about what a workload may write, if half of what is free allows it, and chunkBytes what is lent at a
	// time.
	warmBytes  = 3 << 30
	chunkBytes = 256 << 20
	// lentAhead is how much more than at the beginning is kept free, and lendEvery how often that is looked at.
	lentAhead = 384 << 20
	lendEvery = 10 * time.Millisecond
)

// gather takes back what was lent. What has just been freed by others is still warm, and what is not becomes so.
func (w *warmth) gather() error {
	if w.most == 0 {
		w.most = max(min(warmBytes, freeMemory()/2)/chunkBytes, 1)
	}
	for len(w.chunks) < w.most {
		m, err := warmMemory(chunkBytes)
		if err != nil {
			return fmt.Errorf("cannot touch memory: %w", err)
		}
		w.chunks = append(w.chunks, m)
	}
	return nil
}

// lend gives memory back as it is used, until stop is called, which waits. The kernel hands out first what was freed
// last. What nobody uses stays here, since it would be cold soon.
func (w *warmth) lend() (stop func()) {
	least := freeMemory() + lentAhead
	w.lendUpTo(least)
	ended, done := make(chan struct{}), make(chan struct{})
	each := time.NewTicker(lendEvery)
	go func() {
		defer close(done)
		defer each.Stop()
		for {
			select {
			case <-ended:
				return
			case <-each.C:
				w.lendUpTo(least)
			}
		}
	}()
	return func() { close(ended); <-done }
}

// lendUpTo gives back until so much is free.
func (w *warmth) lendUpTo(least int) {
	for n := len(w.chunks); n > 0 && freeMemory() < least; n-- {
		giveBack(w.chunks[n-1])
		w.chunks = w.chunks[:n-1]
	}
}
