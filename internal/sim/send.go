package sim

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// source is that of events that are sent here.
const source = "/sim"

// send sends the event of an act, and tries until the bus took it.
func (w *world) send(a Act) {
	if a.Do == promote {
		if !w.mayPromote(a) {
			return
		}
		a.Do = switched
	}
	switch a.Do {
	case poison:
		w.publish(poisoned(a))
		return
	case flood:
		a.Do = requested
		for i := range a.Many {
			one := a
			one.ID = fmt.Sprint(a.ID, i)
			w.publish(one.message())
		}
		return
	}
	if a.Form == proper {
		e := plumbline.Event{Kind: plumbline.EventKind(a.Do), ID: a.ID, Source: source, Service: a.Service, Color: a.Color, Release: plumbline.Release{Version: a.Version, Digest: a.Digest}}
		if _, err := w.tool.Publish(w.ctx, e); err != nil && w.ctx.Err() == nil {
			panic(fmt.Sprintf("%s: %v", a, err)) // the script is wrong
		}
		return
	}
	w.publish(a.message())
	if a.Form == twice {
		w.publish(a.message())
	}
}

// mayPromote asks the gates as a careful switch controller does.
func (w *world) mayPromote(a Act) bool {
	for _, p := range w.all() {
		if !p.isUp() {
			continue
		}
		if doc, err := p.ask(a.Service, plumbline.Asked{Color: a.Color}); err == nil && doc.Gate == plumbline.GateOpen && doc.Because != plumbline.BecauseAlreadyLive {
			return true
		}
	}
	return false
}

// publish stores a message, however often the bus has to be asked. One that was taken without an answer is there twice.
func (w *world) publish(m *nats.Msg) {
	js, err := jetstream.New(w.tool.Conn())
	if err != nil {
		panic(err)
	}
	for w.ctx.Err() == nil {
		if _, err = js.PublishMsg(w.ctx, m, jetstream.WithRetryAttempts(0)); err == nil {
			return
		}
		_ = wait(w.ctx, 300*time.Millisecond)
	}
}

// message is the event of an act as other people's tools send it.
func (a Act) message() *nats.Msg {
	data := map[string]any{"service": a.Service, "color": a.Color}
	kind := "dev.plumbline.release." + string(a.Do) + ".v1"
	switch a.Do {
	case deployed:
		data["version"] = a.Version
		if a.Digest != "" {
			data["digest"] = a.Digest
		}
	case switched:
		kind, data = "dev.plumbline.traffic.switched.v1", map[string]any{"service": a.Service, "to": a.Color, "reason": "break_glass"}
	case requested:
		kind = "dev.plumbline.validation.requested.v1"
		data["reason"] = "why not"
	}
	if a.Form == changed {
		kind = "dev.plumbline.validation.requested.v1"
		data = map[string]any{"service": a.Service, "color": a.Color, "reason": "with other data"}
	}
	body := text(map[string]any{"specversion": "1.0", "type": kind, "source": source, "id": a.ID, "data": data})
	m := nats.NewMsg("plumbline.event." + a.Service)
	m.Data = []byte(body)
	switch a.Form {
	case inHeaders:
		m.Data = []byte(text(data))
		for name, value := range map[string]string{"specversion": "1.0", "type": kind, "source": source, "id": a.ID} {
			m.Header.Set("Ce-"+strings.ToUpper(name[:1])+name[1:], value)
		}
		m.Header.Set(headerTruth, body)
	case cdEvent:
		m.Data = []byte(text(map[string]any{
			"context": map[string]any{"specversion": "0.5.1", "id": a.ID, "source": source, "type": "dev.cdevents.service.deployed.0.3.0", "timestamp": "2026-11-23T13:00:00Z"},
			"subject": map[string]any{"id": "service/" + a.Service, "content": map[string]any{"environment": map[string]any{"id": "prod/" + string(a.Color)},
				"artifactId": "pkg:oci/plum?tag=" + a.Version}},
			"customData": map[string]any{"digest": a.Digest},
		}))
		m.Header.Set(headerTruth, body)
	}
	return m
}

func text(v any) string {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(body)
}

func poisons() []string {
	return []string{"no JSON", "no event", "another service", "no such color", "no such type", "no such service", "too large", "bad subject", "no version", "spoiled headers"}
}

// poisoned is a message that can't be served.
func poisoned(a Act) *nats.Msg {
	good := a
	good.Do, good.Version, good.Form = deployed, "1-healthy", bare
	m := good.message()
	switch a.Version {
	case "no JSON":
		m.Data = m.Data[:len(m.Data)-7]
	case "no event":
		m.Data = []byte(`{"hello":"world"}`)
	case "another service":
		m.Subject = "plumbline.event.pear"
		if a.Service == "pear" {
			m.Subject = "plumbline.event.plum"
		}
	case "no such color":
		good.Color = "red"
		m = good.message()
	case "no such type":
		m.Data = []byte(strings.Replace(string(m.Data), "deployed.v1", "deplyed.v1", 1))
	case "no such service":
		good.Service = "peach"
		m = good.message()
	case "too large":
		m.Data = append(m.Data, strings.Repeat(" ", 300<<10)...)
	case "bad subject":
		m.Subject = "plumbline.event.plum.green"
	case "no version":
		good.Version = ""
		m = good.message()
	case "spoiled headers":
		m.Header.Set("Ce-Id", "%zz")
	}
	m.Header.Set(headerTruth, truthBroken)
	return m
}
