// Package wire speaks the Kafka protocol: framing, request and response headers, the table of APIs with their versions,
// and the limits that hold while bytes from outside become structs. It is the only package that calls kmsg's encoders
// and decoders; everything above it sees kmsg's plain structs.
//
// # A request
//
//	size, err := FrameSize(prefix, maxBytes)            // the four bytes before a frame
//	header, body, err := ParseHeader(frame, ClassClient) // the frame without those four bytes
//	request, err := requests.Decode(header, body)        // requests belongs to the session
//	out = AppendResponse(out, header, response)          // with the length prefix
//
// Every error closes the connection without an answer, as Kafka does, but one: [ErrApiVersionsVersion] is answered with
// an ApiVersions response of version 0 and error 35.
//
// # Limits before structs
//
// kmsg allocates by the counts it reads, so a frame of 100 MiB could ask for gigabytes (Kafka's CVE-2026-111115 and
// CVE-2026-111108 were of this kind). [Decode] therefore first walks the body along the API's schema without
// allocating: every length and count must fit into the bytes that remain, nulls stand only where the version allows
// them, and the memory that decoding will take is summed and refused beyond [DecodeBudget]. Tagged fields that we do
// not know are cut out of the body in place, so that nothing is stored for them. What kmsg then reads is known to be
// well formed.
//
// # Who owns the bytes
//
// A decoded request aliases its frame. Byte slices (record batches, group metadata, assignments) always do. Strings do
// in the three requests that [Requests] reuses (Produce, Fetch, Heartbeat); in all others they are copies. A machine
// that keeps anything past the request's completion clones it. A reused request is valid until the next Decode of the
// same [Requests] for the same API.
//
// # Hot answers
//
// [FetchWriter] and [ProduceWriter] write the two hot responses by hand: without allocation, and for Fetch as a list of
// byte ranges with holes for the records, which the driver fills from files.
package wire
