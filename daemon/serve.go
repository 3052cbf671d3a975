package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/gate"
)

// drainTimeout bounds how long requests under way may take when the daemon ends.
const drainTimeout = 5 * time.Second

func (d *Daemon) newGate() *gate.Gate {
	return gate.New(gate.Options{
		Known: func(service string, _ plumbline.Color) (plumbline.Record, plumbline.Policy, bool) {
			policy, exists := d.plans.known(service)
			record, _, _ := d.memory.Get(service)
			return record, policy, exists
		},
		Services: d.plans.services,
		Synced:   d.bus.Synced,
		Now:      time.Now,
		Ready:    d.ready,
		Run: func(ctx context.Context, run string) ([]byte, bool, error) {
			v, found, err := d.bus.Verdict(ctx, run)
			if err != nil || !found {
				return nil, false, err
			}
			body, err := json.Marshal(v)
			return body, true, err
		},
		PublicURL: func() string { return d.Config().PublicURL },
		Tokens:    tokensOf(d.Config()),
		Loopback:  loopback(d.listener.Addr()),
	})
}

// ready says what keeps the daemon from its work, besides records that are out of step.
func (d *Daemon) ready() error {
	select {
	case <-d.ending:
		return errEnding
	default:
	}
	if !d.bus.Conn().IsConnected() {
		return errors.New("the bus is out of reach")
	}
	if err := d.bus.EventsUnread(gate.CutOffAfter); err != nil {
		return err
	}
	return d.worker.Ready()
}

var errEnding = errors.New("the daemon is ending")

func tokensOf(config *configs.Config) []gate.Token {
	var tokens []gate.Token
	for _, t := range config.Tokens {
		tokens = append(tokens, gate.NewToken(t.Name, t.Token.Reveal(), t.Roles...))
	}
	return tokens
}

// Record is what this daemon knows of a service.
func (d *Daemon) Record(service string) (plumbline.Record, bool) {
	record, _, known := d.memory.Get(service)
	return record, known
}

// serveHTTP answers gates until ctx ends, and then lets requests under way end.
func (d *Daemon) serveHTTP(ctx context.Context) error {
	server := gate.Server(d.Address(), d.gate.Handler())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(d.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("listen on %s: %w", d.Address(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		_ = server.Close() // what takes longer is cut off
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// serveBus answers gates over the bus until ctx ends. A daemon that doesn't know is silent, and another one is asked.
func (d *Daemon) serveBus(ctx context.Context) error {
	return d.bus.ServeGate(ctx, func(ctx context.Context, service, color string, body []byte) ([]byte, error) {
		answer, err := d.gate.AnswerNATS(ctx, service, color, body)
		switch {
		case errors.Is(err, gate.ErrCutOff):
			return nil, bus.ErrSilent
		case errors.Is(err, gate.ErrUnknown) && d.servedElsewhere(service):
			return nil, &bus.GateError{Status: http.StatusMisdirectedRequest, Text: err.Error() + " in the daemon that was asked: ask again, another one may serve it"}
		case errors.Is(err, gate.ErrUnknown):
			return nil, &bus.GateError{Status: http.StatusNotFound, Text: err.Error()}
		case errors.Is(err, gate.ErrQuestion):
			return nil, &bus.GateError{Status: http.StatusBadRequest, Text: err.Error()}
		}
		return answer, err
	})
}

// servedElsewhere says whether a service isn't configured here and has a record, which only those who serve it make.
func (d *Daemon) servedElsewhere(service string) bool {
	_, here := d.plans.known(service)
	_, recorded := d.Record(service)
	return !here && recorded
}

// loopback says whether an address can't be reached from outside this machine.
func loopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
