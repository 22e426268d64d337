package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// explain adds to an error what a person can do about it.
func (f *Flags) explain(err error) error {
	var dns *net.DNSError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no broker listens on %s\nstart one with 'ottla serve' or 'ottla cluster', "+
			"or name another with --bootstrap-server HOST:PORT", f.Servers)
	case errors.As(err, &dns):
		return fmt.Errorf("the host of %s is not known: %w", f.Servers, err)
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted; what was asked for may have happened")
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the cluster did not answer within %v\n"+
			"it may be without a controller: see 'ottla quorum describe', or wait longer with --timeout", f.Timeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("%s closed the connection; is it a Kafka listener, without TLS? (%w)", f.Servers, err)
	default:
		return err
	}
}

// Refusal makes an error of what a broker answered: its own words if it has any, otherwise what Kafka's code means, and
// a hint. It is nil for an error that is nil.
func Refusal(what string, err error, message, hint string) error {
	if err == nil {
		return nil
	}
	text := message
	var code *kerr.Error
	if errors.As(err, &code) {
		if text == "" {
			text = code.Description
		}
		text += " (" + code.Message + ")"
	} else if text == "" {
		text = err.Error()
	}
	if hint != "" {
		text += "\n" + hint
	}
	return refusal{fmt.Sprintf("%s: %s", what, text), err}
}

// refusal reads well and still is the error it was made of.
type refusal struct {
	text string
	err  error
}

func (r refusal) Error() string { return r.text }
func (r refusal) Unwrap() error { return r.err }

// Shards gives the first error of a request that went to several brokers, without the words of the library.
func Shards(err error) error {
	var shards *kadm.ShardErrors
	if errors.As(err, &shards) && len(shards.Errs) > 0 {
		return fmt.Errorf("broker %d: %w", shards.Errs[0].Broker.NodeID, shards.Errs[0].Err)
	}
	return err
}
