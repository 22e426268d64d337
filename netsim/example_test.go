package netsim_test

import (
	"fmt"
	"time"

	"ottla.dev/netsim"
)

func Example() {
	schedule, err := netsim.Parse(`
		settings delay-min=1ms delay-mean=1ms retransmit-max=1ns
		partition from=10ms to=2s hosts=0
	`, 2)
	if err != nil {
		panic(err)
	}
	net := netsim.New[string](2, 42, schedule)
	server := netsim.Address{Host: 1, Port: 9092}
	net.Listen(server)
	net.Dial(0, 0, server)
	for {
		now, ok := net.Next()
		if !ok {
			break
		}
		event, ok := net.Step(now)
		if !ok {
			continue
		}
		fmt.Printf("%v host %d: %v %q\n", now.Truncate(time.Millisecond), event.Host, event.Kind, event.Payload)
		switch event.Kind {
		case netsim.Connected:
			net.Send(now, event.End, "before", 6)
		case netsim.Arrived:
			if event.Payload == "before" {
				net.Send(10*time.Millisecond, event.End, "held up", 7)
			}
		}
	}
	// Output:
	// 2ms host 0: connected ""
	// 3ms host 1: accepted ""
	// 3ms host 1: arrived "before"
	// 2.001s host 0: arrived "held up"
}

func ExampleDraw() {
	budget := netsim.DefaultBudget(5, 3, 30*time.Second)
	schedule := netsim.Draw(7, budget)
	again, err := netsim.Parse(schedule.String(), budget.Hosts)
	fmt.Println(budget.Check(schedule.Windows), err, again.String() == schedule.String())
	// Output: <nil> <nil> true
}
