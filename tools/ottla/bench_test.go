package main

import (
	"testing"
	"time"
)

func TestBenchRefusesWhatCannotBeMeasured(t *testing.T) {
	good := benchOptions{recordBytes: 100, partitions: 1, replicas: 1, clients: 1, consumers: 1, duration: time.Second,
		most: 1}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*benchOptions){
		"no room for the moment": func(o *benchOptions) { o.recordBytes = 7 },
		"no partitions":          func(o *benchOptions) { o.partitions = 0 },
		"no producers":           func(o *benchOptions) { o.clients = 0 },
		"no time":                func(o *benchOptions) { o.duration = 0 },
		"no bytes":               func(o *benchOptions) { o.most = 0 },
		"several at a rate":      func(o *benchOptions) { o.rate, o.clients = 5, 2 },
		"acks=1 at a rate":       func(o *benchOptions) { o.rate, o.oneAck = 5, true },
	} {
		o := good
		change(&o)
		if o.check() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
