// Command ottla is a broker that speaks Apache Kafka's protocol, with the tools around it. `ottla help` lists them.
package main
