// Package api serves Kafka's API keys, one a file named by its number: request struct, then operations on shards,
// coordinators and control, then response struct. A handler decides nothing about data: it checks what the request
// alone can tell, sends operations to the machines that own the answer, and shapes what comes back.
//
// Most handlers are written against [Context]. Produce and fetch, the hot paths, have state of their own that a session
// reuses from request to request.
package api
