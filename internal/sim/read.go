package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// A ledgerOf is everything that is durable in the end.
type durable struct {
	events   []told
	verdicts map[string][]written // by run
	entries  map[string]int       // of the ledger, by id
	letters  map[uint64][]string  // reasons of dead letters, by the sequence of the event
	started  map[string]int       // starts of runs
	records  map[string]plumbline.Record
}

// written is a verdict and when the stream took it.
type written struct {
	plumbline.Verdict
	at   time.Time
	text string
}

// read reads all streams, with nothing but a NATS client.
func read(ctx context.Context, conn *nats.Conn, services []string) (*durable, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	d := &durable{verdicts: map[string][]written{}, entries: map[string]int{}, letters: map[uint64][]string{}, started: map[string]int{},
		records: map[string]plumbline.Record{}}
	take := map[string]func(*jetstream.RawStreamMsg) error{
		"PLUMBLINE_EVENTS":      d.event,
		"PLUMBLINE_VERDICTS":    d.verdict,
		"PLUMBLINE_LEDGER":      d.entry,
		"PLUMBLINE_DEADLETTER":  d.letter,
		"PLUMBLINE_RESULTS":     d.result,
		"KV_PLUMBLINE_SERVICES": d.record,
	}
	for name, each := range take {
		if err := readStream(ctx, js, name, each); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return d, nil
}

func readStream(ctx context.Context, js jetstream.JetStream, name string, each func(*jetstream.RawStreamMsg) error) error {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return err
	}
	state := stream.CachedInfo().State
	for sequence := max(1, state.FirstSeq); sequence <= state.LastSeq; sequence++ {
		m, err := stream.GetMsg(ctx, sequence)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // a record that was replaced
		}
		if err == nil {
			err = each(m)
		}
		if err != nil {
			return fmt.Errorf("message %d: %w", sequence, err)
		}
	}
	return nil
}

// cloudEvent is an event in structured mode.
type cloudEvent struct {
	Type   string          `json:"type"`
	Source string          `json:"source"`
	ID     string          `json:"id"`
	Data   json.RawMessage `json:"data"`
}

// headerTruth says what an event means that isn't in structured mode, or that it means nothing.
const (
	headerTruth = "Sim-Truth"
	truthBroken = "broken"
)

func (d *durable) event(m *jetstream.RawStreamMsg) error {
	e := told{sequence: m.Sequence, at: m.Time}
	text := m.Data
	if truth := m.Header.Get(headerTruth); truth == truthBroken {
		e.broken = true
		d.events = append(d.events, e)
		return nil
	} else if truth != "" {
		text = []byte(truth)
	}
	var ce cloudEvent
	var data struct {
		Service, Version, Digest string
		Color, To                plumbline.Color
	}
	if err := errors.Join(json.Unmarshal(text, &ce), json.Unmarshal(ce.Data, &data)); err != nil {
		return err
	}
	e.service, e.version, e.digest, e.color, e.data = data.Service, data.Version, data.Digest, data.Color, string(ce.Data)
	e.id = ce.ID
	if m.Header.Get(headerTruth) != "" {
		e.data = string(m.Data)
	}
	if data.To != "" {
		e.color = data.To
	}
	e.kind = map[string]deed{
		"dev.plumbline.release.deploying.v1": deploying, "dev.plumbline.release.deployed.v1": deployed, "dev.plumbline.traffic.switched.v1": switched,
		"dev.plumbline.validation.requested.v1": requested, "dev.plumbline.standby.slot.v1": slot,
	}[ce.Type]
	e.run = plumbline.RunID(m.Subject, ce.Source, ce.ID)
	d.events = append(d.events, e)
	return nil
}

func (d *durable) verdict(m *jetstream.RawStreamMsg) error {
	var ce cloudEvent
	var data struct{ Verdict json.RawMessage }
	var v plumbline.Verdict
	if err := errors.Join(json.Unmarshal(m.Data, &ce), json.Unmarshal(ce.Data, &data), json.Unmarshal(data.Verdict, &v)); err != nil {
		return err
	}
	run := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	d.verdicts[run] = append(d.verdicts[run], written{v, m.Time, string(data.Verdict)})
	return nil
}

func (d *durable) entry(m *jetstream.RawStreamMsg) error {
	var ce cloudEvent
	var e plumbline.Entry
	if err := errors.Join(json.Unmarshal(m.Data, &ce), json.Unmarshal(ce.Data, &e)); err != nil {
		return err
	}
	d.entries[e.ID()]++
	return nil
}

func (d *durable) letter(m *jetstream.RawStreamMsg) error {
	sequence, err := strconv.ParseUint(m.Header.Get("Plumbline-Stream-Sequence"), 10, 64)
	d.letters[sequence] = append(d.letters[sequence], m.Header.Get("Plumbline-Reason"))
	return err
}

func (d *durable) result(m *jetstream.RawStreamMsg) error {
	if m.Header.Get("Plumbline-Type") == "dev.plumbline.run.started.v1" {
		d.started[m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]]++
	}
	return nil
}

func (d *durable) record(m *jetstream.RawStreamMsg) error {
	var r plumbline.Record
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return err
	}
	d.records[r.Service] = r
	return nil
}
