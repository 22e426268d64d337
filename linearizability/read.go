package linearizability

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// MaxLineBytes is the longest line of a file, which is one poll with all that it returned.
	MaxLineBytes = 16 << 20
	// MaxOps is the most operations a file may have.
	MaxOps = 10_000_000
	// MaxRecords is the most records that the sends and polls of a file may have together.
	MaxRecords = 100_000_000
)

// ReadHistory reads a file in the format of doc.go. What is wrong with its text is a *MalformedError with the line.
func ReadHistory(r io.Reader) (*History, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), MaxLineBytes)
	p := parser{h: new(History)}
	for lines.Scan() {
		p.line++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		if err := p.parse(text); err != nil {
			return nil, err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, malformed(p.line+1, "longer than %d bytes", MaxLineBytes)
	} else if err != nil {
		return nil, fmt.Errorf("after line %d: %w", p.line, err)
	}
	if !p.header {
		return nil, malformed(max(p.line, 1), "no header: the first line is not {\"ottla_history\":%d}", FormatVersion)
	}
	return p.h, p.h.Validate()
}

type parser struct {
	h       *History
	line    int
	header  bool
	records int
}

func (p *parser) parse(text []byte) error {
	if !utf8.Valid(text) {
		return malformed(p.line, "not UTF-8")
	}
	if !p.header {
		return p.parseHeader(text)
	}
	if len(p.h.Ops) == MaxOps {
		return malformed(p.line, "more than %d operations", MaxOps)
	}
	var l opLine
	if err := p.decode(text, &l); err != nil {
		return err
	}
	op, reason := l.op()
	if reason != "" {
		return malformed(p.line, "%s", reason)
	}
	op.Line = p.line
	p.records += len(op.Values)
	for i := range op.Reads {
		p.records += len(op.Reads[i].Values)
	}
	if p.records > MaxRecords {
		return malformed(p.line, "more than %d records", MaxRecords)
	}
	p.h.Ops = append(p.h.Ops, op)
	return nil
}

func (p *parser) parseHeader(text []byte) error {
	// Another version may have other fields, so the version is looked at before they are refused.
	var only struct {
		Version *int `json:"ottla_history"`
	}
	if err := json.Unmarshal(text, &only); err != nil || only.Version == nil {
		return malformed(p.line, "no header: the first line is not {\"ottla_history\":%d}", FormatVersion)
	}
	if *only.Version != FormatVersion {
		return malformed(p.line, "the history has version %d; only version %d is understood", *only.Version, FormatVersion)
	}
	var l headerLine
	if err := p.decode(text, &l); err != nil {
		return err
	}
	p.header = true
	p.h.Note = l.Note
	if l.Allow != nil {
		p.h.Allow = *l.Allow
	}
	return nil
}

func (p *parser) decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed(p.line, "the line ends in the middle; was the file cut off?")
	} else if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) && wrong.Field != "" {
		return malformed(p.line, "%s is a %s, which it cannot be", wrong.Field, wrong.Value)
	} else if err != nil {
		return malformed(p.line, "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if d.More() {
		return malformed(p.line, "more than one value")
	}
	return nil
}

// WriteHistory writes a file in the format of doc.go. It refuses values and names that are not UTF-8, which JSON cannot
// hold; the lines before are then written already.
func WriteHistory(w io.Writer, h *History) error {
	out := bufio.NewWriter(w)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	version := FormatVersion
	if err := e.Encode(headerLine{Version: &version, Note: h.Note, Allow: &h.Allow}); err != nil {
		return err
	}
	for i := range h.Ops {
		op := &h.Ops[i]
		if !op.utf8() {
			return fmt.Errorf("operation %d, a %s of process %d: a text is not UTF-8", i, op.Kind, op.Process)
		}
		l := lineOf(op)
		if err := e.Encode(&l); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (op *Op) utf8() bool {
	texts := append([]string{op.Partition.Topic, op.Partition.TopicID, op.Group, op.Txn, op.Name, op.Error}, op.Values...)
	for i := range op.Reads {
		texts = append(texts, op.Reads[i].Partition.Topic, op.Reads[i].Partition.TopicID)
		texts = append(texts, op.Reads[i].Values...)
	}
	for _, t := range texts {
		if !utf8.ValidString(t) {
			return false
		}
	}
	return true
}
