package bus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/plumbline-dev/plumbline"
)

// The ends of gate questions that a caller acts upon.
var (
	ErrSilent   = errors.New("no answer is better than this one") // an answer func returns it to leave a question to others
	ErrNoDaemon = errors.New("no daemon answers")
)

// A GateError is a refusal to answer, with the status that HTTP would have: 400 for a bad question, 404 for an unknown
// service or color, 421 for a service that another daemon may serve, which is asked then.
type GateError struct {
	Status int
	Text   string
}

func (e *GateError) Error() string { return e.Text }

// maxGateQuestions bounds the questions that are answered at once.
const maxGateQuestions = 64

// gateService is its name, for tools that list services.
const gateService = "plumbline-gate"

const internalError = "internal error: see the daemon's log"

// gateVersion is the version of the gate document, for tools that list services.
const gateVersion = "1.0.0"

// ServeGate answers the gate questions that arrive on the bus until ctx is done; each goes to one of the daemons. body is
// the question as it came, at most 256 KiB. An answer func that returns a GateError refuses, with ErrSilent it doesn't
// answer at all, and the asker turns to the next daemon.
func (b *Bus) ServeGate(ctx context.Context, answer func(ctx context.Context, service, color string, body []byte) ([]byte, error)) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	free := make(chan struct{}, maxGateQuestions)
	handler := func(r micro.Request) {
		select {
		case free <- struct{}{}:
		default:
			return // overloaded: the asker tries again
		}
		running.Go(func() {
			defer func() { <-free }()
			b.answerGate(ctx, r, answer)
		})
	}
	service, err := micro.AddService(b.conn, micro.Config{Name: gateService, Version: gateVersion, QueueGroup: "plumbline",
		Description: "may traffic move to this color, for this deployment"})
	if err != nil {
		return fmt.Errorf("gate service: %w", err)
	}
	defer service.Stop() //nolint:errcheck // the connection's end stops it, too
	subject := b.names.subject("gate", "*", "*")
	if err := service.AddEndpoint("gate", micro.HandlerFunc(handler), micro.WithEndpointSubject(subject)); err != nil {
		return fmt.Errorf("gate service: %w", err)
	}
	<-ctx.Done()
	return nil
}

func (b *Bus) answerGate(ctx context.Context, r micro.Request, answer func(context.Context, string, string, []byte) ([]byte, error)) {
	if r.Reply() == "" {
		return // nobody wants to know
	}
	if strings.HasPrefix(r.Reply(), "$") {
		b.log.Warn("a gate question wants its answer where no answer belongs", "subject", r.Subject(), "reply", clip(r.Reply(), 256))
		return // such as $JS.ACK.…, which comes through from other accounts by a leaf node: an answer would acknowledge a message
	}
	tokens := strings.Split(strings.TrimPrefix(r.Subject(), b.names.subject("gate")+"."), ".")
	if len(tokens) != 2 {
		return
	}
	var body []byte
	err := error(&GateError{Status: 400, Text: fmt.Sprintf("the question has %d bytes, want at most %d", len(r.Data()), MaxEvent)})
	if len(r.Data()) <= MaxEvent {
		body, err = answer(ctx, tokens[0], tokens[1], r.Data())
	}
	var refusal *GateError
	switch {
	case err == nil:
		err = b.reply(r, body, nil)
	case errors.Is(err, ErrSilent) || ctx.Err() != nil:
		return
	case errors.As(err, &refusal):
		err = b.reply(r, []byte(refusal.Text), refused(strconv.Itoa(refusal.Status), oneLine(refusal.Text)))
	default:
		b.log.Error("a gate question was not answered", "subject", r.Subject(), "error", err)
		err = b.reply(r, []byte(internalError), refused("500", internalError))
	}
	if err != nil {
		b.log.Warn("the answer of a gate was not sent", "subject", r.Subject(), "error", err)
	}
}

// reply answers on the connection itself: what a micro.Request notes of its own answers is read as soon as the handler
// is back, and questions are answered behind it.
func (b *Bus) reply(r micro.Request, body []byte, header nats.Header) error {
	if r.Reply() == "" {
		return nats.ErrMsgNoReply
	}
	return b.conn.PublishMsg(&nats.Msg{Subject: r.Reply(), Data: body, Header: header})
}

// refused are the headers that make an answer an error, as the NATS services API has them.
func refused(code, text string) nats.Header {
	return nats.Header{micro.ErrorCodeHeader: {code}, micro.ErrorHeader: {text}}
}

// AskGate asks the daemons until one answers or ctx is done. The error wraps ErrNoDaemon if none listens, and is a
// *GateError if one refused.
func (b *Bus) AskGate(ctx context.Context, service, color string, body []byte) (answer []byte, err error) {
	if err := plumbline.CheckName(service); err != nil {
		return nil, &GateError{Status: 404, Text: err.Error()}
	}
	if _, err := plumbline.ParseColor(color); err != nil {
		return nil, &GateError{Status: 404, Text: err.Error()}
	}
	var elsewhere error
	for {
		attempt, cancel := context.WithTimeout(ctx, tryFor)
		m, err := b.conn.RequestWithContext(attempt, b.names.gate(service, color), body)
		cancel()
		switch {
		case err == nil && m.Header.Get(micro.ErrorCodeHeader) != "":
			status, _ := strconv.Atoi(m.Header.Get(micro.ErrorCodeHeader)) // 0: no status of ours
			refusal := &GateError{Status: status, Text: m.Header.Get(micro.ErrorHeader)}
			if status != http.StatusMisdirectedRequest {
				return nil, refusal
			}
			elsewhere = refusal
		case err == nil:
			return m.Data, nil
		case errors.Is(err, nats.ErrNoResponders):
			return nil, fmt.Errorf("gate of %s %s: %w", service, color, ErrNoDaemon)
		case errors.Is(err, nats.ErrConnectionClosed):
			return nil, fmt.Errorf("gate of %s %s: %w", service, color, err)
		}
		if !pause(ctx, retryWait) {
			if elsewhere != nil {
				return nil, elsewhere
			}
			return nil, fmt.Errorf("gate of %s %s: no daemon that knows answers: %w", service, color, context.Cause(ctx))
		}
	}
}
