package record_test

import (
	"fmt"

	"ottla.dev/core/record"
)

// A leader checks what a producer sent, gives it its place in the log, and a consumer reads it.
func Example() {
	codecs := record.NewCodecs(0)

	var b record.Builder
	b.Start(nil, 0)
	b.SetCodec(codecs, record.Zstd, record.DefaultLevel)
	b.Append(now, []byte("k1"), []byte("hello"))
	b.Append(now+1, nil, []byte("world"), record.Header{Key: []byte("lang"), Value: []byte("en")})
	produced, _ := b.Finish()

	checked, refusal := record.Validate(produced, rules(), codecs)
	if refusal != nil {
		fmt.Println(refusal)
		return
	}
	checked.Batch.SetBaseOffset(100)
	checked.Batch.SetLeaderEpoch(3)

	it := record.Records(checked.Batch, codecs)
	for it.Next() {
		r := &it.Record
		fmt.Printf("%d %q=%q, %d headers\n", r.Offset, r.Key, r.Value, r.Headers.Len())
	}
	fmt.Println(it.Err())
	// Output:
	// 100 "k1"="hello", 0 headers
	// 101 ""="world", 1 headers
	// <nil>
}
