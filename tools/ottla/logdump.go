package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ottla.dev/core"
	"ottla.dev/core/log/dump"
)

const dumpLong = `Dump prints what is in the files of a log directory, a partition's folder or a single file: batches
with --records their records too, offset, time and transaction indexes, producer snapshots, leader
epochs, offset checkpoints, partition.metadata, meta.properties and quorum-state. The files may be
Kafka's as well as Ottla's.

Records of __consumer_offsets and __cluster_metadata are shown decoded. Bytes that are no text are
shown as base64.

It only reads, and works while a broker runs on the folder.`

const dumpExample = `  ottla log dump ottla-data/orders-0
  ottla log dump --records ottla-data/orders-0/00000000000000000000.log
  ottla log dump --records --json ottla-data/__consumer_offsets-12 | jq .
  ottla log dump ottla-data/orders-0/00000000000000000000.timeindex`

func newLogDump() *cobra.Command {
	var records, asJSON bool
	cmd := &cobra.Command{
		Use:     "dump FILE|DIR...",
		Short:   "Print what is in log files, indexes, snapshots and checkpoints",
		Long:    dumpLong,
		Example: dumpExample,
		Args:    usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDump(cmd.OutOrStdout(), args, dump.Options{Records: records}, asJSON)
		},
	}
	cmd.Flags().BoolVar(&records, "records", false, "print the records of batches, too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func runDump(to io.Writer, args []string, options dump.Options, asJSON bool) error {
	out := bufio.NewWriterSize(to, 1<<16)
	p := &dumpPrinter{out: out, json: asJSON}
	for _, arg := range args {
		path, err := absolute(arg)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			out.Flush()
			return exitError{code: exitUsage, text: fmt.Sprintf("cannot dump %s: it does not exist or cannot be read", arg)}
		}
		p.given, p.root = arg, path
		read := dump.File
		if info.IsDir() {
			read = dump.Dir
		}
		if err := read(readOnly{}, path, options, p.entry); err != nil {
			out.Flush()
			return fmt.Errorf("dumping %s: %w", arg, err)
		}
	}
	return out.Flush()
}

// dumpPrinter prints entries, with the names of files as the user gave them.
type dumpPrinter struct {
	out         *bufio.Writer
	json        bool
	given, root string
	file        string // whose heading is out
	decode      decoder
}

func (p *dumpPrinter) entry(e dump.Entry) {
	if e.File != p.file {
		p.file, p.decode = e.File, decoderFor(e.File)
		if !p.json {
			fmt.Fprintf(p.out, "%s\n", asGiven(e.File, p.root, p.given))
		}
	}
	if p.json {
		p.printJSON(e)
		return
	}
	p.printText(e)
}

// asGiven names a file under root by the name the user gave for root.
func asGiven(file, root, given string) string {
	if rest, ok := strings.CutPrefix(file, root); ok {
		return strings.TrimSuffix(given, "/") + rest
	}
	return file
}

func (p *dumpPrinter) printText(e dump.Entry) {
	switch {
	case e.Batch != nil:
		p.batch(e.Batch)
	case e.Index != nil:
		fmt.Fprintf(p.out, "  offset %d at position %d\n", e.Index.Offset, e.Index.Position)
	case e.Time != nil:
		fmt.Fprintf(p.out, "  timestamp %s at offset %d\n", when(e.Time.Timestamp), e.Time.Offset)
	case e.Producer != nil:
		x := e.Producer
		fmt.Fprintf(p.out, "  producer %d epoch %d sequence %d..%d last-offset %d time %s", x.ID, x.Epoch, x.FirstSequence,
			x.LastSequence, x.LastOffset, when(x.LastTimestamp))
		if x.TxnStart >= 0 {
			fmt.Fprintf(p.out, " transaction-since %d", x.TxnStart)
		}
		fmt.Fprintln(p.out)
	case e.Aborted != nil:
		x := e.Aborted
		fmt.Fprintf(p.out, "  aborted producer %d offsets %d..%d last-stable-offset %d\n", x.ProducerID, x.FirstOffset,
			x.LastOffset, x.LastStableOffset)
	case e.Epoch != nil:
		fmt.Fprintf(p.out, "  leader epoch %d from offset %d\n", e.Epoch.Epoch, e.Epoch.StartOffset)
	case e.Offset != nil:
		fmt.Fprintf(p.out, "  %s-%d offset %d\n", e.Offset.Topic, e.Offset.Partition, e.Offset.Offset)
	case e.Property != nil:
		fmt.Fprintf(p.out, "  %s = %s\n", e.Property.Key, e.Property.Value)
	case e.Text != "":
		for line := range strings.Lines(e.Text) {
			fmt.Fprintf(p.out, "  %s\n", text([]byte(strings.TrimRight(line, "\n"))))
		}
	}
	if e.Problem != "" {
		fmt.Fprintf(p.out, "  PROBLEM: %s\n", e.Problem)
	}
}

func (p *dumpPrinter) batch(b *dump.Batch) {
	fmt.Fprintf(p.out, "  batch offsets %d..%d at position %d: %d records, %d bytes, epoch %d, %s %s..%s, %s, crc %08x",
		b.BaseOffset, b.LastOffset, b.Position, b.Count, b.Size, b.LeaderEpoch, b.TimestampType, when(b.BaseTimestamp),
		when(b.MaxTimestamp), b.Codec, b.CRC)
	if b.ProducerID != core.NoProducerID {
		fmt.Fprintf(p.out, ", producer %d epoch %d sequence %d..%d", b.ProducerID, b.ProducerEpoch, b.BaseSequence,
			b.LastSequence)
	}
	for _, x := range []struct {
		set  bool
		name string
	}{{b.Transactional, "transactional"}, {b.Control, "control"}, {b.DeleteHorizon, "delete horizon"},
		{!b.Valid, "NOT VALID"}} {
		if x.set {
			fmt.Fprintf(p.out, ", %s", x.name)
		}
	}
	fmt.Fprintln(p.out)
	for i := range b.Records {
		r := &b.Records[i]
		key, value := p.decoded(b, r)
		fmt.Fprintf(p.out, "    offset %d %s key %s value %s", r.Offset, when(r.Timestamp), shown(key), shown(value))
		for _, h := range r.Headers {
			fmt.Fprintf(p.out, " header %s=%s", h.Key, shown(textOrNil(h.Value)))
		}
		fmt.Fprintln(p.out)
	}
}

// decoded gives a record's key and value as text or objects, nil for null.
func (p *dumpPrinter) decoded(b *dump.Batch, r *dump.Record) (key, value any) {
	switch {
	case b.Control:
		return decodeControl(r.Key, r.Value)
	case p.decode != nil:
		return p.decode(r.Key, r.Value)
	}
	return textOrNil(r.Key), textOrNil(r.Value)
}

func textOrNil(b []byte) any {
	if b == nil {
		return nil
	}
	return text(b)
}

func shown(v any) string {
	b, err := plainJSON(v)
	if err != nil {
		return strconv.Quote(err.Error())
	}
	return string(b)
}

// when gives a timestamp in UTC, or as a number where it is no date.
func when(ts core.Timestamp) string {
	const lastDate = 253402300799999 // the end of the year 9999
	if ts < 0 || ts > lastDate {
		return strconv.FormatInt(int64(ts), 10)
	}
	return time.UnixMilli(int64(ts)).UTC().Format("2006-01-02T15:04:05.000Z")
}

// jsonRecord is a record in JSON: the raw bytes as base64 for programs, and what they mean for people.
type jsonRecord struct {
	Offset    core.Offset    `json:"offset"`
	Timestamp core.Timestamp `json:"timestamp"`
	Key       any            `json:"key"`
	Value     any            `json:"value"`
	RawKey    *string        `json:"rawKey,omitempty"`
	RawValue  *string        `json:"rawValue,omitempty"`
	Headers   []jsonHeader   `json:"headers,omitempty"`
}

type jsonHeader struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

func (p *dumpPrinter) printJSON(e dump.Entry) {
	e.File = asGiven(e.File, p.root, p.given)
	var line any = e
	if e.Batch != nil {
		type plainBatch dump.Batch // with the records replaced
		line = struct {
			File  string `json:"file"`
			Batch any    `json:"batch"`
			Error string `json:"problem,omitempty"`
		}{e.File, struct {
			*plainBatch
			Records []jsonRecord `json:"records,omitempty"`
		}{(*plainBatch)(e.Batch), p.jsonRecords(e.Batch)}, e.Problem}
	}
	b, err := plainJSON(line)
	if err != nil {
		b = quoted(err.Error())
	}
	p.out.Write(append(b, '\n'))
}

func (p *dumpPrinter) jsonRecords(b *dump.Batch) []jsonRecord {
	var list []jsonRecord
	for i := range b.Records {
		r := &b.Records[i]
		j := jsonRecord{Offset: r.Offset, Timestamp: r.Timestamp}
		j.Key, j.Value = p.decoded(b, r)
		if p.decode != nil || b.Control {
			j.RawKey, j.RawValue = raw(r.Key), raw(r.Value)
		}
		for _, h := range r.Headers {
			j.Headers = append(j.Headers, jsonHeader{h.Key, textOrNil(h.Value)})
		}
		list = append(list, j)
	}
	return list
}

func raw(b []byte) *string {
	if b == nil {
		return nil
	}
	s := base64.StdEncoding.EncodeToString(b)
	return &s
}
