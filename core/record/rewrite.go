package record

import "ottla.dev/core"

// Recompress appends to dst a copy of the batch with its records under another codec, or none, and returns the grown
// dst. Offsets, timestamps and the producer's fields stay; the records are decompressed but not looked at. The error
// is as for [CheckRecords]. dst must not share memory with the batch.
func (c *Codecs) Recompress(dst []byte, v View, to Codec, level Level) ([]byte, *Error) {
	payload, err := plain(v, c)
	if err != nil {
		return dst, err
	}
	return c.rebuild(dst, v, payload, to, level), nil
}

// Renumber is [Codecs.Recompress] for batches whose records do not have the offsets 0, 1, 2 … from the base offset
// ([Checked.Renumber]): it gives them these, as Kafka does for the old producers that sent them.
func (c *Codecs) Renumber(dst []byte, v View, to Codec, level Level) ([]byte, *Error) {
	payload, err := plain(v, c)
	if err != nil {
		return dst, err
	}
	c.redo = c.trimmedRedo()
	var r parsed
	pos := 0
	for i := range v.Count() {
		if pos == len(payload) {
			return dst, malformed(i, faultCount)
		}
		next, f := r.parse(payload, pos)
		if f != faultNone {
			return dst, malformed(i, f)
		}
		c.redo = appendRenumbered(c.redo, &r, i)
		pos = next
	}
	if pos != len(payload) {
		return dst, malformed(v.Count(), faultTrailing)
	}
	start := len(dst)
	dst = c.rebuild(dst, v, c.redo, to, level)
	out := View(dst[start:])
	put32(out[lastOffsetDeltaAt:], uint32(max(v.Count()-1, 0)))
	out.seal()
	return dst, nil
}

// appendRenumbered copies a record under another offset; its headers are copied as they lie.
func appendRenumbered(dst []byte, r *parsed, offsetDelta int32) []byte {
	size := bodySize(r.timestampDelta, offsetDelta, r.key, r.value, nil) - 1 + varintSize(r.headers.n) +
		len(r.headers.raw)
	dst = appendVarint(dst, int32(size))
	dst = append(dst, 0)
	dst = appendVarlong(dst, r.timestampDelta)
	dst = appendVarint(dst, offsetDelta)
	dst = appendBytes(dst, r.key)
	dst = appendBytes(dst, r.value)
	dst = appendVarint(dst, r.headers.n)
	return append(dst, r.headers.raw...)
}

// rebuild appends v's header and the records of payload under another codec.
func (c *Codecs) rebuild(dst []byte, v View, payload []byte, to Codec, level Level) []byte {
	start := len(dst)
	dst = append(dst, v[:HeaderSize]...)
	dst = c.Compress(dst, payload, to, level)
	out := View(dst[start:])
	put32(out[lengthAt:], uint32(len(out)-LogOverhead))
	put16(out[attributesAt:], uint16(v.Attributes()&^codecMask|Attributes(to)))
	out.seal()
	return dst
}

// AppendEmpty appends a copy of the batch without its records, which a log cleaner keeps for the producer's state and
// the offsets (Kafka: DefaultRecordBatch.writeEmptyHeader).
func AppendEmpty(dst []byte, v View) []byte {
	start := len(dst)
	dst = append(dst, v[:HeaderSize]...)
	out := View(dst[start:])
	put32(out[lengthAt:], HeaderSize-LogOverhead)
	put16(out[attributesAt:], uint16(v.Attributes()&^(codecMask|DeleteHorizonBit)))
	noTimestamp := core.NoTimestamp
	put64(out[baseTimestampAt:], uint64(noTimestamp))
	put32(out[countAt:], 0)
	out.seal()
	return dst
}

// compressTail compresses the bytes of dst from at on, in their place.
func (c *Codecs) compressTail(dst []byte, at int, codec Codec, level Level) []byte {
	if c == nil {
		panic("record: a compressed batch needs Codecs")
	}
	c.redo = append(c.trimmedRedo(), dst[at:]...)
	return c.Compress(dst[:at], c.redo, codec, level)
}

func (c *Codecs) trimmedRedo() []byte {
	if cap(c.redo) > RetainedBuffer {
		return nil
	}
	return c.redo[:0]
}
