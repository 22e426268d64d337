package proxy_test

import (
	"fmt"
	"io"
	"net"

	"ottla.dev/netsim"
	"ottla.dev/netsim/proxy"
)

func Example() {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer server.Close()
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()

	// Host 0 is a client, host 1 the server.
	fabric, err := proxy.New(2, 1, &netsim.Schedule{})
	if err != nil {
		panic(err)
	}
	defer fabric.Close()
	addr, err := fabric.Path(0, 1, "", server.Addr().String())
	if err != nil {
		panic(err)
	}
	client, err := net.Dial("tcp", addr)
	if err != nil {
		panic(err)
	}
	defer client.Close()

	partition, err := fabric.Begin(netsim.Window{Kind: netsim.Isolate, Hosts: []netsim.Host{1}})
	if err != nil {
		panic(err)
	}
	fmt.Fprint(client, "hello") // no error: nobody knows yet
	fabric.Finish(partition)
	answer := make([]byte, 5)
	io.ReadFull(client, answer)
	fmt.Printf("%s\n", answer)
	// Output: hello
}
