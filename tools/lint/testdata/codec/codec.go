// Package codec calls kmsg's encoders where only core/wire may.
package codec

import "github.com/twmb/franz-go/pkg/kmsg"

func encode(r *kmsg.FetchResponse, any kmsg.Request, record *kmsg.OffsetCommitValue) []byte {
	_ = any.ReadFrom(nil)    // want "kmsg's ReadFrom outside core/wire"
	_ = record.AppendTo(nil) // a record of an internal topic
	return r.AppendTo(nil)   // want "kmsg's AppendTo outside core/wire"
}
